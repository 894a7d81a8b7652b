package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestDiscoverySaysWhatIsTrue compares the document with behaviour: what it
// lists works, what it does not list is refused.
func TestDiscoverySaysWhatIsTrue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		m := b.metadata()
		if m.Issuer != b.issuer || !m.ISS {
			t.Errorf("the issuer is %q (iss in responses: %v), want %q", m.Issuer, m.ISS, b.issuer)
		}
		oauth := b.get("/.well-known/oauth-authorization-server", "")
		var same metadata
		oauth.decode(t, &same)
		if same.Issuer != m.Issuer || same.Token != m.Token || same.Authorization != m.Authorization || same.JWKS != m.JWKS {
			t.Errorf("the RFC 8414 document says %s", oauth.body)
		}
		b.checkEndpoints(m)
		b.checkGrants(m)
		b.checkAuthentication(m)
		b.checkAuthorize(m)
		b.checkAlgorithms(m)
	})
}

// checkEndpoints asks at every address that the document names, and at those
// that it might have named.
func (b *broker) checkEndpoints(m metadata) {
	b.t.Helper()
	listed := []string{m.Authorization, m.Token, m.Introspection, m.Userinfo, m.Revocation, m.JWKS}
	for _, endpoint := range listed {
		if !strings.HasPrefix(endpoint, b.issuer+"/") {
			b.t.Errorf("endpoint %q is missing or elsewhere", endpoint)
		}
	}
	listed = append(listed, m.EndSession, m.PAR, m.Device, m.Registration)
	for _, endpoint := range listed {
		if endpoint == "" {
			continue
		}
		if answer := b.get(endpoint, ""); answer.status == http.StatusNotFound || answer.status >= 500 {
			b.t.Errorf("GET %s is listed and answers %d", endpoint, answer.status)
		}
	}
	for _, path := range []string{
		"/oauth/token", "/oauth/introspect", "/oauth/revoke", "/revoke", "/end_session", "/keys", "/userinfo", "/introspect",
		"/device", "/device_authorization", "/register", "/par", "/logout", "/oauth/v2/keys", "/authorize/callback/",
		"/debug/pprof/", "/debug/vars",
	} {
		if slices.Contains(listed, b.issuer+path) {
			continue
		}
		if answer := b.get(path, ""); answer.status != http.StatusNotFound {
			b.t.Errorf("GET %s is not listed and answers %d", path, answer.status)
		}
	}
}

// checkGrants tries every grant that there is.
func (b *broker) checkGrants(m metadata) {
	b.t.Helper()
	const urn = "urn:ietf:params:oauth:grant-type:"
	for _, grant := range []string{
		"authorization_code", "refresh_token", "client_credentials", "password", "implicit",
		urn + "token-exchange", urn + "jwt-bearer", urn + "device_code", "urn:openid:params:grant-type:ciba",
	} {
		answer := b.post(m.Token, b.docs(), url.Values{"grant_type": {grant}})
		refused := answer.field("error") == "unsupported_grant_type"
		if listed := slices.Contains(m.Grants, grant); listed == refused {
			b.t.Errorf("grant %s: listed %v, answer %d %s", grant, listed, answer.status, answer.body)
		}
	}
	for _, grant := range []string{"authorization_code", "refresh_token", "client_credentials"} {
		if !slices.Contains(m.Grants, grant) {
			b.t.Errorf("grant %s works and is not listed", grant)
		}
	}
	if slices.Contains(m.Grants, "implicit") {
		b.t.Error("the implicit grant is listed")
	}
	// A grant that the client does not have is its own error.
	answer := b.post(m.Token, b.docs(), url.Values{"grant_type": {"client_credentials"}})
	if answer.status != http.StatusBadRequest || answer.field("error") != "unauthorized_client" {
		b.t.Errorf("client_credentials by an app without: %d %s, want 400 unauthorized_client", answer.status, answer.body)
	}
}

// checkAuthentication tries every client authentication at the three
// endpoints that take one.
func (b *broker) checkAuthentication(m metadata) {
	b.t.Helper()
	endpoints := map[string]struct {
		at     string
		listed []string
		form   url.Values
	}{
		"token":         {m.Token, m.TokenAuth, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"none"}}},
		"introspection": {m.Introspection, m.IntrospectBy, url.Values{"token": {"none"}}},
		"revocation":    {m.Revocation, m.RevokeBy, url.Values{"token": {"none"}}},
	}
	for name, endpoint := range endpoints {
		for method, answer := range b.authentications(endpoint.at, endpoint.form) {
			in := answer.field("error") != "invalid_client" && answer.status != http.StatusUnauthorized
			if listed := slices.Contains(endpoint.listed, method); listed != in {
				b.t.Errorf("%s with %s: listed %v, answer %d %s", name, method, listed, answer.status, answer.body)
			}
		}
		for _, method := range endpoint.listed {
			if !slices.Contains([]string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}, method) {
				b.t.Errorf("%s lists %s, which this version does not have", name, method)
			}
		}
		b.wantUnauthorized(name, endpoint.at, endpoint.form)
	}
}

// authentications sends the form once by each method, with what proves it.
func (b *broker) authentications(at string, form url.Values) map[string]exchange {
	b.t.Helper()
	with := func(pairs ...string) url.Values {
		copied := url.Values{}
		for name, values := range form {
			copied[name] = values
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			copied.Set(pairs[i], pairs[i+1])
		}
		return copied
	}
	docs := b.docs()
	return map[string]exchange{
		"client_secret_basic": b.post(at, docs, form),
		"client_secret_post":  b.post(at, app{}, with("client_id", docs.id, "client_secret", docs.secret)),
		"none":                b.post(at, app{}, with("client_id", b.files().id)),
		"private_key_jwt": b.post(at, app{}, with("client_assertion", b.bankAssertion(),
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")),
	}
}

func (b *broker) wantUnauthorized(name, at string, form url.Values) {
	b.t.Helper()
	for who, client := range map[string]app{
		"a wrong secret":    {id: "docs", secret: "not it"},
		"an unknown client": {id: "nobody", secret: "not it"},
	} {
		answer := b.post(at, client, form)
		challenge := answer.header.Get("WWW-Authenticate")
		if answer.status != http.StatusUnauthorized || answer.field("error") != "invalid_client" || !strings.HasPrefix(challenge, "Basic") {
			b.t.Errorf("%s with %s: %d %s, WWW-Authenticate %q; want 401 invalid_client and Basic", name, who, answer.status, answer.body, challenge)
		}
	}
}

// checkAuthorize tries response types, modes and challenge methods.
func (b *broker) checkAuthorize(m metadata) {
	b.t.Helper()
	if !slices.Equal(m.Responses, []string{"code"}) || !slices.Equal(m.Challenges, []string{"S256"}) {
		b.t.Errorf("response types %v and challenge methods %v, want code and S256 alone", m.Responses, m.Challenges)
	}
	if !slices.Contains(m.Scopes, "openid") || len(m.Subjects) == 0 {
		b.t.Errorf("scopes %v and subject types %v", m.Scopes, m.Subjects)
	}
	w := b.browser()
	w.open(b.authorize(b.docs()).url())
	if !w.shows("username") {
		b.t.Errorf("an ordinary request is refused: %v %s", w.callback, w.page.text())
	}
	for _, kind := range []string{"token", "id_token", "code token", "code id_token", "id_token token", "none"} {
		b.wantRefused("response_type", kind, "unsupported_response_type")
	}
	for _, mode := range []string{"fragment", "form_post", "jwt"} {
		if !slices.Contains(m.Modes, mode) {
			b.wantRefused("response_mode", mode, "invalid_request")
		}
	}
	b.wantRefused("code_challenge_method", "plain", "invalid_request")
	if !m.RequestObject {
		b.wantRefused("request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported")
	}
	if m.RequestURI == nil || *m.RequestURI {
		b.t.Error("request_uri_parameter_supported must be said to be false: its default is true")
	}
	b.wantRefused("request_uri", "https://docs.northwind.example/request", "request_uri_not_supported")
}

// wantRefused sends an authorization request with one parameter changed and
// wants an error at the app.
func (b *broker) wantRefused(name, value, want string) {
	b.t.Helper()
	w := b.browser()
	v := b.authorize(b.docs(), name, value)
	w.open(v.url())
	if w.callback.Get("error") != want || w.callback.Get("state") != v.state || w.callback.Has("code") {
		b.t.Errorf("%s=%q: %v (page %d %s), want %s at the app", name, value, w.callback, w.page.status, w.page.text(), want)
	}
}

// checkAlgorithms wants every listed algorithm to have a published key.
func (b *broker) checkAlgorithms(m metadata) {
	b.t.Helper()
	var keys struct {
		Keys []map[string]any `json:"keys"`
	}
	b.get(m.JWKS, "").decode(b.t, &keys)
	published := map[any]bool{}
	for _, key := range keys.Keys {
		published[key["alg"]] = true
		for _, private := range []string{"d", "p", "q", "k"} {
			if _, ok := key[private]; ok {
				b.t.Errorf("the JWKS publishes the private member %q", private)
			}
		}
	}
	if !slices.Contains(m.IDTokenAlgs, "RS256") || !slices.Contains(m.IDTokenAlgs, "ES256") {
		b.t.Errorf("ID token algorithms are %v, want RS256 and ES256 among them", m.IDTokenAlgs)
	}
	for _, algorithm := range m.IDTokenAlgs {
		if !published[algorithm] {
			b.t.Errorf("algorithm %s is listed and has no published key", algorithm)
		}
	}
}
