package demo

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// callback is where the client of these tests is called back; nobody listens
// there.
const callback = "http://127.0.0.1:4711/return"

// sso is a running issuer with a client made of libraries that nobody here
// wrote.
type sso struct {
	*Issuer
	server   *httptest.Server
	provider *oidc.Provider
	client   oauth2.Config
	ahead    *atomic.Int64 // how far the issuer's clock is ahead
}

func startSSO(t *testing.T, path string) *sso {
	t.Helper()
	s := &sso{ahead: &atomic.Int64{}}
	mux := http.NewServeMux()
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	s.Issuer = &Issuer{URL: s.server.URL + path, Name: "Northwind SSO", Cookie: "northwind-sso", People: append(Staff(), Customers()...),
		Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
		Clients: []Client{{ID: "valetkey", Name: "Support sign-in", Secret: "a secret: with %+&", RedirectURIs: []string{callback, callback + "?to=1"}},
			{ID: "other", Secret: "another", RedirectURIs: []string{callback}}, {ID: "open", RedirectURIs: []string{callback}}}}
	if err := s.Mount(mux); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.provider, err = oidc.NewProvider(t.Context(), s.URL); err != nil {
		t.Fatal(err)
	}
	s.client = oauth2.Config{ClientID: "valetkey", ClientSecret: "a secret: with %+&", Endpoint: s.provider.Endpoint(), RedirectURL: callback,
		Scopes: []string{"openid", "profile", "email"}}
	s.client.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	return s
}

func (s *sso) browser(t *testing.T) *browser {
	b := newBrowser(t)
	b.stop = callback
	return b
}

// verifier is long enough for RFC 7636.
const verifier = "a-verifier-of-at-least-forty-three-characters"

func (s *sso) request(pairs ...string) string {
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oidc.Nonce("n-1")}
	for i := 0; i+1 < len(pairs); i += 2 {
		options = append(options, oauth2.SetAuthURLParam(pairs[i], pairs[i+1]))
	}
	return s.client.AuthCodeURL("s-1", options...)
}

// returned is what the browser brings back to the client, with state and iss.
func (s *sso) returned(t *testing.T, b *browser) url.Values {
	t.Helper()
	if b.last == nil || !strings.HasPrefix(b.last.String(), callback) {
		t.Fatalf("the browser stands at %s (%d): %s", b.at, b.status, b.text())
	}
	q := b.last.Query()
	if q.Get("state") != "s-1" || q.Get("iss") != s.URL {
		t.Errorf("the client is called back with %v", q)
	}
	return q
}

// person signs somebody in and returns the verified ID token with its claims.
func (s *sso) person(t *testing.T, code string) (*oauth2.Token, *oidc.IDToken, map[string]any) {
	t.Helper()
	tokens, err := s.client.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := s.provider.Verifier(&oidc.Config{ClientID: "valetkey", Now: s.Now}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(tokens.AccessToken); err != nil || id.Nonce != "n-1" {
		t.Errorf("at_hash: %v; nonce %q", err, id.Nonce)
	}
	return tokens, id, claims
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/id"} {
		s := startSSO(t, path)
		b := s.browser(t)
		b.open(s.request()).wants(http.StatusOK, "Who are you?").wants(http.StatusOK, "Support sign-in")
		code := s.returned(t, b.press("Dana Reed")).Get("code")
		tokens, id, claims := s.person(t, code)
		if id.Subject != "dana" || claims["name"] != "Dana Reed" || claims["email"] != "dana@northwind.example" || claims["email_verified"] != true {
			t.Errorf("the ID token says %v", claims)
		}
		if groups, _ := claims["groups"].([]any); !slices.Equal(groups, []any{"support"}) {
			t.Errorf("groups are %v", claims["groups"])
		}
		info, err := s.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(tokens))
		if err != nil || info.Subject != "dana" || info.Email != "dana@northwind.example" || !info.EmailVerified {
			t.Errorf("userinfo: %v %v", info, err)
		}
		if _, err := s.client.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err == nil {
			t.Error("a code is taken twice")
		}
		// The sign-in lasts: nobody is asked again, in this browser.
		if again := s.returned(t, b.open(s.request("prompt", "none"))); again.Get("code") == "" || again.Get("code") == code {
			t.Errorf("signed in, prompt=none brings %v", again)
		}
		b.post(s.URL+"/authorize", "http://127.0.0.1:4711", query(t, s.request()))
		if s.returned(t, b).Get("code") == "" {
			t.Error("a posted request brings no code")
		}
		s.browser(t).open(s.request()).wants(http.StatusOK, "Who are you?")
	}
}

// TestClaimsOfAnOwner: what the broker reads of an account is in the ID token.
func TestClaimsOfAnOwner(t *testing.T) {
	t.Parallel()
	s := startSSO(t, "/id")
	b := s.browser(t)
	b.open(s.request("scope", "openid")).press("Olivia Owner")
	_, _, claims := s.person(t, s.returned(t, b).Get("code"))
	for name, want := range map[string]any{"sub": "olivia", "role": "owner", "account_id": "acme", "account_name": "Acme Inc", "account_number": "4821",
		"name": nil, "email": nil} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	s := startSSO(t, "")
	b := s.browser(t)
	if q := s.returned(t, b.open(s.request("prompt", "none"))); q.Get("error") != "login_required" || q.Has("code") {
		t.Errorf("nobody is signed in, and prompt=none brings %v", q)
	}
	b.open(s.request()).press("Dana Reed")
	_, _, first := s.person(t, s.returned(t, b).Get("code"))
	s.ahead.Store(int64(10 * time.Minute))
	for params, asks := range map[string]bool{"max_age=900": false, "max_age=300": true, "max_age=0": true, "prompt=login": true, "prompt=select_account": true} {
		name, value, _ := strings.Cut(params, "=")
		b.open(s.request(name, value))
		if asked := b.last == nil; asked != asks {
			t.Errorf("%s: asks %v, want %v", params, asked, asks)
		}
	}
	if q := s.returned(t, b.open(s.request("prompt", "none", "max_age", "300"))); q.Get("error") != "login_required" {
		t.Errorf("prompt=none with an old sign-in brings %v", q)
	}
	_, _, second := s.person(t, s.returned(t, b.open(s.request("max_age", "900"))).Get("code"))
	if second["auth_time"] != first["auth_time"] {
		t.Errorf("auth_time is %v, and was %v", second["auth_time"], first["auth_time"])
	}
	_, _, third := s.person(t, s.returned(t, b.open(s.request("prompt", "login")).press("Sam Rivera")).Get("code"))
	was, _ := first["auth_time"].(float64)
	is, _ := third["auth_time"].(float64)
	if third["sub"] != "sam" || is < was+600 {
		t.Errorf("after prompt=login it is %v since %v, and was since %v", third["sub"], is, was)
	}
	s.ahead.Store(int64(9 * time.Hour))
	b.open(s.request()).wants(http.StatusOK, "Who are you?")
}

// TestRefusedAtAuthorize: what is wrong is told to the client, or, where that
// is not known to be one, on a page that leads nowhere.
func TestRefusedAtAuthorize(t *testing.T) {
	t.Parallel()
	s := startSSO(t, "")
	b := s.browser(t)
	b.open(s.request()).press("Dana Reed")
	for name, c := range map[string]struct {
		params []string
		want   string
	}{
		"no code":              {[]string{"response_type", "token"}, "unsupported_response_type"},
		"in the fragment":      {[]string{"response_mode", "fragment"}, "invalid_request"},
		"no openid":            {[]string{"scope", "email"}, "invalid_scope"},
		"plain":                {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"no challenge":         {[]string{"code_challenge", ""}, "invalid_request"},
		"none and more":        {[]string{"prompt", "none login"}, "invalid_request"},
		"max_age of nothing":   {[]string{"max_age", "-1"}, "invalid_request"},
		"a request object":     {[]string{"request", "e30"}, "request_not_supported"},
		"a request elsewhere":  {[]string{"request_uri", "https://example.com"}, "request_uri_not_supported"},
		"an unknown client":    {[]string{"client_id", "somebody"}, ""},
		"no client":            {[]string{"client_id", ""}, ""},
		"an unknown address":   {[]string{"redirect_uri", callback + "/"}, ""},
		"an address, nearly":   {[]string{"redirect_uri", strings.ToUpper(callback)}, ""},
		"no address":           {[]string{"redirect_uri", ""}, ""},
		"an address elsewhere": {[]string{"redirect_uri", "https://example.com/"}, ""},
	} {
		b.open(s.request(c.params...))
		switch {
		case c.want == "" && (b.last != nil || b.status != http.StatusBadRequest):
			t.Errorf("%s: %d, and leads to %v", name, b.status, b.last)
		case c.want != "" && s.returned(t, b).Get("error") != c.want:
			t.Errorf("%s: brings %v", name, b.last)
		}
	}
	if b.open(s.request() + "&state=two"); b.status != http.StatusBadRequest || b.last != nil {
		t.Errorf("a parameter given twice: %d, and leads to %v", b.status, b.last)
	}
	if q := s.returned(t, b.open(s.request("redirect_uri", callback+"?to=1"))); q.Get("to") != "1" || q.Get("code") == "" {
		t.Errorf("an address with a query is called with %v", q)
	}
}

// TestRefusedAtToken: a code is good for the client, address and verifier that
// it was made for, for a minute.
func TestRefusedAtToken(t *testing.T) {
	t.Parallel()
	s := startSSO(t, "")
	b := s.browser(t)
	b.open(s.request()).press("Dana Reed")
	code := func() string { return s.returned(t, b.open(s.request())).Get("code") }
	good := func() url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {code()}, "redirect_uri": {callback}, "code_verifier": {verifier},
			"client_id": {"valetkey"}, "client_secret": {"a secret: with %+&"}}
	}
	if status, said := s.post(t, good(), ""); status != http.StatusOK {
		t.Fatalf("with the secret in the form: %d %v", status, said)
	}
	for name, c := range map[string]struct {
		change url.Values
		want   string
	}{
		"another verifier": {url.Values{"code_verifier": {strings.ToUpper(verifier)}}, "invalid_grant"},
		"no verifier":      {url.Values{"code_verifier": nil}, "invalid_grant"},
		"another address":  {url.Values{"redirect_uri": {callback + "?to=1"}}, "invalid_grant"},
		"another client":   {url.Values{"client_id": {"other"}, "client_secret": {"another"}}, "invalid_grant"},
		"a wrong secret":   {url.Values{"client_secret": {"another"}}, "invalid_client"},
		"no secret":        {url.Values{"client_secret": nil}, "invalid_client"},
		"a client without": {url.Values{"client_id": {"open"}, "client_secret": {""}}, "invalid_client"},
		"another grant":    {url.Values{"grant_type": {"password"}}, "unsupported_grant_type"},
		"a code of nobody": {url.Values{"code": {"c"}}, "invalid_grant"},
		"no code":          {url.Values{"code": nil}, "invalid_grant"},
	} {
		form := good()
		for key, values := range c.change {
			form[key] = values
		}
		if status, said := s.post(t, form, ""); status/100 != 4 || said["error"] != c.want {
			t.Errorf("%s: %d %v, want %s", name, status, said, c.want)
		}
	}
	if status, said := s.post(t, good(), "?client_id=valetkey"); status != http.StatusBadRequest {
		t.Errorf("with a query: %d %v", status, said)
	}
	late := good()
	s.ahead.Store(int64(61 * time.Second))
	if _, said := s.post(t, late, ""); said["error"] != "invalid_grant" {
		t.Errorf("a code of a minute ago: %v", said)
	}
}

func (s *sso) post(t *testing.T, form url.Values, query string) (int, map[string]any) {
	t.Helper()
	answer, err := http.PostForm(s.URL+"/token"+query, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(body, &said); err != nil {
		t.Fatalf("%d %s", answer.StatusCode, body)
	}
	return answer.StatusCode, said
}

// TestSignInIsItsOwn: another site cannot sign somebody in, nor can a name that
// is nobody's.
func TestSignInIsItsOwn(t *testing.T) {
	t.Parallel()
	s := startSSO(t, "")
	b := s.browser(t).open(s.request())
	form := url.Values{"person": {"dana"}, "request": {b.at.RawQuery}}
	if b.post(s.URL+"/sign-in", "http://127.0.0.1:4711", form); b.status != http.StatusForbidden || b.last != nil {
		t.Errorf("a form of another site: %d, and leads to %v", b.status, b.last)
	}
	form.Set("person", "eve")
	b.post(s.URL+"/sign-in", s.server.URL, form).wants(http.StatusBadRequest, "nobody of that name")
	b.open(s.request()).wants(http.StatusOK, "Who are you?")
}

// TestLoopbackOnly: where people have no passwords, nobody else may reach it.
func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"http://127.0.0.1:8402": true, "http://localhost:8402/id": true, "http://[::1]:8402": true,
		"http://192.168.0.1:8402": false, "https://sso.northwind.example": false, "http://localhost.example": false, "http://0.0.0.0:1": false, "": false,
	} {
		i := &Issuer{URL: url, Now: time.Now}
		if err := i.Mount(http.NewServeMux()); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func query(t *testing.T, to string) url.Values {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
