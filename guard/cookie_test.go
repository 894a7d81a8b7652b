package guard

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var testKey = bytes.Repeat([]byte{7}, 32)

func newTestCookies(t *testing.T, insecure bool, keys ...[]byte) *cookies {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{testKey}
	}
	c, err := newCookies(keys, insecure, "-0000")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestASealedCookieOpensInItsPlaceOnly: as it was made, for what it was made
// for, under its own name.
func TestASealedCookieOpensInItsPlaceOnly(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t, false)
	value, err := c.seal("support", "support", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(value, base64.RawURLEncoding.EncodeToString([]byte("content"))) {
		t.Error("the content can be read")
	}
	other := newTestCookies(t, false, bytes.Repeat([]byte{8}, 32))
	changed := value[:20] + string(value[20]^1) + value[21:]
	for name, x := range map[string]struct {
		by                   *cookies
		purpose, name, value string
		ok                   bool
	}{
		"as made":                     {c, "support", "support", value, true},
		"after the key was rotated":   {newTestCookies(t, false, bytes.Repeat([]byte{9}, 32), testKey), "support", "support", value, true},
		"under another name":          {c, "support", "trip", value, false},
		"for another purpose":         {c, "trip", "support", value, false},
		"of another app":              {&cookies{aeads: c.aeads, tag: "-1111"}, "support", "support", value, false},
		"under the former name":       {c.untagged(), "support", "support", value, false},
		"without the prefix":          {newTestCookies(t, true), "support", "support", value, false},
		"with another key":            {other, "support", "support", value, false},
		"changed":                     {c, "support", "support", changed, false},
		"cut":                         {c, "support", "support", value[:len(value)-4], false},
		"cut to nothing":              {c, "support", "support", "", false},
		"with a line break in it":     {c, "support", "support", value[:8] + "\n" + value[8:], false},
		"longer than any cookie":      {c, "support", "support", strings.Repeat("A", 1<<20), false},
		"something that is no base64": {c, "support", "support", "{}", false},
	} {
		plain, err := x.by.open(x.purpose, x.name, x.value)
		if (err == nil) != x.ok || x.ok && string(plain) != "content" {
			t.Errorf("%s: %q, %v; want %v", name, plain, err, x.ok)
		}
	}
}

func TestKeysOfCookies(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][][]byte{
		"none": nil, "an empty one": {{}}, "a short one": {testKey[:31]}, "a short one behind a good one": {testKey, testKey[:16]},
	} {
		if _, err := newCookies(keys, false, ""); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	for insecure, prefix := range map[bool]string{false: "__Host-valetkey-", true: "valetkey-"} {
		c := newTestCookies(t, insecure)
		w := httptest.NewRecorder()
		c.set(w, "trip", "a", 10*time.Minute)
		c.set(w, "support", "b", 0)
		c.set(w, "support", "", -1)
		for i, want := range []struct {
			name string
			age  int
		}{{"trip", 600}, {"support", 0}, {"support", -1}} {
			got := w.Result().Cookies()[i]
			if got.Name != prefix+want.name+"-0000" || got.MaxAge != want.age {
				t.Errorf("%s lasts %d, want %s and %d", got.Name, got.MaxAge, prefix+want.name, want.age)
			}
			if got.Secure == insecure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" {
				t.Errorf("insecure %v: %s", insecure, got.Raw)
			}
		}
	}
}

// TestACookieThatBrowsersWouldDrop is an error where it is made, not a session
// that is not there at the next click.
func TestACookieThatBrowsersWouldDrop(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t, false)
	fits := 0
	for n := 2500; n < 3500; n++ {
		value, err := c.seal("support", "support", make([]byte, n))
		if err != nil {
			continue
		}
		fits = n
		if have := len("__Host-valetkey-support-0000") + len(value); have > 4096 {
			t.Fatalf("%d bytes make a cookie of %d", n, have)
		}
	}
	if fits < 2900 || fits == 3499 {
		t.Errorf("up to %d bytes fit", fits)
	}
}

func TestTwoCookiesOfAName(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t, true)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if _, found := c.get(r, "support"); found {
		t.Error("a request without cookies has one")
	}
	r.Header.Set("Cookie", "valetkey-support-0000=a; valetkey-support-0000=b")
	if value, found := c.get(r, "support"); !found || value != "" {
		t.Errorf("of two cookies %q is taken", value)
	}
}

func TestWhatASupportCookieKeeps(t *testing.T) {
	t.Parallel()
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"ES256"}`)) + "." + part(bytes.Repeat([]byte("claims"), 150)) + "." + part(make([]byte, 64))
	for name, k := range map[string]kept{
		"with a refresh token": {SID: "sid-1", Expires: time.Unix(1795496334, 0), EndsAt: time.Unix(1795497834, 0), Access: token, Refresh: strings.Repeat("r", 43)},
		"without one":          {SID: "sid-1", Expires: time.Unix(1795496334, 0), EndsAt: time.Unix(1795497834, 0), Access: token},
	} {
		plain, err := k.encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(plain) > len(token)*3/4+len(k.SID)+len(k.Refresh)+24 {
			t.Errorf("%s: %d bytes for a token of %d", name, len(plain), len(token))
		}
		got, err := decodeKept(plain)
		if err != nil || got != k {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		for n := range plain {
			if _, err := decodeKept(plain[:n]); err == nil {
				t.Fatalf("%s: cut to %d bytes it opens", name, n)
			}
		}
		if _, err := decodeKept(append(plain, 0)); err == nil {
			t.Errorf("%s: with something behind it it opens", name)
		}
	}
	for _, access := range []string{"", "opaque", "a.b", "a.b.c.d", "a.b.c=", "YQ.YQ.Y", "YR.YQ.YQ", "YQ.\nYQ.YQ"} {
		if _, err := (kept{Access: access}).encode(); err == nil {
			t.Errorf("%q is kept as an access token", access)
		}
	}
}

func FuzzDecodeKept(f *testing.F) {
	plain, _ := kept{SID: "s", Access: "YQ.YQ.YQ", Refresh: "r"}.encode()
	f.Add(plain)
	f.Add([]byte{keptVersion, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, plain []byte) {
		k, err := decodeKept(plain)
		if err != nil {
			return
		}
		again, err := k.encode()
		if err != nil {
			t.Fatalf("%+v cannot be packed again: %v", k, err)
		}
		if back, err := decodeKept(again); err != nil || back != k {
			t.Fatalf("%+v became %+v, %v", k, back, err)
		}
	})
}
