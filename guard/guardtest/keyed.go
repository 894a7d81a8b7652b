package guardtest

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// demands are what a broker can ask of an app's client beyond a secret.
type demands struct {
	clientKey crypto.PublicKey // instead of ClientSecret
	par, dpop bool             // require.par, require.dpop
	nonce     string           // that proofs need; empty: none
	pushed    map[string]url.Values
	once      map[string]bool // ids of assertions and proofs
}

func newDemands() demands {
	return demands{pushed: map[string]url.Values{}, once: map[string]bool{}}
}

// ClientKey has the client prove itself by a key whose public part this is
// (private_key_jwt), and no more by ClientSecret.
func (b *Broker) ClientKey(public crypto.PublicKey) { b.change(func() { b.clientKey = public }) }

// RequirePAR takes requests of the client only where they are pushed.
func (b *Broker) RequirePAR(require bool) { b.change(func() { b.par = require }) }

// unproven is the answer to a request for tokens that are to be bound.
func unproven(code string) map[string]string {
	return map[string]string{"error": code, "error_description": "the DPoP proof is missing or not good: this client's tokens are bound to a key of its own"}
}

// RequireDPoP binds the tokens of the client to a key, and gives it none that are
// not: a guard, which has bearer tokens, then needs another client ([Broker.APIConfig]).
func (b *Broker) RequireDPoP(require bool) { b.change(func() { b.dpop = require }) }

// ChangeNonce has DPoP proofs need another nonce than before, which the broker says
// when it refuses one.
func (b *Broker) ChangeNonce() { b.change(func() { b.nonce = rand.Text() }) }

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// asserted checks a client assertion as the real broker does (RFC 7523 section 3).
func (b *Broker) asserted(r *http.Request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	jws, err := jose.ParseSignedCompact(r.FormValue("client_assertion"), []jose.SignatureAlgorithm{jose.ES256, jose.PS256, jose.EdDSA})
	if err != nil || r.FormValue("client_assertion_type") != assertionType || r.Header.Get("Authorization") != "" {
		return false
	}
	var said struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		Expires  int64  `json:"exp"`
	}
	payload, err := jws.Verify(b.clientKey)
	if err != nil || json.Unmarshal(payload, &said) != nil {
		return false
	}
	left := time.Until(time.Unix(said.Expires, 0))
	ok := said.Issuer == ClientID && said.Subject == ClientID && said.Audience == b.URL && said.ID != "" && left > 0 && left <= 5*time.Minute && !b.once["assertion "+said.ID]
	b.once["assertion "+said.ID] = true
	return ok
}

// proven checks the DPoP proof of a request (RFC 9449 section 4.3). It returns the
// thumbprint of its key, empty where there is none, and an error code.
func (b *Broker) proven(w http.ResponseWriter, r *http.Request) (jkt, code string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch len(r.Header.Values("DPoP")) {
	case 0:
		if b.dpop {
			return "", "invalid_dpop_proof"
		}
		return "", ""
	case 1:
	default:
		return "", "invalid_dpop_proof"
	}
	jws, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		return "", "invalid_dpop_proof"
	}
	head := jws.Signatures[0].Protected
	typ, _ := head.ExtraHeaders[jose.HeaderType].(string)
	if head.JSONWebKey == nil || !head.JSONWebKey.IsPublic() || typ != "dpop+jwt" {
		return "", "invalid_dpop_proof"
	}
	var said struct {
		ID     string `json:"jti"`
		Method string `json:"htm"`
		URL    string `json:"htu"`
		Nonce  string `json:"nonce"`
		Issued int64  `json:"iat"`
	}
	payload, err := jws.Verify(head.JSONWebKey)
	if err == nil {
		err = json.Unmarshal(payload, &said)
	}
	age := time.Since(time.Unix(said.Issued, 0))
	if err != nil || said.ID == "" || b.once["proof "+said.ID] || said.Method != r.Method || said.URL != b.URL+r.URL.Path || age > time.Minute || age < -10*time.Second {
		return "", "invalid_dpop_proof"
	}
	b.once["proof "+said.ID] = true
	if b.nonce != "" && said.Nonce != b.nonce {
		w.Header().Set("DPoP-Nonce", b.nonce)
		return "", "use_dpop_nonce"
	}
	sum, err := head.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", "invalid_dpop_proof"
	}
	return base64.RawURLEncoding.EncodeToString(sum), ""
}

const requestPrefix = "urn:ietf:params:oauth:request_uri:"

// push is the endpoint for pushed requests (RFC 9126).
func (b *Broker) push(w http.ResponseWriter, r *http.Request) {
	if !b.isClient(w, r) {
		return
	}
	query := url.Values{}
	for name, values := range r.PostForm {
		if !strings.HasPrefix(name, "client_assertion") {
			query[name] = slices.Clone(values)
		}
	}
	uri := requestPrefix + rand.Text()
	b.change(func() { b.pushed[uri] = query })
	reply(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": 90})
}

// asks are the parameters of an authorization request, wherever they are; false
// where it is refused.
func (b *Broker) asks(query url.Values) (url.Values, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if uri := query.Get("request_uri"); uri != "" {
		pushed, known := b.pushed[uri]
		delete(b.pushed, uri)
		return pushed, known && query.Get("client_id") == ClientID && len(query) == 2
	}
	return query, !b.par
}
