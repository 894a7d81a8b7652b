package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzAuthorize: whatever the query is, the answer is the pages, an error page,
// or a redirect to a registered URI with iss and the state as it was.
func FuzzAuthorize(f *testing.F) {
	w := newWorld(f)
	for _, q := range []url.Values{
		w.request("docs"), w.request("spa", "prompt", "none"), w.request("notes", "max_age", "0"), w.request("docs", "redirect_uri", callback+"?tenant=1"),
		w.request("docs", "state", "\xff"), w.request("docs", "request", "x"), w.request("docs", "prompt", "none", "id_token_hint", "a.b.c"),
	} {
		f.Add(q.Encode())
	}
	f.Add("client_id=docs;x")
	f.Add("client_id=docs&client_id=docs&redirect_uri=" + url.QueryEscape(callback))
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/authorize", nil)
		r.URL.RawQuery = query
		got := w.serve(r)
		sent := got.Header().Get("Location")
		switch {
		case got.Code == http.StatusOK || got.Code == http.StatusBadRequest:
			if sent != "" {
				t.Fatalf("%d to %q", got.Code, sent)
			}
			return
		case got.Code != http.StatusSeeOther:
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("redirected although the query cannot be read: %v", err)
		}
		registered := q.Get("redirect_uri")
		if !slices.Contains(w.p.Clients[q.Get("client_id")].RedirectURIs, registered) || !strings.HasPrefix(sent, registered) {
			t.Fatalf("redirected to %q", sent)
		}
		at, err := url.Parse(sent)
		if err != nil || at.Query().Get("iss") != issuer || at.Query().Get("error") == "" || at.Query().Get("state") != q.Get("state") || at.Query().Has("state") != q.Has("state") {
			t.Fatalf("redirected to %q", sent)
		}
	})
}

// FuzzBodies: whatever is posted to an endpoint, with whatever Authorization,
// is answered and never as a failure of ours; nothing is issued.
func FuzzBodies(f *testing.F) {
	w := newDesk(f).world
	s := w.open("login")
	got := w.tokens("docs", s)
	for i, values := range []url.Values{
		w.exchange("docs", "x"), form("grant_type", "refresh_token", "refresh_token", "x"), form("grant_type", "client_credentials"),
		form("token", got.text("id_token"), "client_id", "spa"), form("access_token", got.text("id_token")), form("client_id.x", "docs", "scope.0", "x"),
		form("client_assertion", "a.b.c", "client_assertion_type", "x"), form("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "audience", "x"),
	} {
		f.Add(uint8(i), "", values.Encode())
		f.Add(uint8(i), "Basic ZG9jczp4", values.Encode())
		f.Add(uint8(i), "Bearer a.b.c", values.Encode())
	}
	f.Fuzz(func(t *testing.T, where uint8, authorization, body string) {
		r := httptest.NewRequest(http.MethodPost, private[int(where)%len(private)], strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		answer := w.serve(r)
		if answer.Code >= 500 || strings.Contains(w.log.String(), "panicked") {
			t.Fatalf("%s: %d %s", r.URL.Path, answer.Code, answer.Body)
		}
		if answer.Code == http.StatusOK && (answer.text("access_token") != "" || answer.body["active"] == true) {
			t.Fatalf("%s: %s", r.URL.Path, answer.Body)
		}
		if answer.Code == http.StatusUnauthorized && answer.Header().Get("WWW-Authenticate") == "" {
			t.Fatalf("%s: 401 without WWW-Authenticate", r.URL.Path)
		}
	})
}
