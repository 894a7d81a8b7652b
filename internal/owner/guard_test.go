package owner

import (
	"maps"
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
			"too much":        b.Send(http.MethodPost, at, map[string][]string{"ticket": {strings.Repeat("x", 64<<10)}}),
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

// TestDoubledFields: which of two values the owner means is not guessed, and
// nothing is made or ended. Ticked boxes come as often as they are ticked.
func TestDoubledFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	_, fields := b.Form("policy")
	fields.Set("policy", "support-pin")
	written := signintest.Watch(t, w.dsn)
	for _, name := range []string{"policy", "form", "ticket", "within.temporary-login"} {
		doubled := maps.Clone(fields)
		doubled[name] = []string{fields.Get(name), fields.Get(name)}
		if got := b.Send(http.MethodPost, w.server.URL+templates.OwnerPath+"/credentials", doubled); got.Status != http.StatusBadRequest || !strings.Contains(got.Text(), "The form cannot be read.") {
			t.Errorf("two of %s: %d %s", name, got.Status, got.Text())
		}
	}
	if written() {
		t.Error("one of them was written down")
	}
	fields["scope.support-pin"] = []string{"documents.read", "documents.write"}
	if got := b.Send(http.MethodPost, w.server.URL+templates.OwnerPath+"/credentials", fields); !sixDigits.MatchString(got.Text()) {
		t.Errorf("the form afterwards, with two ticks: %d %s", got.Status, got.Text())
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
