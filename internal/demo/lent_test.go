package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// forger is an issuer that signs whatever it is told to: what the broker never
// says can be heard from nobody else.
type forger struct {
	t      *testing.T
	server *httptest.Server
	ec     *ecdsa.PrivateKey
	rsa    *rsa.PrivateKey
	other  *ecdsa.PrivateKey // published by nobody

	access, id string // the next tokens
}

func startForger(t *testing.T) *forger {
	t.Helper()
	f := &forger{t: t}
	var wrong [3]error
	f.ec, wrong[0] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.other, wrong[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.rsa, wrong[2] = rsa.GenerateKey(rand.Reader, keyBits)
	if err := errors.Join(wrong[:]...); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	f.server = httptest.NewServer(mux)
	t.Cleanup(f.server.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"issuer": f.server.URL, "authorization_endpoint": f.server.URL + "/authorize",
			"token_endpoint": f.server.URL + "/token", "jwks_uri": f.server.URL + "/jwks",
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "HS256", "none"}})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: f.ec.Public(), KeyID: "ec", Use: "sig"}, {Key: f.rsa.Public(), KeyID: "rsa", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"access_token": f.access, "id_token": f.id, "refresh_token": "r", "token_type": "Bearer", "expires_in": 300})
	})
	return f
}

// token is one in the making.
type token struct {
	typ    string
	alg    jose.SignatureAlgorithm
	kid    string
	key    any
	claims map[string]any
}

func (f *forger) goodAccess() token {
	now := time.Now()
	return token{"at+jwt", jose.ES256, "ec", f.ec, map[string]any{"iss": f.server.URL, "aud": audience, "sub": "guest:1", "client_id": "docs", "sid": "s-1",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "scope": "openid documents.read", "act": map[string]any{"sub": "dana", "name": "Dana Reed"},
		"account": map[string]any{"id": "acme", "name": "Acme Inc"}, "support": map[string]any{"ends_at": now.Add(time.Hour).UTC().Format(time.RFC3339)}}}
}

func (f *forger) goodID() token {
	now := time.Now()
	return token{"JWT", jose.ES256, "ec", f.ec, map[string]any{"iss": f.server.URL, "aud": "docs", "sub": "guest:1", "sid": "s-1", "nonce": "n-1",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}}
}

// with changes a claim; nil takes it away.
func (o token) with(name string, value any) token {
	o.claims = maps.Clone(o.claims)
	o.claims[name] = value
	if value == nil {
		delete(o.claims, name)
	}
	return o
}

func (o token) typed(typ string) token { o.typ = typ; return o }

func (o token) signed(alg jose.SignatureAlgorithm, kid string, key any) token {
	o.alg, o.kid, o.key = alg, kid, key
	return o
}

func (f *forger) sign(o token) string {
	f.t.Helper()
	options := &jose.SignerOptions{}
	if o.typ != "" {
		options = options.WithType(jose.ContentType(o.typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: o.alg, Key: jose.JSONWebKey{Key: o.key, KeyID: o.kid}}, options)
	if err != nil {
		f.t.Fatal(err)
	}
	text, err := json.Marshal(o.claims)
	if err != nil {
		f.t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// TestTokensOfOthers: each token that is not for this app, from this broker,
// of this session and now, opens nothing.
func TestTokensOfOthers(t *testing.T) {
	t.Parallel()
	f := startForger(t)
	b := &Broker{Issuer: f.server.URL, ClientID: "docs", ClientSecret: "s", Audience: audience, RedirectURI: callback}
	access, id := f.goodAccess(), f.goodID()
	past := time.Now().Add(-time.Second).Unix()
	for name, c := range map[string]struct {
		access, id token
		ok         bool
	}{
		"good ones":                          {access, id, true},
		"the type in full":                   {access.typed("application/at+jwt"), id, true},
		"an ID token without a type":         {access, id.typed(""), true},
		"access: another audience":           {access.with("aud", "https://metrics.northwind.example/api"), id, false},
		"access: the audience of ID tokens":  {access.with("aud", "docs"), id, false},
		"access: no audience":                {access.with("aud", nil), id, false},
		"access: another issuer":             {access.with("iss", "http://127.0.0.1:1"), id, false},
		"access: the issuer with a slash":    {access.with("iss", f.server.URL+"/"), id, false},
		"access: another type":               {access.typed("JWT"), id, false},
		"access: a logout token":             {access.typed("logout+jwt"), id, false},
		"access: no type":                    {access.typed(""), id, false},
		"access: expired":                    {access.with("exp", past), id, false},
		"access: no expiry":                  {access.with("exp", nil), id, false},
		"access: another algorithm":          {access.signed(jose.RS256, "rsa", f.rsa), id, false},
		"access: a key of nobody":            {access.signed(jose.ES256, "ec", f.other), id, false},
		"access: signed with what is public": {access.signed(jose.HS256, "ec", f.ec.X.Bytes()), id, false},
		"access: of another client":          {access.with("client_id", "files"), id, false},
		"access: of no session":              {access.with("sid", nil), id.with("sid", nil), false},
		"access: of no account":              {access.with("account", nil), id, false},
		"access: an ID token":                {id, id, false},
		"id: another audience":               {access, id.with("aud", "files"), false},
		"id: another issuer":                 {access, id.with("iss", "http://127.0.0.1:1"), false},
		"id: another type":                   {access, id.typed("at+jwt"), false},
		"id: expired":                        {access, id.with("exp", past), false},
		"id: another algorithm":              {access, id.signed(jose.RS256, "rsa", f.rsa), false},
		"id: a key of nobody":                {access, id.signed(jose.ES256, "ec", f.other), false},
		"id: another nonce":                  {access, id.with("nonce", "n-2"), false},
		"id: no nonce":                       {access, id.with("nonce", nil), false},
		"id: of another session":             {access, id.with("sid", "s-2"), false},
		"id: of another guest":               {access, id.with("sub", "guest:2"), false},
		"id: an access token":                {access, access.with("aud", "docs"), false},
	} {
		f.access, f.id = f.sign(c.access), f.sign(c.id)
		_, what, err := b.exchange(t.Context(), "code", verifier, "n-1")
		if (err == nil) != c.ok || err != nil && !errors.Is(err, errToken) {
			t.Errorf("%s: %v", name, err)
		}
		if c.ok && (what.Account != "acme" || what.SID != "s-1" || what.Agent != "Dana Reed" || len(what.Scopes) != 2 || what.Expires.IsZero()) {
			t.Errorf("%s: %+v", name, what)
		}
	}
	for name, tokens := range map[string][2]string{"no ID token": {f.sign(access), ""}, "no JWT": {"abc", f.sign(id)}, "only a header": {f.sign(access)[:20], f.sign(id)}} {
		f.access, f.id = tokens[0], tokens[1]
		if _, _, err := b.exchange(t.Context(), "code", verifier, "n-1"); !errors.Is(err, errToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestARenewedTokenIsOfTheSameSession: a broker that mixes sessions up gives an
// agent no other account.
func TestARenewedTokenIsOfTheSameSession(t *testing.T) {
	t.Parallel()
	f := startForger(t)
	d := &Docs{Now: time.Now, Broker: &Broker{Issuer: f.server.URL, ClientID: "docs", ClientSecret: "s", Audience: audience}}
	for name, c := range map[string]struct {
		renewed token
		live    bool
	}{
		"the same":        {f.goodAccess(), true},
		"another session": {f.goodAccess().with("sid", "s-2"), false},
		"another guest":   {f.goodAccess().with("sub", "guest:2"), false},
		"another account": {f.goodAccess().with("account", map[string]any{"id": "borealis"}), false},
	} {
		f.access = f.sign(c.renewed)
		s := &session{refresh: "r", lent: lent{SID: "s-1", Subject: "guest:1", Account: "acme"}}
		live, err := d.renewed(t.Context(), s)
		if live != c.live || err != nil || s.lent.Account != "acme" || s.lent.SID != "s-1" {
			t.Errorf("%s: %v %v %+v", name, live, err, s.lent)
		}
	}
	f.access = f.sign(f.goodAccess().with("aud", "elsewhere"))
	if live, err := d.renewed(t.Context(), &session{refresh: "r", lent: lent{SID: "s-1"}}); live || !errors.Is(err, errToken) {
		t.Errorf("a token for another app: %v %v", live, err)
	}
	if live, err := d.renewed(t.Context(), &session{lent: lent{SID: "s-1"}}); live || err != nil {
		t.Errorf("without a refresh token: %v %v", live, err)
	}
}
