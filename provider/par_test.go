package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/provider"
)

// changed is the text with another first character.
func changed(text string) string {
	if text[0] == 'A' {
		return "B" + text[1:]
	}
	return "A" + text[1:]
}

// TestAPushedRequestIsTheRequest: what is pushed comes to the pages and to the
// app, and nothing of it is in the address.
func TestAPushedRequestIsTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	r := w.post("/par", "bank", w.request("bank", "state", "st ate", "login_hint", "ACME-1", "max_age", "60"))
	uri := r.text("request_uri")
	if expires, _ := r.body["expires_in"].(float64); r.Code != http.StatusCreated || !strings.HasPrefix(uri, requestURI) || expires != 90 ||
		r.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(r.Header().Get("Content-Type"), "application/json") {
		t.Fatalf("%d %v %s", r.Code, r.Header(), r.Body)
	}
	if strings.Contains(uri, "ACME") || strings.Contains(w.pushes("bank"), strings.TrimPrefix(uri, requestURI)[:30]) {
		t.Error("the request_uri shows what is in it")
	}
	if r := w.visit("bank", uri); r.Code != http.StatusOK || len(w.asked) != 1 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	a := w.asked[0]
	if a.Client != "bank" || a.RedirectURI != "https://bank.example/cb" || a.State != "st ate" || a.LoginHint != "ACME-1" || *a.MaxAge != 60 || a.Browser != "browser-1" {
		t.Errorf("the pages are asked %+v", a)
	}
	w.session = &s
	to, q := w.visit("bank", uri, "scope", "documents.write", "state", "other", "redirect_uri", "https://evil.example", "nonce", "other", "prompt", "none", "response_mode", "fragment").location()
	if to != "https://bank.example/cb" || q.Get("state") != "st ate" || q.Get("iss") != issuer {
		t.Errorf("what stands beside the request_uri counts: %s %v", to, q)
	}
	got := w.prove("/token", "bank", w.proof(appKey, "POST", "/token"), w.exchange("bank", q.Get("code")))
	if got.Code != http.StatusOK || got.text("scope") != "openid email documents.read" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// TestWhatCanBePushed is what can be sent to the authorization endpoint, by who
// proves who they are as everywhere.
func TestWhatCanBePushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("x", 2000)
	for name, tc := range map[string]struct {
		client string
		pairs  []string
		error  string // empty: 201
	}{
		"by a key":                        {"bank", nil, ""},
		"by a secret":                     {"docs", nil, ""},
		"by a public client":              {"spa", nil, ""},
		"without state and nonce":         {"bank", []string{"state", "\x00", "nonce", "\x00"}, ""},
		"without its client_id":           {"bank", []string{"client_id", "\x00"}, ""},
		"without response_type":           {"bank", []string{"response_type", "\x00"}, "invalid_request"},
		"another response_type":           {"bank", []string{"response_type", "code id_token"}, "unsupported_response_type"},
		"without a challenge":             {"bank", []string{"code_challenge", "\x00", "code_challenge_method", "\x00"}, "invalid_request"},
		"plain":                           {"bank", []string{"code_challenge_method", "plain"}, "invalid_request"},
		"without redirect_uri":            {"bank", []string{"redirect_uri", "\x00"}, "invalid_request"},
		"another redirect_uri":            {"bank", []string{"redirect_uri", "https://bank.example/cb/"}, "invalid_request"},
		"another app's redirect_uri":      {"bank", []string{"redirect_uri", callback}, "invalid_request"},
		"another client_id":               {"bank", []string{"client_id", "docs"}, "invalid_client"},
		"a request_uri":                   {"bank", []string{"request_uri", "https://bank.example/r"}, "invalid_request"},
		"a request_uri of ours":           {"bank", []string{"request_uri", requestURI + "x"}, "invalid_request"},
		"a request object":                {"bank", []string{"request", "a.b.c"}, "request_not_supported"},
		"nothing that can be lent":        {"bank", []string{"scope", "billing.read"}, "access_denied"},
		"no scope":                        {"bank", []string{"scope", "\x00"}, "invalid_scope"},
		"too long a state":                {"bank", []string{"state", long + long}, "invalid_request"},
		"too much together":               {"bank", []string{"state", long, "login_hint", long, "scope", "openid " + long}, "invalid_request"},
		"a secret of another kind":        {"bank", []string{"password", "x"}, "invalid_request"},
		"another resource":                {"bank", []string{"resource", docsAPI}, "invalid_target"},
		"by a client without this grant":  {"settings", nil, "unauthorized_client"},
		"by a client with another's name": {"docs", []string{"client_id", "bank"}, "invalid_request"},
	} {
		r := w.post("/par", tc.client, w.request(tc.client, tc.pairs...))
		if tc.error == "" && (r.Code != http.StatusCreated || r.text("request_uri") == "") || tc.error != "" && r.text("error") != tc.error {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
		if want := map[string]int{"": http.StatusCreated, "invalid_client": http.StatusUnauthorized}[tc.error]; want != 0 && r.Code != want || want == 0 && r.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
	for _, client := range []string{"docs", "nobody", "bank"} {
		q := w.request("docs", "client_id", client, "client_secret", "wrong")
		if r := w.serve(plainPost("/par", q)); r.Code != http.StatusUnauthorized || r.text("error") != "invalid_client" {
			t.Errorf("%s and a wrong secret: %d %s", client, r.Code, r.Body)
		}
	}
	twice := w.request("spa")
	twice["state"] = []string{"a", "b"}
	if r := w.post("/par", "spa", twice); r.text("error") != "invalid_request" {
		t.Errorf("a parameter twice: %d %s", r.Code, r.Body)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodHead, http.MethodDelete} {
		r := httptest.NewRequest(method, "/par", strings.NewReader(w.request("spa").Encode()))
		if got := w.serve(r); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != "POST" {
			t.Errorf("%s: %d", method, got.Code)
		}
	}
}

// TestAPushedRequestIsOfItsClientAndYoung.
func TestAPushedRequestIsOfItsClientAndYoung(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.freeze(time.Now().Truncate(time.Second))
	s := w.open("login")
	w.session = &s
	uri := w.pushes("docs")
	for name, r := range map[string]reply{
		"another client":           w.visit("notes", uri),
		"an unknown client":        w.visit("nobody", uri),
		"no client":                w.get("/authorize", form("request_uri", uri)),
		"two clients":              w.get("/authorize", form("client_id", "docs", "client_id", "docs", "request_uri", uri)),
		"two of them":              w.get("/authorize", form("client_id", "docs", "request_uri", uri, "request_uri", uri)),
		"changed":                  w.visit("docs", requestURI+changed(strings.TrimPrefix(uri, requestURI))),
		"cut":                      w.visit("docs", uri[:len(uri)-1]),
		"nothing":                  w.visit("docs", requestURI),
		"a code":                   w.visit("docs", requestURI+w.code("docs", s)),
		"a sealed request as one":  w.visit("docs", requestURI+w.begun("docs")),
		"a long one":               w.visit("docs", requestURI+strings.Repeat("A", 11<<10)),
		"a client that is no more": w.gone(uri),
	} {
		if r.Code != http.StatusBadRequest || r.Header().Get("Location") != "" {
			t.Errorf("%s: %d to %q", name, r.Code, r.Header().Get("Location"))
		}
	}
	w.session = &s
	at := w.now()
	w.freeze(at.Add(91 * time.Second))
	if to, q := w.visit("docs", uri).location(); to != callback || q.Get("error") != "invalid_request_uri" || q.Get("state") != "st" || q.Get("iss") != issuer {
		t.Errorf("after 91 seconds: %s %v", to, q)
	}
	w.freeze(at.Add(90 * time.Second))
	if _, q := w.visit("docs", uri).location(); q.Get("code") == "" {
		t.Errorf("after 90 seconds: %v", q)
	}
	if r := w.get("/authorize", w.request("docs", "request_uri", "https://docs.example/request")); r.Code != http.StatusSeeOther {
		t.Errorf("a request_uri of the app's own: %d", r.Code)
	} else if _, q := r.location(); q.Get("error") != "request_uri_not_supported" {
		t.Errorf("a request_uri of the app's own: %v", q)
	}
}

// begun is a request that has come to the pages, as they carry it along.
func (w *world) begun(client string) string {
	kept := w.session
	w.session = nil
	defer func() { w.session = kept }()
	w.get("/authorize", w.request(client))
	return w.asked[len(w.asked)-1].Sealed
}

// gone visits while the client's redirect URI is not registered any more.
func (w *world) gone(uri string) reply {
	c := w.p.Clients["docs"]
	kept := c.RedirectURIs
	c.RedirectURIs = nil
	defer func() { c.RedirectURIs = kept }()
	return w.visit("docs", uri)
}

// TestAPushedRequestIsCompletedOnce: its page can be loaded again until then, and
// then it is refused, at once and where it had been begun before.
func TestAPushedRequestIsCompletedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	uri := w.pushes("docs")
	for range 3 {
		if r := w.visit("docs", uri); r.Code != http.StatusOK {
			t.Fatalf("a reload: %d", r.Code)
		}
	}
	begun := w.asked[0]
	w.session = &s
	_, q := w.visit("docs", uri).location()
	if r := w.post("/token", "docs", w.exchange("docs", q.Get("code"))); r.Code != http.StatusOK {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	w.session = nil
	if to, q := w.visit("docs", uri).location(); to != callback || q.Get("error") != "invalid_request_uri" || q.Get("state") != "st" {
		t.Errorf("once more: %s %v", to, q)
	}
	rec := httptest.NewRecorder()
	w.p.Finish(rec, httptest.NewRequest(http.MethodGet, "/", nil), begun, s)
	if _, q := (reply{ResponseRecorder: rec}).location(); q.Get("error") != "invalid_request_uri" || q.Get("code") != "" {
		t.Errorf("what was begun before: %v", q)
	}
	if !w.alive(s.ID) {
		t.Error("the session ended")
	}
	w.session = &s
	if _, q := w.visit("docs", w.pushes("docs")).location(); q.Get("code") == "" {
		t.Errorf("pushed again: %v", q)
	}
}

// TestOneOfManyCompletionsHasTheCode, on two nodes.
func TestOneOfManyCompletionsHasTheCode(t *testing.T) {
	t.Parallel()
	one, two := twoNodes(t)
	nodes := []*world{one, two}
	s := one.open("login")
	uri := two.pushes("docs")
	one.visit("docs", uri)
	begun := one.asked[0]
	var codes, refused atomic.Int64
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			rec := httptest.NewRecorder()
			nodes[i%2].p.Finish(rec, httptest.NewRequest(http.MethodGet, "/", nil), begun, s)
			_, q := (reply{ResponseRecorder: rec}).location()
			switch {
			case q.Get("code") != "":
				codes.Add(1)
			case q.Get("error") == "invalid_request_uri":
				refused.Add(1)
			}
		})
	}
	wait.Wait()
	if codes.Load() != 1 || refused.Load() != 49 {
		t.Errorf("%d codes, %d refused", codes.Load(), refused.Load())
	}
}

// TestAClientThatMustPush is told so, and nothing else works.
func TestAClientThatMustPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) {
		for _, c := range p.Clients {
			c.RequirePAR = true
		}
	})
	s := w.open("login")
	w.session = &s
	for _, client := range []string{"bank", "docs", "spa"} {
		if to, q := w.get("/authorize", w.request(client)).location(); to != w.p.Clients[client].RedirectURIs[0] || q.Get("error") != "invalid_request" || q.Get("state") != "st" {
			t.Errorf("%s: %s %v", client, to, q)
		}
		if _, q := w.visit(client, w.pushes(client)).location(); q.Get("code") == "" {
			t.Errorf("%s, pushed: %v", client, q)
		}
	}
	if w.get("/.well-known/openid-configuration", nil).body["require_pushed_authorization_requests"] != true {
		t.Error("discovery does not say that requests must be pushed")
	}
}

// TestWhenTheStoreFailsNothingPushedIsCompleted (I7, I10).
func TestWhenTheStoreFailsNothingPushedIsCompleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := &failing{Store: w.store}
	w.through(broken)
	s := w.open("login")
	uri := w.pushes("docs")
	w.session = &s
	for _, verb := range []string{"UsedOnce", "UseOnce"} {
		broken.verb = verb
		r := w.visit("docs", uri)
		broken.verb = ""
		if _, q := r.location(); q.Get("error") != "temporarily_unavailable" || q.Get("code") != "" || strings.Contains(r.Header().Get("Location"), "MARKER") {
			t.Errorf("%s: %v", verb, q)
		}
	}
	if _, q := w.visit("docs", uri).location(); q.Get("code") == "" {
		t.Errorf("afterwards: %v", q)
	}
	free := w.bound("bank", appKey, s).text("access_token")
	api := w.prove("/token", "settings", w.proof(appKey, "POST", "/token"), form("grant_type", "client_credentials")).text("access_token")
	for name, call := range map[string]func() reply{
		"an assertion":     func() reply { return w.present(w.assertion("bank")) },
		"introspection":    func() reply { return w.post("/introspect", "bank", form("token", free)) },
		"a pushed request": func() reply { return w.post("/par", "bank", w.request("bank")) },
		"a proof of the API": func() reply {
			return w.prove("/token", "settings", w.proof(appKey, "POST", "/token"), form("grant_type", "client_credentials"))
		},
		"userinfo": func() reply { return w.see("DPoP", free, w.seeing(appKey, free)) },
	} {
		broken.verb = "UseOnce"
		r := call()
		broken.verb = ""
		w.check503(name, r)
	}
	broken.verb = "UseOnce"
	r := withProof(httptest.NewRequest(http.MethodGet, "/api/v1/x", nil), w.proof(appKey, "GET", "/api/v1/x", "ath", ath(api)))
	if _, err := w.p.OpenAPIRequest(r, api, true); err == nil || holderSays(err) == "no API token" || strings.Contains(err.Error(), "MARKER") {
		t.Errorf("the API: %v", err)
	}
}

// TestAResourceIsTheAudience (RFC 8707): at every endpoint that takes one, once
// or several times, and only exactly.
func TestAResourceIsTheAudience(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	w.session = &s
	refresh := w.post("/token", "docs", w.exchange("docs", w.code("docs", s))).text("refresh_token")
	w.session = &s
	for _, tc := range []struct {
		name      string
		resources []string
		good      bool
	}{
		{"none", nil, true}, {"the audience", []string{docsAPI}, true}, {"the audience twice", []string{docsAPI, docsAPI}, true},
		{"without a value", []string{""}, true}, {"another", []string{"https://other.example"}, false}, {"another beside it", []string{docsAPI, "https://other.example"}, false},
		{"with a slash", []string{docsAPI + "/"}, false}, {"in capitals", []string{strings.ToUpper(docsAPI)}, false}, {"a prefix", []string{"https://docs.example"}, false},
		{"with a fragment", []string{docsAPI + "#x"}, false}, {"the API of the broker", []string{issuer + "/api"}, false}, {"another app's", []string{"https://notes.example/api"}, false},
	} {
		add := func(f url.Values) url.Values {
			f["resource"] = tc.resources
			return f
		}
		_, q := w.get("/authorize", add(w.request("docs"))).location()
		said := map[string]string{
			"authorize": q.Get("error"),
			"par":       w.post("/par", "docs", add(w.request("docs"))).text("error"),
			"code":      w.post("/token", "docs", add(w.exchange("docs", w.code("docs", s)))).text("error"),
			"refresh":   w.post("/token", "docs", add(form("grant_type", "refresh_token", "refresh_token", refresh))).text("error"),
		}
		w.session = &s
		for where, got := range said {
			if tc.good && got != "" || !tc.good && got != "invalid_target" {
				t.Errorf("%s at %s: %q", tc.name, where, got)
			}
		}
	}
	for resource, want := range map[string]string{issuer + "/api": "", "settings": "invalid_target", issuer: "invalid_target"} {
		if got := w.post("/token", "settings", form("grant_type", "client_credentials", "resource", resource)).text("error"); got != want {
			t.Errorf("%s with client_credentials: %q", resource, got)
		}
	}
	if r := w.serve(httptest.NewRequest(http.MethodGet, "/userinfo?resource=a&resource=a", nil)); r.Code != http.StatusUnauthorized {
		t.Errorf("at userinfo: %d", r.Code)
	}
}
