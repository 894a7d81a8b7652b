package connectors

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/credentials"
)

// hostile is an issuer that says what no honest one would. What a test changes
// it changes before it asks.
type hostile struct {
	server    *httptest.Server
	key       jose.JSONWebKey
	nonce     string         // of the trip that is under way
	changes   map[string]any // of the ID token's claims; nil takes one out
	discovery map[string]any // changes of what it says of itself, likewise
	token     func(claims map[string]any) string
	answer    map[string]any // changes of the token endpoint's answer, likewise
	userinfo  map[string]any
	mu        sync.Mutex                  // of instead, once it asks
	instead   map[string]http.HandlerFunc // by path
	posted    url.Values                  // what last came to the token endpoint
	user      string                      // and by whom, from its Basic header
}

// noon is when it all happens.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func newHostile(t *testing.T) *hostile {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{key: jose.JSONWebKey{Key: private, KeyID: "k", Algorithm: "ES256"}, instead: map[string]http.HandlerFunc{}}
	h.token = func(claims map[string]any) string { return signWith(t, jose.ES256, h.key, "", claims) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { say(w, h.metadata()) })
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		say(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{h.key.Public()}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		h.posted = r.PostForm
		h.user, _, _ = r.BasicAuth()
		say(w, changed(map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": h.token(h.claims())}, h.answer))
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) { say(w, h.userinfo) })
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		instead := h.instead[r.URL.Path]
		h.mu.Unlock()
		if instead != nil {
			instead(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(h.server.Close)
	return h
}

// mend has a path answer as it should again.
func (h *hostile) mend(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.instead, path)
}

func (h *hostile) metadata() map[string]any {
	at := h.server.URL
	return changed(map[string]any{"issuer": at, "authorization_endpoint": at + "/auth", "token_endpoint": at + "/token",
		"jwks_uri": at + "/jwks", "userinfo_endpoint": at + "/userinfo",
		"id_token_signing_alg_values_supported": []string{"none", "HS256", "ES256", "RS256"}}, h.discovery)
}

func (h *hostile) claims() map[string]any {
	return changed(map[string]any{"iss": h.server.URL, "sub": "4711", "aud": "valetkey", "nonce": h.nonce, "groups": "support",
		"iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix()}, h.changes)
}

func say(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

// changed is a map with other values; nil takes one out.
func changed(in, changes map[string]any) map[string]any {
	maps.Copy(in, changes)
	maps.DeleteFunc(in, func(_ string, v any) bool { return v == nil })
	return in
}

// connector is how agents sign in there, by a clock that stands.
func (h *hostile) connector() *OIDC {
	return &OIDC{ID: "corp", Name: "Northwind SSO", Issuer: h.server.URL, ClientID: "valetkey",
		ClientSecret: credentials.NewSecret(oddSecret), Scopes: []string{"openid"}, RedirectURI: callback,
		Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}}, Now: func() time.Time { return noon }}
}

// signIn comes back with a code, which this issuer takes for good.
func (h *hostile) signIn(t *testing.T, o *OIDC, ask Ask) (Proof, error) {
	t.Helper()
	trip := o.NewTrip(ask)
	h.nonce = trip.Nonce
	return o.Return(t.Context(), trip, url.Values{"code": {"c"}, "state": {"s"}})
}

// unsigned is a token of the algorithm "none".
func unsigned(t *testing.T, claims map[string]any) string {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
}
