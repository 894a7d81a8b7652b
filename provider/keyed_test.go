package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	requestURI    = "urn:ietf:params:oauth:request_uri:"
)

// pair is a key pair of an app.
type pair struct {
	alg     jose.SignatureAlgorithm
	kid     string
	private crypto.Signer
}

func newPair(alg jose.SignatureAlgorithm, kid string) pair {
	var private crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		panic(err)
	}
	return pair{alg, kid, private}
}

// The keys of the tests' apps, by which they prove who they are.
var (
	bankKey   = newPair(jose.ES256, "bank-1")
	bankOther = newPair(jose.PS256, "bank-2")
	vaultKey  = newPair(jose.EdDSA, "")
	appKey    = newPair(jose.ES256, "") // for DPoP
	otherKey  = newPair(jose.ES256, "")
)

func (k pair) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Algorithm: string(k.alg), Use: "sig"}
}

func (k pair) thumbprint() string {
	sum, err := (&jose.JSONWebKey{Key: k.private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// sign makes a JWT with these claims and further headers.
func (k pair) sign(claims any, headers map[jose.HeaderKey]any) string {
	opts := &jose.SignerOptions{ExtraHeaders: headers}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: k.private}, opts)
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return out
}

// keyed are clients that prove who they are by keys.
func keyed() []*provider.Client {
	return []*provider.Client{
		{ID: "bank", Name: "Bank", Keys: []jose.JSONWebKey{bankKey.public(), bankOther.public()}, RedirectURIs: []string{"https://bank.example/cb"},
			Audience: "https://bank.example/api", Scopes: scopes.Patterns{"documents.*"}, Grants: []string{"authorization_code", "refresh_token"},
			Subject: "guest", IDTokenAlg: "ES256", RequirePAR: true, RequireDPoP: true},
		{ID: "vault", Name: "Vault", Keys: []jose.JSONWebKey{vaultKey.public()}, Audience: "https://bank.example/api",
			Grants: []string{"client_credentials"}, API: []string{"credentials.read"}},
	}
}

// with changes claims: pairs of a name and a value, nil to leave it out.
func with(claims map[string]any, changes ...any) map[string]any {
	claims = maps.Clone(claims)
	for i := 0; i < len(changes); i += 2 {
		name := changes[i].(string)
		if claims[name] = changes[i+1]; changes[i+1] == nil {
			delete(claims, name)
		}
	}
	return claims
}

// assertionClaims are those of a good assertion of the client.
func (w *world) assertionClaims(client string, changes ...any) map[string]any {
	now := w.now().Unix()
	return with(map[string]any{"iss": client, "sub": client, "aud": issuer, "jti": credentials.NewID(), "iat": now, "exp": now + 60}, changes...)
}

var keysOf = map[string]pair{"bank": bankKey, "vault": vaultKey}

func (w *world) assertion(client string, changes ...any) string {
	k := keysOf[client]
	headers := map[jose.HeaderKey]any{}
	if k.kid != "" {
		headers["kid"] = k.kid
	}
	return k.sign(w.assertionClaims(client, changes...), headers)
}

// asserted adds a fresh assertion to the form.
func (w *world) asserted(client string, f url.Values) url.Values {
	f = maps.Clone(f)
	f.Set("client_assertion_type", assertionType)
	f.Set("client_assertion", w.assertion(client))
	return f
}

// proof is a good DPoP proof by the key, with changes to its claims.
func (w *world) proof(k pair, method, path string, changes ...any) string {
	return k.sign(with(map[string]any{"jti": credentials.NewID(), "htm": method, "htu": issuer + path, "iat": w.now().Unix()}, changes...), proofHeaders(k))
}

func proofHeaders(k pair) map[jose.HeaderKey]any {
	return map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: k.private.Public()}}
}

func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// prove sends the form as the client, with this proof unless it is empty.
func (w *world) prove(path, client, proof string, f url.Values) reply {
	c := w.p.Clients[client]
	var r *http.Request
	switch {
	case len(c.Keys) > 0:
		r = plainPost(path, w.asserted(client, f))
	case c.Public:
		f = maps.Clone(f)
		f.Set("client_id", client)
		r = plainPost(path, f)
	default:
		r = plainPost(path, f)
		r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	}
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	return w.serve(r)
}

// see asks userinfo by the scheme, with this proof unless it is empty.
func (w *world) see(scheme, token, proof string) reply {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", scheme+" "+token)
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	return w.serve(r)
}

// seeing is a good proof for userinfo.
func (w *world) seeing(k pair, token string, changes ...any) string {
	return w.proof(k, http.MethodGet, "/userinfo", append([]any{"ath", ath(token)}, changes...)...)
}

// pushes pushes a request and returns its request_uri.
func (w *world) pushes(client string, pairs ...string) string {
	w.Helper()
	r := w.post("/par", client, w.request(client, pairs...))
	if r.Code != http.StatusCreated || r.text("request_uri") == "" {
		w.Fatalf("par: %d %s", r.Code, r.Body)
	}
	return r.text("request_uri")
}

// visit goes to the authorization endpoint with a request_uri.
func (w *world) visit(client, uri string, pairs ...string) reply {
	q := form(pairs...)
	q.Set("client_id", client)
	q.Set("request_uri", uri)
	return w.get("/authorize", q)
}

// pushedCode goes through PAR and authorize and returns the code.
func (w *world) pushedCode(client string, s credentials.Session, pairs ...string) string {
	w.Helper()
	uri := w.pushes(client, pairs...)
	w.session = &s
	defer func() { w.session = nil }()
	_, q := w.visit(client, uri).location()
	if q.Get("code") == "" {
		w.Fatalf("no code: %v", q)
	}
	return q.Get("code")
}

// bound goes through the whole flow of an app whose tokens are bound to the key.
func (w *world) bound(client string, k pair, s credentials.Session, pairs ...string) reply {
	w.Helper()
	r := w.prove("/token", client, w.proof(k, http.MethodPost, "/token"), w.exchange(client, w.pushedCode(client, s, pairs...)))
	if r.Code != http.StatusOK || r.text("token_type") != "DPoP" {
		w.Fatalf("token: %d %s", r.Code, r.Body)
	}
	return r
}

// twoNodes are two nodes over one PostgreSQL.
func twoNodes(t *testing.T, change ...func(*provider.Provider)) (one, two *world) {
	t.Helper()
	dsn, secrets := storetest.Postgres(t), keystest.Secrets(t)
	return newNode(t, dsn, secrets, change...), newNode(t, dsn, secrets, change...)
}

// holderSays is the error of the challenge that an API request is refused with.
func holderSays(err error) string {
	var holder *provider.HolderError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, provider.ErrAPIToken):
		return "no API token"
	case errors.As(err, &holder):
		_, said, _ := strings.Cut(holder.Challenge, `error="`)
		said, _, _ = strings.Cut(said, `"`)
		return said
	}
	return err.Error()
}
