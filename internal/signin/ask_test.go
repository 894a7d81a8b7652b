package signin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin"
)

// TestAsk: where there is one way, opening the page leads there at once; a page
// that answers a form leads nowhere, since a browser would block it.
func TestAsk(t *testing.T) {
	t.Parallel()
	one, two := []string{"corp"}, []string{"corp", "night"}
	for _, c := range []struct {
		name    string
		ways    []string
		holder  bool
		method  string
		query   string
		leaves  string // for the issuer, by this connector; empty: there is a page
		choices int    // on the page
	}{
		{"one way", one, false, http.MethodGet, "", "corp", 0},
		{"one way, after a form", one, false, http.MethodPost, "", "", 1},
		{"one way, by name, after a form", one, false, http.MethodPost, "&connector=corp", "", 1},
		{"one way, with a problem", one, false, http.MethodGet, "&problem=x", "", 1},
		{"one way, none chosen", one, false, http.MethodGet, "&connector=" + signin.NoConnector, "", 1},
		{"one way, an unknown one chosen", one, false, http.MethodGet, "&connector=unknown", "corp", 0},
		{"one way, and holders", one, true, http.MethodGet, "", "", 1},
		{"one way, and holders, by name", one, true, http.MethodGet, "&connector=corp", "corp", 0},
		{"two ways", two, false, http.MethodGet, "", "", 2},
		{"two ways, by name", two, false, http.MethodGet, "&connector=night", "night", 0},
		{"two ways, by name, after a form", two, false, http.MethodPost, "&connector=night", "", 2},
		{"two ways, an unknown one chosen", two, false, http.MethodGet, "&connector=unknown", "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.agents.holder = c.holder
			h.agents.Connectors = nil
			for _, id := range c.ways {
				h.agents.Connectors = append(h.agents.Connectors, h.oidc(id, agentsPath))
			}
			b := h.waiting()
			got := b.Send(c.method, h.url(h.agents.begin(b, errand{})+c.query), nil)
			if c.leaves == "" {
				b.Page = got
				if n := strings.Count(got.Body, "Continue with "); got.Status != http.StatusOK || n != c.choices || len(h.issuer.Asked()) != 0 {
					t.Errorf("%d with %d ways: %s", got.Status, n, got.Text())
				}
				if b.Shows("email") != c.holder {
					t.Errorf("holders can sign in: %v", b.Shows("email"))
				}
				return
			}
			to := got.Header.Get("Location")
			if got.Status != http.StatusSeeOther || !strings.HasPrefix(to, h.issuer.URL+"/authorize?") || !strings.Contains(to, "return%2F"+c.leaves+"&") {
				t.Errorf("%d to %s", got.Status, to)
			}
			if got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("headers %v", got.Header)
			}
		})
	}
}

// TestWhatIsAsked: the issuer gets a state that it cannot read and no other
// browser can use, and nothing of the request besides.
func TestWhatIsAsked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.waiting()
	seen := map[string]bool{}
	for range 2 {
		at := h.agents.begin(b, errand{Name: "unspeakable"})
		b.Get(at)
		q := b.Callback
		for name, values := range q {
			if strings.Contains(values[0], "unspeakable") || strings.Contains(values[0], b.Cookies()["browser"]) {
				t.Errorf("%s is %s", name, values[0])
			}
		}
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			if len(q.Get(name)) < 20 || seen[q.Get(name)] {
				t.Errorf("%s is %q", name, q.Get(name))
			}
			seen[q.Get(name)] = true
		}
		if q.Get("redirect_uri") != h.url(signin.ReturnPath(agentsPath, "corp")) || q.Has("prompt") || q.Has("max_age") {
			t.Errorf("the issuer is asked %v", q)
		}
	}
}

// TestDoorsOwnPaths: forms come from this site alone, and nothing is done by
// opening their address.
func TestDoorsOwnPaths(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, p := range []*population{h.agents, h.owners} {
		p.Connectors = append(p.Connectors, &connectors.Local{ID: "local", Name: "Local"})
		b := h.waiting()
		b.Get(p.begin(b, errand{}))
		for _, path := range []string{"/local", "/code"} {
			if got := b.Send(http.MethodPost, h.url(p.Path+path), nil, "Sec-Fetch-Site", "cross-site"); got.Status != http.StatusForbidden {
				t.Errorf("%s%s from another site: %d", p.Path, path, got.Status)
			}
			if got := b.Send(http.MethodGet, h.url(p.Path+path), nil); got.Status != http.StatusMethodNotAllowed {
				t.Errorf("GET %s%s: %d", p.Path, path, got.Status)
			}
			if got := b.Send(http.MethodPost, h.url(p.Path+path), nil); got.Status != http.StatusBadRequest {
				t.Errorf("%s%s without a request: %d", p.Path, path, got.Status)
			}
		}
	}
}
