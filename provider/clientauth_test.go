package provider_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/provider"
)

// presentation is a way for a client to say who it is.
type presentation struct {
	header string // Authorization
	body   url.Values
	want   map[string]int // status at path
	error  string
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func all(status int) map[string]int {
	return map[string]int{"/token": status, "/introspect": status, "/revoke": status}
}

func presentations(w *world) map[string]presentation {
	docs, notes := w.p.Clients["docs"].Secret, w.p.Clients["notes"].Secret
	jwt := "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	const unauthorized, bad = http.StatusUnauthorized, http.StatusBadRequest
	out := map[string]presentation{
		"basic":                         {header: basic("docs", docs), want: all(200)},
		"basic in lower case":           {header: strings.Replace(basic("docs", docs), "Basic", "basic", 1), want: all(200)},
		"basic and the same client_id":  {header: basic("docs", docs), body: form("client_id", "docs"), want: all(200)},
		"post":                          {body: form("client_id", "docs", "client_secret", docs), want: all(200)},
		"public":                        {body: form("client_id", "spa"), want: map[string]int{"/token": 200, "/introspect": unauthorized, "/revoke": 200}},
		"basic and post":                {header: basic("docs", docs), body: form("client_id", "docs", "client_secret", docs), want: all(bad), error: "invalid_request"},
		"basic and a secret":            {header: basic("docs", docs), body: form("client_secret", docs), want: all(bad), error: "invalid_request"},
		"basic and another client_id":   {header: basic("docs", docs), body: form("client_id", "notes"), want: all(bad), error: "invalid_request"},
		"basic, an assertion too":       {header: basic("docs", docs), body: form("client_assertion", "x.y.z", "client_assertion_type", jwt), want: all(bad), error: "invalid_request"},
		"nothing":                       {want: all(unauthorized)},
		"an unknown client":             {header: basic("nobody", docs), want: all(unauthorized)},
		"an unknown client, post":       {body: form("client_id", "nobody", "client_secret", docs), want: all(unauthorized)},
		"an unknown public client":      {body: form("client_id", "nobody"), want: all(unauthorized)},
		"a wrong secret":                {header: basic("docs", docs+"x"), want: all(unauthorized)},
		"a wrong secret, post":          {body: form("client_id", "docs", "client_secret", docs[1:]), want: all(unauthorized)},
		"another client's secret":       {header: basic("docs", notes), want: all(unauthorized)},
		"no secret":                     {header: basic("docs", ""), want: all(unauthorized)},
		"only a client_id":              {body: form("client_id", "docs"), want: all(unauthorized)},
		"an empty secret":               {body: form("client_id", "docs", "client_secret", ""), want: all(unauthorized)},
		"one that has no secret":        {body: form("client_id", "keyed"), want: all(unauthorized)},
		"one that has none, empty":      {body: form("client_id", "keyed", "client_secret", ""), want: all(unauthorized)},
		"one that has none, in basic":   {header: basic("keyed", ""), want: all(unauthorized)},
		"a public client with a secret": {body: form("client_id", "spa", "client_secret", "x"), want: all(unauthorized)},
		"a secret in upper case":        {header: basic("docs", strings.ToUpper(docs)), want: all(unauthorized)},
		"a client in upper case":        {header: basic("DOCS", docs), want: all(unauthorized)},
		"names in upper case":           {body: form("CLIENT_ID", "docs", "CLIENT_SECRET", docs), want: all(unauthorized)},
		"a name with a long s":          {body: form("client_id", "docs", "client_ſecret", docs), want: all(unauthorized)},
		"basic that is not base64":      {header: "Basic %%%", want: all(unauthorized)},
		"basic without a colon":         {header: "Basic " + base64.StdEncoding.EncodeToString([]byte("docs")), want: all(unauthorized)},
		"basic with a broken escape":    {header: "Basic " + base64.StdEncoding.EncodeToString([]byte("docs:%zz")), want: all(unauthorized)},
		"basic without a client":        {header: basic("", docs), want: all(unauthorized)},
		"bearer":                        {header: "Bearer x.y.z", want: all(unauthorized)},
		"bearer and a client_id":        {header: "Bearer x.y.z", body: form("client_id", "spa"), want: all(unauthorized)},
		"an assertion":                  {body: form("client_assertion", "x.y.z", "client_assertion_type", jwt), want: all(unauthorized)},
		"an assertion and a client_id":  {body: form("client_id", "spa", "client_assertion", "x.y.z", "client_assertion_type", jwt), want: all(unauthorized)},
		"an assertion of another type":  {body: form("client_id", "docs", "client_assertion", "x", "client_assertion_type", "urn:x"), want: all(unauthorized)},
		"an assertion and a secret":     {body: form("client_id", "docs", "client_secret", docs, "client_assertion", "x", "client_assertion_type", jwt), want: all(bad), error: "invalid_request"},
	}
	return out
}

// TestClientsProveWhoTheyAre: every presentation at token, introspection and
// revocation; a failed one is 401 invalid_client with WWW-Authenticate (RFC 6749
// section 5.2).
func TestClientsProveWhoTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) { // one that waits for private_key_jwt
		p.Clients["keyed"] = &provider.Client{ID: "keyed", Grants: []string{"authorization_code"}}
	})
	s := w.open("login")
	for name, p := range presentations(w) {
		for path, want := range p.want {
			f := form("token", "x")
			if path == "/token" {
				client := "docs"
				if p.body.Get("client_id") == "spa" {
					client = "spa"
				}
				f = w.exchange(client, w.code(client, s))
			}
			for k, v := range p.body {
				f[k] = v
			}
			r := plainPost(path, f)
			if p.header != "" {
				r.Header.Set("Authorization", p.header)
			}
			got := w.serve(r)
			if got.Code != want {
				t.Errorf("%s at %s: %d %s, want %d", name, path, got.Code, got.Body, want)
			}
			if want == http.StatusUnauthorized && (got.text("error") != "invalid_client" || got.Header().Get("WWW-Authenticate") != `Basic realm="valetkey"`) {
				t.Errorf("%s at %s: %s, WWW-Authenticate %q", name, path, got.Body, got.Header().Get("WWW-Authenticate"))
			}
			if p.error != "" && got.text("error") != p.error {
				t.Errorf("%s at %s: %s, want %s", name, path, got.Body, p.error)
			}
		}
	}
}

// TestUnknownClientsAndWrongSecretsAreToldTheSame.
func TestUnknownClientsAndWrongSecretsAreToldTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var first string
	for i, header := range []string{basic("docs", "wrong"), basic("nobody", "wrong"), basic("spa", "wrong"), basic("settings", "")} {
		r := plainPost("/token", form("grant_type", "client_credentials"))
		r.Header.Set("Authorization", header)
		got := w.serve(r)
		if i == 0 {
			first = got.Body.String()
		} else if got.Body.String() != first || got.Code != http.StatusUnauthorized {
			t.Errorf("%d %s, the first was told %s", got.Code, got.Body, first)
		}
	}
}

// TestASecretWithSpecialCharactersIsFormEncodedInBasic (RFC 6749 section 2.3.1).
func TestASecretWithSpecialCharactersIsFormEncodedInBasic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := plainPost("/revoke", form("token", "x"))
	r.Header.Set("Authorization", basic("notes", w.p.Clients["notes"].Secret))
	if got := w.serve(r); got.Code != http.StatusOK {
		t.Errorf("encoded: %d %s", got.Code, got.Body)
	}
}

// TestGrantsAreThoseOfTheClient: unsupported_grant_type is about the server,
// unauthorized_client about the client, invalid_client about who may not.
func TestGrantsAreThoseOfTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.Clients["spa"].Grants = append(w.p.Clients["spa"].Grants, "client_credentials")
	for name, tc := range map[string]struct {
		client, grant, want string
		status              int
	}{
		"none":                         {"docs", "", "invalid_request", 400},
		"password":                     {"docs", "password", "unsupported_grant_type", 400},
		"implicit":                     {"docs", "implicit", "unsupported_grant_type", 400},
		"jwt bearer":                   {"docs", "urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type", 400},
		"device":                       {"docs", "urn:ietf:params:oauth:grant-type:device_code", "unsupported_grant_type", 400},
		"exchange":                     {"docs", "urn:ietf:params:oauth:grant-type:token-exchange", "unsupported_grant_type", 400},
		"upper case":                   {"docs", "AUTHORIZATION_CODE", "unsupported_grant_type", 400},
		"client_credentials not lent":  {"docs", "client_credentials", "unauthorized_client", 400},
		"refresh without":              {"notes", "refresh_token", "unauthorized_client", 400},
		"code for a back end":          {"settings", "authorization_code", "unauthorized_client", 400},
		"credentials of a public app":  {"spa", "client_credentials", "invalid_client", 401},
		"a code that is not there":     {"docs", "authorization_code", "invalid_request", 400},
		"a refresh token not there":    {"docs", "refresh_token", "invalid_request", 400},
		"client_credentials as it may": {"settings", "client_credentials", "", 200},
	} {
		r := w.post("/token", tc.client, form("grant_type", tc.grant))
		if r.Code != tc.status || r.text("error") != tc.want {
			t.Errorf("%s: %d %s, want %s", name, r.Code, r.Body, tc.want)
		}
		if strings.ContainsAny(r.text("error_description"), `"\`) {
			t.Errorf("%s: error_description has characters that RFC 6749 section 5.2 forbids: %s", name, r.Body)
		}
	}
	if r := w.post("/revoke", "docs", form("token", "x", "grant_type", "bogus")); r.Code != http.StatusOK {
		t.Errorf("an unknown parameter at revocation is not ignored: %d %s", r.Code, r.Body)
	}
}

// TestAPITokensHaveTheScopesThatTheClientHas, now and when it was issued.
func TestAPITokensHaveTheScopesThatTheClientHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for scope, want := range map[string]string{
		"": "credentials.mint credentials.read", "credentials.read": "credentials.read", "credentials.read credentials.read": "credentials.read",
		"record.read": "", "credentials.read record.read": "", "openid": "", "documents.read": "",
	} {
		r := w.post("/token", "settings", form("grant_type", "client_credentials", "scope", scope))
		if want == "" && r.text("error") != "invalid_scope" || want != "" && r.text("scope") != want {
			t.Errorf("scope %q: %d %s", scope, r.Code, r.Body)
		}
	}
	token := w.post("/token", "settings", form("grant_type", "client_credentials")).text("access_token")
	w.p.Clients["settings"].API = []string{"credentials.read"}
	if _, got, _, ok := w.p.OpenAPI(token); !ok || len(got) != 1 || got[0] != "credentials.read" {
		t.Errorf("after a scope was taken from the client: %v %v", got, ok)
	}
	delete(w.p.Clients, "settings")
	if _, _, _, ok := w.p.OpenAPI(token); ok {
		t.Error("the token of a client that is gone is taken")
	}
}
