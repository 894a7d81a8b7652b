package demo

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is a small OpenID Provider (OpenID Connect Core 1.0, code flow with
// PKCE) whose people sign in by pressing their name. It is for the
// demonstration and for loopback only: Mount refuses any other URL.
//
// Every field is set before Mount.
type Issuer struct {
	URL     string // the issuer identifier; the endpoints lie below its path
	Name    string // what the sign-in page calls it
	Cookie  string // the name of its own sign-in's cookie
	People  []Person
	Clients []Client
	Now     func() time.Time

	path   string
	signer jose.Signer
	keys   jose.JSONWebKeySet
	logins *shelf[login]
	codes  *shelf[grant]
	tokens *shelf[grant]
}

// Client is an app that signs its people in at an [Issuer].
type Client struct {
	ID           string
	Name         string
	Secret       string
	RedirectURIs []string // compared exactly
}

// How long things of an issuer live.
const (
	loginLife = 8 * time.Hour
	codeLife  = time.Minute
	tokenLife = 5 * time.Minute
)

const keyBits = 2048

// Mount makes a signing key, which lives as long as the process, and registers
// the endpoints.
func (i *Issuer) Mount(mux *http.ServeMux) error {
	u, err := url.Parse(i.URL)
	if err != nil || u.Scheme != "http" || !loopback(u.Hostname()) {
		return fmt.Errorf("the issuer %q is not on loopback: its people have no passwords", i.URL)
	}
	i.path = u.Path
	if err := i.makeKey(); err != nil {
		return err
	}
	i.logins, i.codes, i.tokens = newShelf[login](i.Now), newShelf[grant](i.Now), newShelf[grant](i.Now)
	mux.HandleFunc("GET "+i.path+"/.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET "+i.path+"/jwks", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, i.keys) })
	mux.HandleFunc("GET "+i.path+"/authorize", i.authorize)
	mux.HandleFunc("POST "+i.path+"/authorize", i.toGet)
	mux.Handle("POST "+i.path+"/sign-in", sameOrigin.Handler(http.HandlerFunc(i.signIn)))
	mux.HandleFunc("POST "+i.path+"/token", i.token)
	mux.HandleFunc("GET "+i.path+"/userinfo", i.userinfo)
	mux.HandleFunc("POST "+i.path+"/userinfo", i.userinfo)
	mux.HandleFunc("GET "+i.path+stylePath, style)
	return nil
}

// makeKey uses RS256, the algorithm that every provider has to offer (OpenID
// Connect Discovery 1.0 section 3).
func (i *Issuer) makeKey() error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return fmt.Errorf("a signing key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: string(jose.RS256), Use: "sig"}
	i.keys = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	return err
}

// discovery is OpenID Connect Discovery 1.0 section 3. It says only what is
// true.
func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                         i.URL,
		"authorization_endpoint":                         i.URL + "/authorize",
		"token_endpoint":                                 i.URL + "/token",
		"userinfo_endpoint":                              i.URL + "/userinfo",
		"jwks_uri":                                       i.URL + "/jwks",
		"scopes_supported":                               []string{"openid", "profile", "email"},
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{string(jose.RS256)},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":               []string{"S256"},
		"prompt_values_supported":                        []string{"none", "login", "select_account"},
		"authorization_response_iss_parameter_supported": true, // RFC 9207
		"claims_parameter_supported":                     false,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
	})
}

// sign makes a JWT of the claims.
func (i *Issuer) sign(claims map[string]any) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := i.signer.Sign(text)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// loopback tells whether a host is this machine and no other.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
