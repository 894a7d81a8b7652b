package rig

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

func TestRequestAsItIsWritten(t *testing.T) {
	t.Parallel()
	jar := Jar{{"a", "1", "/"}, {"b", "2", "/elsewhere"}}
	r := Request{Method: http.MethodPost, Auth: App{"id", "secret"}.basic(), Type: formType, Body: pairs(nil, "a b", "c&d", "e", "ü"), cookies: jar, origin: "http://127.0.0.1:5"}
	got, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.appendTo(nil, "127.0.0.1:5", "/path?query"))))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(got.Body)
	values, err := url.ParseQuery(string(body))
	id, secret, _ := got.BasicAuth()
	if err != nil || got.Host != "127.0.0.1:5" || got.RequestURI != "/path?query" || got.Method != http.MethodPost || id != "id" || secret != "secret" ||
		values.Get("a b") != "c&d" || values.Get("e") != "ü" || got.Header.Get("Cookie") != "a=1" || got.Header.Get("Origin") != "http://127.0.0.1:5" ||
		got.Header.Get("Sec-Fetch-Site") != "same-origin" || got.Header.Get("Content-Type") != formType {
		t.Errorf("%+v with %q", got, body)
	}
	bare := Request{Method: http.MethodGet}
	if text := string(bare.appendTo(nil, "h:1", "/")); text != "GET / HTTP/1.1\r\nHost: h:1\r\nUser-Agent: valetkey-bench\r\n\r\n" {
		t.Errorf("%q", text)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	const page = "http://127.0.0.1:5/a/b?c=d"
	for link, want := range map[string]string{
		"http://127.0.0.1:6/x": "http://127.0.0.1:6/x", "/x?y=z": "http://127.0.0.1:5/x?y=z", "": page, "e": "http://127.0.0.1:5/a/e",
		"?f": "http://127.0.0.1:5/a/b?f", "../g": "http://127.0.0.1:5/g", "//127.0.0.1:7/h": "http://127.0.0.1:7/h",
	} {
		if got, err := resolve(page, link); err != nil || got != want {
			t.Errorf("%q leads to %q, %v", link, got, err)
		}
	}
	for _, link := range []string{"%zz", ":"} {
		if got, err := resolve(page, link); err == nil {
			t.Errorf("%q leads to %q", link, got)
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]string{
		"http://h:1": {"h:1", "/"}, "http://h:1/": {"h:1", "/"}, "http://h:1/a?b#c": {"h:1", "/a?b"}, "http://h:1/a#b?c": {"h:1", "/a"},
	} {
		if host, target, err := split(address); err != nil || host != want[0] || target != want[1] {
			t.Errorf("%s: %q %q %v", address, host, target, err)
		}
	}
	for _, address := range []string{"", "https://h/", "http://", "http:///a", "http://h?a", "http://h/a b", "http://h/\r\nX: y", "http://h/ü", "/a", "ftp://h/"} {
		if host, target, err := split(address); err == nil {
			t.Errorf("%q: %q %q", address, host, target)
		}
	}
}

func TestParam(t *testing.T) {
	t.Parallel()
	const query = "code=a%20b&state=c+d&iss=http%3A%2F%2Fh&code2=x&bare"
	for name, want := range map[string]string{"code": "a b", "state": "c d", "iss": "http://h", "bare": "", "none": ""} {
		if got, err := param(query, name); err != nil || got != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for _, bad := range []string{"code=a&code=a", "code=%zz"} {
		if got, err := param(bad, "code"); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}

func TestJar(t *testing.T) {
	t.Parallel()
	var j Jar
	for _, line := range []string{
		"a=1; Path=/; HttpOnly; SameSite=Lax", "__Host-s=x=y; Path=/; Secure", "deep=2; path=/app/in", "near=3", "a=4; path=/",
		"gone=5; path=/", "gone=; Max-Age=0; path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT", "old=6; path=/", "old=; expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/",
		"kept=7; path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "__Secure-t=8; Secure; Path=/other",
	} {
		if err := j.take([]byte(line), "/app/page"); err != nil {
			t.Error(err)
		}
	}
	for path, want := range map[string]string{
		"/":            "__Host-s=x=y; a=4; kept=7",
		"/app":         "near=3; __Host-s=x=y; a=4; kept=7",
		"/app/in/side": "deep=2; near=3; __Host-s=x=y; a=4; kept=7",
		"/app/inside":  "near=3; __Host-s=x=y; a=4; kept=7",
		"/other":       "__Secure-t=8; __Host-s=x=y; a=4; kept=7",
	} {
		if got := string(j.appendTo(nil, path)); got != "Cookie: "+want+"\r\n" {
			t.Errorf("%s is sent %q", path, got)
		}
	}
	if got := (Jar{{"a", "1", "/x"}}).appendTo(nil, "/y"); len(got) > 0 {
		t.Errorf("it is sent %q", got)
	}
	before := j.Clone()
	if err := j.take([]byte("a=; Max-Age=-1; Path=/"), "/"); err != nil || slices.Equal(before, j) || len(before) != len(j)+1 {
		t.Errorf("%v, then %v, %v", before, j, err)
	}
	for _, line := range []string{
		"", "a", "=1", "a=1; Domain=example.com", "__Host-s=1; Path=/", "__Host-s=1; Secure", "__Host-s=1; Secure; Path=/app", "__Secure-s=1; Path=/",
		"a=1; Max-Age=soon", "a=1; Expires=tomorrow",
	} {
		if err := j.take([]byte(line), "/"); err == nil {
			t.Errorf("%q is kept", line)
		}
	}
}
