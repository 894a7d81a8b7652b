package guard_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		": hello\n\nevent: ended\nid: e-1\ndata: {\"seq\":1}\n\n", "event:fresh\r\ndata:{}\r\n\r\n", "retry: 5\n\n", "data\ndata\n\n",
		"id: a\x00b\n\n", "\n\n\n", ":", "data: a\rb\n\n", "event: reset\ndata: {}\n", "retry: 99999999999999999999\n\n", "id\n\n", "retry: -1\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := guard.ReadEvents(bytes.NewReader(text))
		if err == nil {
			t.Fatal("a stream without an end")
		}
		for _, ev := range got {
			if len(ev.Data)+len(ev.Name)+len(ev.ID) > 16<<10 || strings.ContainsAny(ev.Name+ev.ID, "\r\n") || strings.Contains(ev.Data, "\r") || ev.Retry < 0 {
				t.Fatalf("%+v", ev)
			}
		}
		// However the bytes come, the events are the same.
		again, _ := guard.ReadEvents(&slow{text})
		if len(again) != len(got) {
			t.Fatalf("%d events byte by byte, %d at once", len(again), len(got))
		}
		for i := range got {
			if got[i] != again[i] {
				t.Fatalf("%+v byte by byte, %+v at once", again[i], got[i])
			}
		}
	})
}

// slow is a reader of one byte at a time.
type slow struct{ left []byte }

func (s *slow) Read(p []byte) (int, error) {
	n, err := bytes.NewReader(s.left).Read(p[:1])
	s.left = s.left[n:]
	return n, err
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []guard.Event
	}{
		"an ending":           {"event: ended\nid: e-1\ndata: {}\n\n", []guard.Event{{Name: "ended", ID: "e-1", HasID: true, Data: "{}"}}},
		"CRLF":                {"event: ended\r\ndata: {}\r\n\r\n", []guard.Event{{Name: "ended", Data: "{}"}}},
		"two lines of data":   {"data: a\ndata: b\n\n", []guard.Event{{Data: "a\nb"}}},
		"no space":            {"event:x\ndata:y\n\n", []guard.Event{{Name: "x", Data: "y"}}},
		"two spaces":          {"data:  y\n\n", []guard.Event{{Data: " y"}}},
		"a comment":           {": hello\n\n: again\n", nil},
		"a retry":             {"retry: 1500\n\n", []guard.Event{{Retry: 1_500_000_000}}},
		"a retry that is not": {"retry: 1e3\ndata\n\n", []guard.Event{{}}},
		"cut off":             {"data: a\n\ndata: b\n", []guard.Event{{Data: "a"}}},
		"unknown fields":      {"color: red\ndata: a\n\n", []guard.Event{{Data: "a"}}},
		"an id with NUL":      {"id: a\x00\ndata: a\n\n", []guard.Event{{Data: "a"}}},
	} {
		got, err := guard.ReadEvents(strings.NewReader(c.text))
		if err == nil || len(got) != len(c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %+v, want %+v", name, got[i], c.want[i])
			}
		}
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]struct {
		epoch string
		n     int64
		ok    bool
	}{
		"a-1": {"a", 1, true}, "a-b-c-17": {"a-b-c", 17, true}, "a-0": {"a", 0, true}, "": {}, "1": {}, "-1": {}, "a-": {}, "a--1": {"a-", 1, true},
		"a-x": {}, "a-99999999999999999999": {}, "a\n-1": {}, strings.Repeat("a", 300) + "-1": {},
	} {
		epoch, n, ok := guard.ParseCursor(id)
		if ok != want.ok || ok && (epoch != want.epoch || n != want.n) {
			t.Errorf("%q: %q, %d, %v", id, epoch, n, ok)
		}
	}
}

// FuzzTokens: whatever is sent, nothing panics, and nothing that the broker did
// not sign is a session.
func FuzzTokens(f *testing.F) {
	broker := guardtest.New(f)
	w := newWorld(f, broker)
	valid := broker.Mint(reader("s1"))
	parts := strings.Split(valid, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		f.Fatal(err)
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(header, payload, parts[2])
	f.Add([]byte(`{"typ":"at+jwt","alg":"none"}`), payload, "")
	f.Add(header, []byte(`{"aud":[1],"iss":1}`), parts[2])
	f.Fuzz(func(t *testing.T, header, payload []byte, signature string) {
		raw := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + signature
		guard.IssuerOf(raw)
		guard.IssuerOf(string(payload))
		if s, err := w.g.Verify(t.Context(), raw, nil); err == nil && raw != valid {
			t.Fatalf("%q is session %+v", raw, s)
		}
		if _, err := w.g.Payload(t.Context(), raw, "logout+jwt", "ES256", "RS256"); err == nil {
			t.Fatalf("%q is a logout token", raw)
		}
		guard.SameURL(string(payload), signature)
		guard.ReadClaims(w.g, payload)
	})
}
