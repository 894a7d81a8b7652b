package owner

import (
	"net/http"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/templates"
)

// TestForms: forms of other sites, forms in the address and what is no text are
// refused, and no address that changes something answers a GET.
func TestForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for _, path := range []string{"/credentials", "/revoke", "/end", "/sign-out"} {
		at := w.server.URL + templates.OwnerPath + path
		for name, got := range map[string]signintest.Answer{
			"another site's":  b.Send(http.MethodPost, at, nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"),
			"a neighbour's":   b.Send(http.MethodPost, at, nil, "Sec-Fetch-Site", "same-site", "Origin", "https://evil.northwind.example"),
			"in the address":  b.Send(http.MethodPost, at+"?credential=x", nil),
			"a null byte":     b.Send(http.MethodPost, at, map[string][]string{"ticket": {"a\x00b"}}),
			"too much":        b.Send(http.MethodPost, at, map[string][]string{"ticket": {strings.Repeat("x", maxForm)}}),
			"a GET":           b.Send(http.MethodGet, at, nil),
			"not of this one": signintest.NewBrowser(t, w.server.URL, &w.tape).Send(http.MethodPost, at, nil),
		} {
			if got.Status < 400 || got.Status > 499 {
				t.Errorf("%s, %s: %d", path, name, got.Status)
			}
		}
	}
	if b.Get(templates.OwnerPath); !b.Shows(templates.OwnerPath + "/sign-out") {
		t.Error("one of them signed the owner out")
	}
}

// TestHeaders: these pages may fetch from their own site, and nothing else.
func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for _, path := range []string{"", "/live", "/record?before=5", "/sign-in"} {
		got := b.Send(http.MethodGet, w.server.URL+templates.OwnerPath+path, nil)
		if got.Status == http.StatusSeeOther {
			continue
		}
		policy := got.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s: %s", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, got.Header)
		}
	}
}

// TestALinkSaysNothing: no address makes the page tell that something was done.
func TestALinkSaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for _, query := range []string{"?done=revoked", "?notice=Access+is+revoked"} {
		if b.Get(templates.OwnerPath + query); b.Page.Says("Access is revoked") {
			t.Errorf("%s: %s", query, b.Page.Text())
		}
	}
}
