package rig

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func received(text string) (Reply, error) {
	l := line{}
	return l.receive(strings.NewReader(text))
}

func TestReceive(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Reply{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-type:\ttext/html; charset=utf-8 \r\n\r\nhello":                            {Status: 200, Body: []byte("hello"), Type: []byte("text/html; charset=utf-8")},
		"HTTP/1.1 303 See Other\r\nLocation: /next?a=b\r\nSet-Cookie: a=1\r\nset-cookie: b=2; Path=/\r\nContent-Length: 0\r\n\r\n": {Status: 303, Location: []byte("/next?a=b"), Cookies: [][]byte{[]byte("a=1"), []byte("b=2; Path=/")}},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nB\r\n, everybody\r\n0\r\n\r\n":                         {Status: 200, Body: []byte("hello, everybody")},
		"HTTP/1.1 200 OK\r\n\r\nuntil the end":                                                                         {Status: 200, Body: []byte("until the end"), closes: true},
		"HTTP/1.1 204 \r\n\r\n":                                                                                        {Status: 204},
		"HTTP/1.1 404\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx":                                              {Status: 404, Body: []byte("x"), closes: true},
		"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("0123456789", 2000):                        {Status: 200, Body: []byte(strings.Repeat("0123456789", 2000))},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" + strings.Repeat("x", 20000) + "\r\n0\r\n\r\n": {Status: 200, Body: []byte(strings.Repeat("x", 20000))},
	} {
		for _, from := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
			l := line{}
			got, err := l.receive(from)
			if err != nil || got.Status != want.Status || !bytes.Equal(got.Body, want.Body) || !bytes.Equal(got.Location, want.Location) ||
				!bytes.Equal(got.Type, want.Type) || !slices.EqualFunc(got.Cookies, want.Cookies, bytes.Equal) || got.closes != want.closes {
				t.Errorf("%.60q is read as %+v, %v", text, got, err)
			}
		}
	}
}

func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"nothing":              "",
		"another protocol":     "HTTP/2 200 OK\r\n\r\n",
		"an old protocol":      "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"no status":            "HTTP/1.1 \r\n\r\n",
		"an interim status":    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"a status of two":      "HTTP/1.1 20 OK\r\n\r\n",
		"a status of four":     "HTTP/1.1 2000 OK\r\n\r\n",
		"a signed status":      "HTTP/1.1 +20 OK\r\n\r\n",
		"bare line feeds":      "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"one bare line feed":   "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n",
		"a bare return":        "HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n",
		"a NUL":                "HTTP/1.1 200 OK\r\nA: \x00\r\nContent-Length: 0\r\n\r\n",
		"no head's end":        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
		"a field without name": "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
		"a folded field":       "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\nContent-Length: 0\r\n\r\n",
		"a name with a space":  "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
		"a line without colon": "HTTP/1.1 200 OK\r\nwhat\r\nContent-Length: 0\r\n\r\n",
		"two lengths":          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		"length and chunks":    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks and length":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"another encoding":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"a negative length":    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"a length with a sign": "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
		"an endless length":    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"too much":             "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
		"less than was said":   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
		"more than was said":   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!",
		"a second reply":       "HTTP/1.1 204 \r\n\r\nHTTP/1.1 204 \r\n\r\n",
		"no last chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"a chunk too short":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n",
		"a chunk too long":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
		"a chunk not ended":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhelloo0\r\n\r\n",
		"a chunk without size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n",
		"a chunk of no number": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5g\r\nhello\r\n0\r\n\r\n",
		"a chunk of a letter":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\x15\r\nhello\r\n0\r\n\r\n",
		"a chunk without end":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 100),
		"more after chunks":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx",
		"a head without end":   "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", headLimit),
	} {
		got, err := received(text)
		if err == nil {
			t.Errorf("%s: it is read as %+v", what, got)
		} else if text != "" && !strings.Contains(err.Error(), text[:6]) {
			t.Errorf("%s: the error does not say what came: %v", what, err)
		}
	}
}

// FuzzReceive: what is taken is what net/http reads too, however it comes in.
func FuzzReceive(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/html\r\n\r\nhello")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nB\r\n, everybody\r\n0\r\n\r\n")
	f.Add("HTTP/1.1 303 See Other\r\nLocation: /next\r\nSet-Cookie: a=1\r\nConnection: close\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := received(text)
		if err != nil {
			return
		}
		l := line{}
		slowly, err := l.receive(iotest.OneByteReader(strings.NewReader(text)))
		if err != nil || !bytes.Equal(got.Body, slowly.Body) || got.Status != slowly.Status {
			t.Fatalf("at once %+v; byte by byte %+v, %v", got, slowly, err)
		}
		want, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
		if err != nil {
			t.Fatalf("net/http does not read it: %v", err)
		}
		body, err := io.ReadAll(want.Body)
		_ = want.Body.Close()
		if err != nil || want.StatusCode != got.Status || !bytes.Equal(body, got.Body) {
			t.Fatalf("net/http reads %d, %q, %v; we %d, %q", want.StatusCode, body, err, got.Status, got.Body)
		}
		if set := want.Header.Values("Set-Cookie"); !slices.EqualFunc(got.Cookies, set, func(a []byte, b string) bool { return string(a) == b }) {
			t.Fatalf("net/http reads the cookies %q; we %q", set, got.Cookies)
		}
	})
}
