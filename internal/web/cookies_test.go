package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/keys/keystest"
)

func newCookies(t *testing.T, insecure bool) *Cookies {
	t.Helper()
	return &Cookies{Sealer: keystest.Secrets(t).Sealer("cookie"), Insecure: insecure}
}

// written runs f and returns the cookies that it sets.
func written(f func(http.ResponseWriter)) []*http.Cookie {
	w := httptest.NewRecorder()
	f(w)
	return w.Result().Cookies()
}

func request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	for insecure, prefix := range map[bool]string{false: "__Host-valetkey-", true: "valetkey-"} {
		c := newCookies(t, insecure)
		all := written(func(w http.ResponseWriter) {
			browser := c.Browser(w, request())
			c.Put(w, "agent", browser, "sam", time.Hour)
			c.Drop(w, "session")
		})
		if len(all) != 3 {
			t.Fatalf("%d cookies, want 3", len(all))
		}
		for i, want := range []struct {
			name string
			age  int
		}{{"browser", 0}, {"agent", 3600}, {"session", -1}} {
			got := all[i]
			if got.Name != prefix+want.name || got.MaxAge != want.age {
				t.Errorf("insecure %v: %s lasts %d, want %s and %d", insecure, got.Name, got.MaxAge, prefix+want.name, want.age)
			}
			if got.Secure == insecure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" {
				t.Errorf("insecure %v: %s", insecure, got.Raw)
			}
		}
	}
}

func TestBrowser(t *testing.T) {
	t.Parallel()
	c := newCookies(t, false)
	first := written(func(w http.ResponseWriter) { c.Browser(w, request()) })
	second := written(func(w http.ResponseWriter) { c.Browser(w, request()) })
	if len(first) != 1 || len(second) != 1 || first[0].Value == second[0].Value || len(first[0].Value) != browserLength {
		t.Fatalf("two browsers get %v and %v", first, second)
	}
	if again := written(func(w http.ResponseWriter) {
		if got := c.Browser(w, request(first[0])); got != first[0].Value {
			t.Errorf("a browser with a secret is given %q", got)
		}
	}); len(again) != 0 {
		t.Errorf("a browser with a secret is given another: %v", again)
	}
	// What cannot be one of ours is replaced: an empty one would be everybody's.
	for _, value := range []string{"", "short", strings.Repeat("x", 500)} {
		r := request(&http.Cookie{Name: first[0].Name, Value: value})
		if got := c.BrowserOf(r); got != "" {
			t.Errorf("%q is taken for a browser's secret", value)
		}
		if got := written(func(w http.ResponseWriter) { c.Browser(w, r) }); len(got) != 1 {
			t.Errorf("%q is not replaced", value)
		}
	}
}

// TestPutAndGet: a value opens in its browser, under its name, unchanged, and
// nowhere else.
func TestPutAndGet(t *testing.T) {
	t.Parallel()
	c := newCookies(t, false)
	const browser, other = "browser-browser-browse", "another-another-anothe"
	put := func(name string) *http.Cookie {
		return written(func(w http.ResponseWriter) { c.Put(w, name, browser, "sid-1", time.Hour) })[0]
	}
	good := put("session")
	changed := *good
	changed.Value = changed.Value[:10] + string(changed.Value[10]^1) + changed.Value[11:]
	cut := *good
	cut.Value = cut.Value[:len(cut.Value)-4]
	agent := put("agent")
	agent.Name = good.Name
	foreign := written(func(w http.ResponseWriter) {
		newCookies(t, false).Put(w, "session", browser, "sid-1", time.Hour)
	})[0]
	plain := &http.Cookie{Name: good.Name, Value: "sid-1"}
	for name, x := range map[string]struct {
		cookie  *http.Cookie
		browser string
		ok      bool
	}{
		"as put":                  {good, browser, true},
		"in another browser":      {good, other, false},
		"in no browser":           {good, "", false},
		"changed":                 {&changed, browser, false},
		"cut":                     {&cut, browser, false},
		"of another name":         {agent, browser, false},
		"of another installation": {foreign, browser, false},
		"not sealed":              {plain, browser, false},
		"without a cookie at all": {&http.Cookie{Name: "x", Value: "y"}, browser, false},
		"without the prefix":      {&http.Cookie{Name: "valetkey-session", Value: good.Value}, browser, false},
	} {
		var got string
		if ok := c.Get(request(x.cookie), "session", x.browser, &got); ok != x.ok || (got == "sid-1") != x.ok {
			t.Errorf("%s: %q, %v; want %v", name, got, ok, x.ok)
		}
	}
	if again := put("session"); again.Value == good.Value {
		t.Error("the same value is put twice under the same cookie value")
	}
	if strings.Contains(good.Value, "sid-1") {
		t.Error("the value can be read")
	}
}

// TestPutInNoBrowser: what is bound to no browser never opens, whoever asks.
func TestPutInNoBrowser(t *testing.T) {
	t.Parallel()
	c := newCookies(t, true)
	cookie := written(func(w http.ResponseWriter) { c.Put(w, "agent", "", "sam", time.Hour) })[0]
	var got string
	if c.Get(request(cookie), "agent", "", &got) {
		t.Errorf("%q is read by a browser without a secret", got)
	}
}
