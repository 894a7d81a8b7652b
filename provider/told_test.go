package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestTheOperatorIsToldWhatAnAppAskedWith: the agent who sees the page can do
// nothing about a redirect_uri, and its app is told nothing.
func TestTheOperatorIsToldWhatAnAppAskedWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		change []string
		want   []string
	}{
		"another address":   {[]string{"redirect_uri", callback + "/else"}, []string{"redirect_uris", "client=docs", "redirect_uri=" + callback + "/else"}},
		"another client":    {[]string{"client_id", "dosc"}, []string{"client_id=dosc"}},
		"no client":         {[]string{"client_id", "\x00"}, []string{`client_id=""`}},
		"a very long one":   {[]string{"redirect_uri", callback + strings.Repeat("/a", 1000)}, []string{strings.Repeat("/a", 100)}},
		"one with newlines": {[]string{"client_id", "x\nlevel=ERROR"}, []string{`client_id="x\nlevel=ERROR"`}},
	} {
		before := len(w.log.String())
		if got := w.get("/authorize", w.request("docs", tc.change...)); got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.Code)
		}
		said := w.log.String()[before:]
		for _, part := range tc.want {
			if !strings.Contains(said, part) {
				t.Errorf("%s: the log has %q, which does not hold %q", name, said, part)
			}
		}
		if strings.Count(said, "\n") != 1 || len(said) > 700 {
			t.Errorf("%s: the log has %q, want one line", name, said)
		}
	}
}

// TestTheLogIsToldWhichClientARequestIsOf, whether or not it proves it; a name
// that is not in the configuration is somebody's text.
func TestTheLogIsToldWhichClientARequestIsOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refresh := form("grant_type", "refresh_token", "refresh_token", "x")
	for name, tc := range map[string]struct {
		header string
		body   url.Values
		want   string
	}{
		"a wrong secret":                   {basic("docs", "wrong"), refresh, "docs"},
		"the right one":                    {basic("docs", w.p.Clients["docs"].Secret), refresh, "docs"},
		"an unknown client":                {basic("dosc", "wrong"), refresh, ""},
		"a grant type that nobody has":     {basic("docs", "wrong"), form("grant_type", "password"), "docs"},
		"the same of somebody nobody know": {basic("dosc", "wrong"), form("grant_type", "password"), ""},
	} {
		none := ""
		w.named.Store(&none)
		r := plainPost("/token", tc.body)
		r.Header.Set("Authorization", tc.header)
		w.serve(r)
		if got := *w.named.Load(); got != tc.want {
			t.Errorf("%s: the log is told of %q, want %q", name, got, tc.want)
		}
	}
	w.named.Store(new(string))
	w.serve(plainPost("/token", form("grant_type", "refresh_token", "refresh_token", "x", "client_assertion", w.assertion("bank"),
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")))
	if got := *w.named.Load(); got != "bank" {
		t.Errorf("an assertion: the log is told of %q", got)
	}
}
