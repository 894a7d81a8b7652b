package provider_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/provider"
)

func httptestGet(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

// TestAWrongRequestIsToldToTheAppWithIssAndItsState (RFC 6749 section 4.1.2.1,
// RFC 9207).
func TestAWrongRequestIsToldToTheAppWithIssAndItsState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		change []string
		want   string
	}{
		"no response_type":          {[]string{"response_type", "\x00"}, "invalid_request"},
		"implicit":                  {[]string{"response_type", "token"}, "unsupported_response_type"},
		"an ID token":               {[]string{"response_type", "id_token"}, "unsupported_response_type"},
		"hybrid":                    {[]string{"response_type", "code id_token"}, "unsupported_response_type"},
		"code with a space":         {[]string{"response_type", "code "}, "unsupported_response_type"},
		"response_mode fragment":    {[]string{"response_mode", "fragment"}, "invalid_request"},
		"response_mode web_message": {[]string{"response_mode", "web_message"}, "invalid_request"},
		"signed response_mode":      {[]string{"response_mode", "form_post.jwt"}, "invalid_request"},
		"no challenge":              {[]string{"code_challenge", "\x00"}, "invalid_request"},
		"no method, which is plain": {[]string{"code_challenge_method", "\x00"}, "invalid_request"},
		"plain":                     {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"a method nobody knows":     {[]string{"code_challenge_method", "S512"}, "invalid_request"},
		"s256 in lower case":        {[]string{"code_challenge_method", "s256"}, "invalid_request"},
		"a challenge too short":     {[]string{"code_challenge", strings.Repeat("a", 42)}, "invalid_request"},
		"a challenge too long":      {[]string{"code_challenge", strings.Repeat("a", 129)}, "invalid_request"},
		"a challenge with padding":  {[]string{"code_challenge", challenge(verifier) + "="}, "invalid_request"},
		"a challenge and a newline": {[]string{"code_challenge", challenge(verifier) + "\n"}, "invalid_request"},
		"no scope":                  {[]string{"scope", "\x00"}, "invalid_scope"},
		"an empty scope":            {[]string{"scope", "  "}, "invalid_scope"},
		"only never-lent scopes":    {[]string{"scope", "billing.read documents.delete"}, "access_denied"},
		"only uncatalogued scopes":  {[]string{"scope", "root *"}, "access_denied"},
		"only other apps' scopes":   {[]string{"scope", "settings.write"}, "access_denied"},
		"request object":            {[]string{"request", "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"},
		"request_uri":               {[]string{"request_uri", "https://evil.example/r"}, "request_uri_not_supported"},
		"registration":              {[]string{"registration", "{}"}, "registration_not_supported"},
		"prompt none and login":     {[]string{"prompt", "none login"}, "invalid_request"},
		"prompt consent and none":   {[]string{"prompt", "consent none"}, "invalid_request"},
		"prompt select and none":    {[]string{"prompt", "select_account none"}, "invalid_request"},
		"a prompt nobody knows":     {[]string{"prompt", "create"}, "invalid_request"},
		"a prompt in other case":    {[]string{"prompt", "Login"}, "invalid_request"},
		"a hint that is no token":   {[]string{"id_token_hint", "x.y.z"}, "login_required"},
		"max_age below zero":        {[]string{"max_age", "-1"}, "invalid_request"},
		"max_age no number":         {[]string{"max_age", "1e3"}, "invalid_request"},
		"max_age beyond bounds":     {[]string{"max_age", "99999999999"}, "invalid_request"},
		"a scope too long":          {[]string{"scope", strings.Repeat("openid ", 400)}, "invalid_request"},
		"a nonce too long":          {[]string{"nonce", strings.Repeat("n", 513)}, "invalid_request"},
		"a nonce that is not UTF-8": {[]string{"nonce", "\xff"}, "invalid_request"},
		"a secret in the address":   {[]string{"client_secret", "x"}, "invalid_request"},
		"a PIN in the address":      {[]string{"pin", "123456"}, "invalid_request"},
		"too much together":         {[]string{"login_hint", strings.Repeat("<", 1500), "prompt", strings.Repeat(">", 1500)}, "invalid_request"},
	} {
		for _, state := range []string{"\x00", "", "st", " a+b%20c&d=e#f?/é\"<>", strings.Repeat("s", 2048)} {
			q := w.request("docs", tc.change...)
			if q.Del("state"); state != "\x00" {
				q.Set("state", state)
			}
			w.checkRefused(name, w.get("/authorize", q), tc.want, state)
		}
	}
	if len(w.asked) != 0 {
		t.Errorf("%d of them reached the pages", len(w.asked))
	}
}

func (w *world) checkRefused(name string, r reply, code, state string) {
	w.Helper()
	at, got := r.location()
	if r.Code != http.StatusSeeOther || at != callback || got.Get("error") != code || got.Get("iss") != issuer || got.Has("code") {
		w.Errorf("%s: %d to %s %v, want %s", name, r.Code, at, got, code)
	}
	if state == "\x00" && got.Has("state") || state != "\x00" && (len(got["state"]) != 1 || got.Get("state") != state) {
		w.Errorf("%s: state %q came back as %q", name, state, got["state"])
	}
	for _, c := range got.Get("error_description") {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			w.Errorf("%s: error_description has %q (RFC 6749 section 4.1.2.1)", name, c)
		}
	}
	if r.Header().Get("Cache-Control") != "no-store" || r.Header().Get("Referrer-Policy") != "no-referrer" {
		w.Errorf("%s: headers %v", name, r.Header())
	}
}

// TestAClientWithoutTheCodeGrantIsUnauthorized.
func TestAClientWithoutTheCodeGrantIsUnauthorized(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, q := w.get("/authorize", w.request("settings")).location(); q.Get("error") != "unauthorized_client" {
		t.Errorf("answer %v", q)
	}
}

// TestADuplicateParameterIsRefused, every one of them, even with one value.
func TestADuplicateParameterIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := w.request("docs", "prompt", "login", "max_age", "9", "login_hint", "x", "ui_locales", "de", "unheard_of", "1")
	for name := range full {
		q := maps.Clone(full)
		q[name] = []string{q.Get(name), q.Get(name)}
		r := w.get("/authorize", q)
		if _, got := r.location(); got.Get("error") != "invalid_request" && r.Code != http.StatusBadRequest {
			t.Errorf("%s twice: %d %v", name, r.Code, got)
		}
	}
	if r := w.get("/authorize", full); r.Code != http.StatusOK {
		t.Errorf("without duplicates: %d", r.Code)
	}
}

// TestUnknownParametersAreIgnored, however long, and known ones without a value
// (RFC 6749 section 3.1).
func TestUnknownParametersAreIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.request("docs", "claims_locales", strings.Repeat("x", 4000), "ui_locales", strings.Repeat("de ", 900), "display", "hologram",
		"acr_values", "x", "request", "", "request_uri", "", "registration", "", "claims", "", "max_age", "", "prompt", "", "id_token_hint", "", "response_mode", "", "unheard_of", strings.Repeat("y", 4000), "\xff", "\xff")
	if r := w.get("/authorize", q); r.Code != http.StatusOK || len(w.asked) != 1 {
		t.Errorf("%d %q", r.Code, r.Header().Get("Location"))
	}
}

// TestTheOrderOfParametersAndScopesDoesNotMatter (RFC 6749 section 3.3).
func TestTheOrderOfParametersAndScopesDoesNotMatter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	for _, scope := range []string{"openid email documents.read", "documents.read email openid", "email openid email documents.read"} {
		pairs := strings.Split(w.request("docs", "scope", scope).Encode(), "&")
		for range 3 {
			w.session = &s
			pairs = append(pairs[3:], pairs[:3]...)
			r := httptestGet("/authorize")
			r.URL.RawQuery = strings.Join(pairs, "&")
			_, q := w.serve(r).location()
			got := w.post("/token", "docs", w.exchange("docs", q.Get("code")))
			granted := strings.Fields(got.text("scope"))
			if slices.Sort(granted); !slices.Equal(granted, []string{"documents.read", "email", "openid"}) {
				t.Errorf("%s: granted %v", r.URL.RawQuery, granted)
			}
		}
	}
}

// TestACodeComesWithIssAndTheStateAsItWas, also where the registered URI has a
// query of its own.
func TestACodeComesWithIssAndTheStateAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	w.session = &s
	for _, uri := range w.p.Clients["docs"].RedirectURIs {
		for _, state := range []string{"\x00", "", "st", " a+b%20c&d=e#f?/é\"<>\n", strings.Repeat("s", 2048)} {
			r := w.get("/authorize", w.request("docs", "redirect_uri", uri, "state", state))
			_, got := r.location()
			if r.Code != http.StatusSeeOther || !strings.HasPrefix(r.Header().Get("Location"), uri) || got.Get("code") == "" || got.Get("iss") != issuer {
				t.Fatalf("%d %v", r.Code, got)
			}
			if state == "\x00" && got.Has("state") || state != "\x00" && got.Get("state") != state {
				t.Errorf("state %q came back as %q", state, got["state"])
			}
			if strings.Contains(uri, "tenant") && got.Get("tenant") != "1" {
				t.Errorf("the query of %s is lost: %v", uri, got)
			}
		}
	}
}

// TestPOSTIsAnswered303ToTheSameGET: it comes from another site and carries no
// cookie, so it does nothing itself.
func TestPOSTIsAnswered303ToTheSameGET(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.request("docs", "state", " a+b&c=d")
	r := w.serve(plainPost("/authorize", q))
	at, got := r.location()
	if r.Code != http.StatusSeeOther || at != "/authorize" || got.Encode() != q.Encode() || r.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d to %s %v", r.Code, at, got)
	}
	if len(w.asked) != 0 || len(r.Header().Values("Set-Cookie")) != 0 {
		t.Error("the POST itself did something")
	}
	if r := w.serve(plainPost("/authorize?client_id=docs", q)); r.Code != http.StatusBadRequest {
		t.Errorf("a POST with a query: %d", r.Code)
	}
	if r := w.serve(plainPost("/authorize", form("x", strings.Repeat("x", 13<<10)))); r.Code != http.StatusBadRequest {
		t.Errorf("a POST of 13 KB: %d", r.Code)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch, "SEARCH"} {
		r := w.serve(httptest.NewRequest(method, "/authorize?"+q.Encode(), nil))
		if r.Code != http.StatusMethodNotAllowed || r.Header().Get("Allow") == "" || r.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", method, r.Code, r.Header())
		}
	}
}

// TestASealedRequestIsOfOneBrowserAndLivesTenMinutes.
func TestASealedRequestIsOfOneBrowserAndLivesTenMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	code := w.code("docs", s, "max_age", "60", "prompt", "login", "login_hint", "ACME-1")
	a := w.asked[0]
	got, err := w.p.OpenRequest(a.Sealed, "browser-1")
	if err != nil || got.Client != "docs" || got.State != "st" || *got.MaxAge != 60 || !got.Wants("login") || got.LoginHint != "ACME-1" || got.Nonce != "n-1" {
		t.Errorf("opened %+v, %v", got, err)
	}
	for name, tc := range map[string]struct{ sealed, browser string }{
		"another browser": {a.Sealed, "browser-2"}, "no browser": {a.Sealed, ""}, "changed": {a.Sealed[:20] + changed(a.Sealed[20:]), "browser-1"},
		"cut short": {a.Sealed[:len(a.Sealed)-1], "browser-1"}, "nothing": {"", "browser-1"}, "a code": {code, "browser-1"}, "a code for its client": {code, "docs"},
	} {
		if _, err := w.p.OpenRequest(tc.sealed, tc.browser); err == nil {
			t.Errorf("%s: opens", name)
		}
	}
	w.pass(9 * time.Minute)
	if _, err := w.p.OpenRequest(a.Sealed, "browser-1"); err != nil {
		t.Errorf("after 9 minutes: %v", err)
	}
	uris := w.p.Clients["docs"].RedirectURIs
	w.p.Clients["docs"].RedirectURIs = uris[1:]
	if _, err := w.p.OpenRequest(a.Sealed, "browser-1"); err == nil {
		t.Error("opens for a URI that is registered no more")
	}
	w.p.Clients["docs"].RedirectURIs = uris
	w.pass(time.Minute + time.Second)
	if _, err := w.p.OpenRequest(a.Sealed, "browser-1"); err == nil {
		t.Error("opens after ten minutes")
	}
}

// TestFreshness: prompt=login and max_age=0 want a proof after the request,
// max_age one that is no older.
func TestFreshness(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Microsecond)
	age := func(n int64) *int64 { return &n }
	for name, tc := range map[string]struct {
		prompt string
		maxAge *int64
		proof  time.Duration // relative to the request
		later  time.Duration // when it is asked
		want   bool
	}{
		"nothing asked, old proof":            {proof: -24 * time.Hour, want: true},
		"login, proof before":                 {prompt: "login", proof: -time.Microsecond},
		"login, proof at once":                {prompt: "login", want: true},
		"login, proof after":                  {prompt: "login", proof: time.Second, later: time.Minute, want: true},
		"max_age 0, proof before":             {maxAge: age(0), proof: -time.Microsecond},
		"max_age 0, proof after":              {maxAge: age(0), proof: time.Second, later: time.Hour, want: true},
		"max_age 60, proof of 60 s":           {maxAge: age(60), proof: -time.Minute, want: true},
		"max_age 60, a little older":          {maxAge: age(60), proof: -time.Minute - time.Microsecond},
		"max_age 60, aged meanwhile":          {maxAge: age(60), proof: -30 * time.Second, later: 31 * time.Second},
		"max_age at its bound does not wrap":  {maxAge: age(1<<31 - 1), proof: -time.Hour, want: true},
		"none, proof before":                  {prompt: "none", proof: -time.Hour, want: true},
		"login beside a max_age it would met": {prompt: "login", maxAge: age(3600), proof: -time.Second},
	} {
		a := provider.Request{Prompt: strings.Fields(tc.prompt), MaxAge: tc.maxAge, At: now.UnixMicro()}
		if got := a.Fresh(now.Add(tc.proof), now.Add(tc.later)); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestASessionThatLentNothingRequestedIsAccessDenied; what else is requested
// stays out.
func TestASessionThatLentNothingRequestedIsAccessDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login", "documents.write")
	w.session = &s
	if _, q := w.get("/authorize", w.request("docs", "scope", "documents.read")).location(); q.Get("error") != "access_denied" || q.Get("iss") != issuer {
		t.Errorf("answer %v", q)
	}
	r := w.tokens("docs", s, "scope", "documents.read documents.write openid settings.write billing.read offline_access")
	if got := strings.Fields(r.text("scope")); !slices.Equal(got, []string{"documents.write", "openid", "offline_access"}) {
		t.Errorf("scope %v", got)
	}
}

// TestARequestIsAboutTheSubjectOfItsHint (OpenID Connect Core 1.0 section
// 3.1.2.1): with another one, or a hint that is no ID token of this client,
// login_required, silent or not.
func TestARequestIsAboutTheSubjectOfItsHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) { p.Clients["notes"].Subject = "guest" })
	first, second := w.open("login"), w.open("login")
	mine, others := w.tokens("docs", first), w.tokens("docs", second)
	ask := func(prompt, hint string) url.Values {
		w.session = &first
		_, q := w.get("/authorize", w.request("docs", "prompt", prompt, "id_token_hint", hint)).location()
		return q
	}
	for name, hint := range map[string]string{
		"another guest": others.text("id_token"), "an access token": mine.text("access_token"), "nonsense": "x.y.z",
		"another app's": w.tokens("notes", first).text("id_token"), "a signature cut short": mine.text("id_token")[:200],
		"a refresh token": mine.text("refresh_token"), "longer than any token": strings.Repeat("a.", 4000),
	} {
		for _, prompt := range []string{"none", "login", ""} {
			if q := ask(prompt, hint); q.Get("error") != "login_required" || q.Get("code") != "" {
				t.Errorf("%s, prompt %q: %v", name, prompt, q)
			}
		}
	}
	for _, prompt := range []string{"none", "login", ""} {
		if q := ask(prompt, mine.text("id_token")); q.Get("code") == "" {
			t.Errorf("the right guest, prompt %q: %v", prompt, q)
		}
	}
	w.pass(30 * time.Minute)
	if q := ask("none", mine.text("id_token")); q.Get("code") == "" {
		t.Errorf("an expired hint: %v", q)
	}
}

// TestAHintOfAPINSaysThatNothingElseLeadsThere: a PIN is redeemed once, so the
// pages can refuse before the agent spends another. An account is the same by
// every PIN.
func TestAHintOfAPINSaysThatNothingElseLeadsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	login, pin := w.open("login"), w.open("pin")
	for _, tc := range []struct {
		client  string
		session credentials.Session
		want    bool
	}{{"docs", login, false}, {"docs", pin, true}, {"spa", pin, false}} {
		hint := w.tokens(tc.client, tc.session).text("id_token")
		w.asked = nil
		if r := w.get("/authorize", w.request(tc.client, "id_token_hint", hint)); len(w.asked) != 1 || w.asked[0].Spent != tc.want {
			t.Errorf("%s by %s: %d %+v", tc.client, tc.session.Policy, r.Code, w.asked)
		}
	}
}
