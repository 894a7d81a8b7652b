package signintest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Marker is in everything that an issuer says when it is down: no visitor may
// ever read it.
const Marker = "MARKER-upstream-41c9"

// Behaviour is what an issuer does. The zero value is an honest one that
// somebody has a session at from their first sign-in on.
type Behaviour struct {
	Person       map[string]any // claims of whoever signs in there; default [Sam]
	Error        string         // answers every authorization request with this error
	Silent       string         // answers silent ones with this error
	IgnoresLogin bool           // takes prompt=login and max_age for nothing
	Mute         bool           // says no auth_time
	Down         bool           // fails at every endpoint
	TokenDown    bool           // fails at the token endpoint
	TokenError   string         // answers every token request with this error
}

// Sam may give support.
func Sam() map[string]any {
	return map[string]any{"sub": "sam", "name": "Sam Rivera", "email": "sam@northwind.example", "groups": []string{"support"}}
}

// Issuer is a small OpenID Provider of one person. Its clock counts whole
// seconds, as NumericDate is mostly written (RFC 7519, section 2).
type Issuer struct {
	URL string

	server *httptest.Server
	now    func() time.Time
	key    *ecdsa.PrivateKey

	mu     sync.Mutex
	does   Behaviour
	asked  []url.Values
	codes  map[string]url.Values // what each was asked for
	spoken map[string]map[string]any
	since  time.Time // of the person's session there; zero: none
}

// NewIssuer runs an issuer until the test is over.
func NewIssuer(t testing.TB, now func() time.Time) *Issuer {
	t.Helper()
	i := &Issuer{now: now, codes: map[string]url.Values{}, spoken: map[string]map[string]any{}}
	var err error
	if i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	r := http.NewServeMux()
	r.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	r.HandleFunc("GET /keys", i.keys)
	r.HandleFunc("GET /authorize", i.authorize)
	r.HandleFunc("POST /token", i.token)
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		does := i.Does()
		if does.Down || does.TokenDown && req.URL.Path == "/token" {
			http.Error(w, Marker, http.StatusInternalServerError)
			return
		}
		r.ServeHTTP(w, req)
	}))
	i.URL = i.server.URL
	t.Cleanup(i.server.Close)
	return i
}

// Does is what the issuer does now.
func (i *Issuer) Does() Behaviour {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.does
}

// Set changes what the issuer does.
func (i *Issuer) Set(change func(*Behaviour)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(&i.does)
}

// SignOut ends the person's session there.
func (i *Issuer) SignOut() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.since = time.Time{}
}

// Asked are the authorization requests so far.
func (i *Issuer) Asked() []url.Values {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.asked)
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusOK, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
		"authorization_response_iss_parameter_supported": true})
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
}

// authorize sends the browser back at once, by what the issuer does.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" {
		http.Error(w, "this is no authorization request", http.StatusBadRequest)
		return
	}
	said := url.Values{"state": {q.Get("state")}, "iss": {i.URL}}
	if code, refused := i.decide(q); refused != "" {
		said.Set("error", refused)
	} else {
		said.Set("code", code)
	}
	back.RawQuery = said.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (i *Issuer) decide(q url.Values) (code, refused string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, q)
	silent, now := q.Get("prompt") == "none", i.now().Truncate(time.Second)
	again := !i.does.IgnoresLogin && (q.Get("prompt") == "login" || q.Get("max_age") == "0")
	switch {
	case i.does.Error != "":
		return "", i.does.Error
	case silent && i.does.Silent != "":
		return "", i.does.Silent
	case silent && (i.since.IsZero() || again):
		return "", "login_required"
	case again, i.since.IsZero():
		i.since = now
	}
	claims := Sam()
	if i.does.Person != nil {
		claims = maps.Clone(i.does.Person)
	}
	claims["iss"], claims["aud"], claims["nonce"] = i.URL, q.Get("client_id"), q.Get("nonce")
	if !i.does.Mute {
		claims["auth_time"] = i.since.Unix()
	}
	code = rand.Text()
	i.codes[code], i.spoken[code] = q, claims
	return code, ""
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.does.TokenError != "" {
		say(w, http.StatusBadRequest, map[string]any{"error": i.does.TokenError, "error_description": Marker})
		return
	}
	code := r.PostFormValue("code")
	asked := i.codes[code]
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if asked == nil || asked.Get("redirect_uri") != r.PostFormValue("redirect_uri") ||
		asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		say(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": Marker})
		return
	}
	delete(i.codes, code)
	say(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "id_token": i.sign(i.spoken[code])})
}

// Token is an ID token about the issuer's person, for an audience, as of a
// time. changes are made to its claims.
func (i *Issuer) Token(audience string, at time.Time, changes map[string]any) string {
	claims := Sam()
	claims["iss"], claims["aud"], claims["iat"], claims["exp"] = i.URL, audience, at.Unix(), at.Add(time.Hour).Unix()
	maps.Copy(claims, changes)
	return i.sign(claims)
}

func (i *Issuer) sign(claims map[string]any) string {
	all := map[string]any{"iat": i.now().Unix(), "exp": i.now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	text, err := json.Marshal(all)
	if err != nil {
		return ""
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: "k"}}, nil)
	if err != nil {
		return ""
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return ""
	}
	out, _ := signed.CompactSerialize()
	return strings.TrimSpace(out)
}

func say(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what)
}
