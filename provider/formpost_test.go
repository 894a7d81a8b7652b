package provider_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/provider"
)

// answered is what the app is told, by redirect or by form.
func (w *world) answered(r reply) url.Values {
	w.Helper()
	if r.Header().Get("X-Posted-To") == "" {
		_, q := r.location()
		return q
	}
	if r.Header().Get("Location") != "" {
		w.Errorf("an answer by form leads to %q too", r.Header().Get("Location"))
	}
	q, err := url.ParseQuery(r.Body.String())
	must(w, err)
	return q
}

// TestAFormPostTakesTheCodeStateAndIssBack (OAuth 2.0 Form Post Response Mode),
// and puts nothing of it into an address.
func TestAFormPostTakesTheCodeStateAndIssBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	w.session = &s
	for _, uri := range w.p.Clients["docs"].RedirectURIs {
		for _, state := range []string{"\x00", "", "st", " a+b%20c&d=e#f?/é\"<>"} {
			r := w.get("/authorize", w.request("docs", "response_mode", "form_post", "redirect_uri", uri, "state", state))
			q := w.answered(r)
			if r.Code != http.StatusOK || r.Header().Get("X-Posted-To") != uri || q.Get("iss") != issuer || q.Get("code") == "" {
				t.Errorf("%s: %d to %q: %v", uri, r.Code, r.Header().Get("X-Posted-To"), q)
			}
			if q.Has("state") != (state != "\x00") || state != "\x00" && q.Get("state") != state {
				t.Errorf("state %q came back as %q", state, q["state"])
			}
			f := w.exchange("docs", q.Get("code"))
			f.Set("redirect_uri", uri)
			if got := w.post("/token", "docs", f); got.Code != http.StatusOK {
				t.Errorf("its code is worth %d %s", got.Code, got.Body)
			}
		}
	}
}

// TestErrorsComeByFormPostToo, whatever is wrong; and a page, not a form, where
// nobody may be answered.
func TestErrorsComeByFormPostToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, want := range map[string]string{
		"response_type": "invalid_request", "scope": "invalid_scope", "code_challenge": "invalid_request",
	} {
		for _, state := range []string{"\x00", "", "st"} {
			r := w.get("/authorize", w.request("docs", "response_mode", "form_post", name, "\x00", "state", state))
			q := w.answered(r)
			if r.Header().Get("X-Posted-To") != callback || q.Get("error") != want || q.Get("iss") != issuer || q.Has("code") || q.Has("state") != (state != "\x00") {
				t.Errorf("no %s, state %q: %d %v", name, state, r.Code, q)
			}
		}
	}
	twice := w.request("docs", "response_mode", "form_post")
	twice["nonce"] = []string{"a", "b"}
	if q := w.answered(w.get("/authorize", twice)); q.Get("error") != "invalid_request" {
		t.Errorf("a parameter twice: %v", q)
	}
	for _, q := range []url.Values{
		w.request("docs", "response_mode", "form_post", "redirect_uri", "https://evil.example/cb"),
		w.request("docs", "response_mode", "form_post", "client_id", "nobody"),
	} {
		if r := w.get("/authorize", q); r.Code != http.StatusBadRequest || r.Header().Get("X-Posted-To") != "" {
			t.Errorf("%v: %d to %q", q, r.Code, r.Header().Get("X-Posted-To"))
		}
	}
}

// TestARequestObjectIsRefusedTheWayItWantsToBe: what it says of the answer may
// stand in it alone, and counts for nothing else. Whoever cannot be understood is
// answered by redirect.
func TestARequestObjectIsRefusedTheWayItWantsToBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	w.session = &s
	object := func(claims string) string {
		return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
	}
	const posted = `{"response_mode": "form_post", "state": "of the object", "redirect_uri": "https://evil.example/cb", "scope": "billing.read"}`
	for name, c := range map[string]struct {
		pairs      []string
		form       bool
		code, says string
	}{
		"all in it":             {[]string{"request", object(posted)}, true, "request_not_supported", "of the object"},
		"in the open it counts": {[]string{"request", object(posted), "response_mode", "query", "state", "st"}, false, "request_not_supported", "st"},
		"a mode that is none":   {[]string{"request", object(`{"response_mode": "fragment"}`)}, false, "invalid_request", ""},
		"nothing of it":         {[]string{"request", object(`{}`)}, false, "request_not_supported", ""},
		"not an object":         {[]string{"request", object(`[]`)}, false, "request_not_supported", ""},
		"not a JWT":             {[]string{"request", "x"}, false, "request_not_supported", ""},
		"not base64":            {[]string{"request", "a.!.c"}, false, "request_not_supported", ""},
		"a million dots":        {[]string{"request", strings.Repeat(".", 10_000)}, false, "request_not_supported", ""},
		"a newline in a form":   {[]string{"request", object(`{"response_mode": "form_post", "state": "a\nb"}`)}, false, "invalid_request", "a\nb"},
	} {
		r := w.get("/authorize", w.request("docs", append([]string{"state", "\x00"}, c.pairs...)...))
		got := w.answered(r)
		if form := r.Header().Get("X-Posted-To") == callback; form != c.form || got.Get("error") != c.code || got.Get("state") != c.says || got.Has("code") {
			t.Errorf("%s: %d %v, by a form: %v", name, r.Code, got, form)
		}
	}
}

// TestWhatAFormCannotCarryComesByRedirect: an app without a web site, a state
// that browsers change in a form, a mode that is not one.
func TestWhatAFormCannotCarryComesByRedirect(t *testing.T) {
	t.Parallel()
	const native = "com.example.docs:/cb"
	w := newWorld(t, func(p *provider.Provider) {
		p.Clients["docs"].RedirectURIs = append(p.Clients["docs"].RedirectURIs, native)
	})
	s := w.open("login")
	w.session = &s
	both := w.request("docs", "response_mode", "form_post")
	both["response_mode"] = []string{"form_post", "form_post"}
	for name, q := range map[string]url.Values{
		"a native app":       w.request("docs", "response_mode", "form_post", "redirect_uri", native),
		"a newline":          w.request("docs", "response_mode", "form_post", "state", "a\nb"),
		"a NUL":              w.request("docs", "response_mode", "form_post", "state", "a\x00b"),
		"the mode twice":     both,
		"a mode in capitals": w.request("docs", "response_mode", "FORM_POST"),
	} {
		r := w.get("/authorize", q)
		_, got := r.location()
		if r.Code != http.StatusSeeOther || !strings.HasPrefix(r.Header().Get("Location"), q.Get("redirect_uri")) || got.Get("error") != "invalid_request" || got.Get("state") != q.Get("state") {
			t.Errorf("%s: %d to %q", name, r.Code, r.Header().Get("Location"))
		}
	}
}

// TestARequestIsGoneOnWithAsItWasAsked: every part of it is sealed, and none of
// them stands in another's place.
func TestARequestIsGoneOnWithAsItWasAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hint := w.tokens("docs", w.open("pin")).text("id_token")
	w.asked = nil
	w.get("/authorize", w.request("docs", "response_mode", "form_post", "prompt", "login consent", "max_age", "7", "login_hint", "ACME-1", "id_token_hint", hint,
		"claims", `{"id_token":{"name":null,"acr":{"essential":true,"value":"urn:valetkey:acr:agent+pin"}}}`))
	asked := w.asked[0]
	if !asked.FormPost || !asked.Spent || len(asked.Expected) != 1 || len(asked.ACR) != 1 || len(asked.Claims) != 1 || *asked.MaxAge != 7 || len(asked.Prompt) != 2 {
		t.Fatalf("asked %+v", asked)
	}
	if got, err := w.p.OpenRequest(asked.Sealed, "browser-1"); err != nil || !reflect.DeepEqual(got, asked) {
		t.Errorf("gone on with %+v, %v; want %+v", got, err, asked)
	}
}

// TestTheModeIsSealedWithTheRequest: the pages answer as the app asked.
func TestTheModeIsSealedWithTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for mode, want := range map[string]bool{"form_post": true, "query": false, "\x00": false} {
		w.asked = nil
		w.get("/authorize", w.request("docs", "response_mode", mode))
		a, err := w.p.OpenRequest(w.asked[0].Sealed, "browser-1")
		if must(t, err); a.FormPost != want {
			t.Errorf("response_mode %q is gone on with as form: %v", mode, a.FormPost)
		}
	}
}
