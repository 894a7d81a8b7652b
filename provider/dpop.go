package provider

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// headerDPoP carries a proof (RFC 9449 section 4.1).
const headerDPoP = "DPoP"

// typProof is the typ of a proof.
const typProof = "dpop+jwt"

// proofLife is how old a proof may be. It is remembered that long.
const proofLife = time.Minute

// checkKey looks at the key that an app wants its code bound to (RFC 9449
// section 10). Its SHA-256 thumbprint is 43 characters of base64url (RFC 7638).
func checkKey(_ url.Values, _ *Client, a *Request) *authError {
	if a.Key != "" && (len(a.Key) != 43 || !written(a.Key, "-_")) {
		return refuse("invalid_request", "dpop_jkt is not the SHA-256 thumbprint of a key")
	}
	return nil
}

// proof is a verified DPoP proof: whoever sent the request has this key. A nil
// proof is none.
type proof struct {
	key  string           // thumbprint
	once credentials.Once // to be used up, once the request is found to be good
}

// thumbprint is the key's, or empty.
func (v *proof) thumbprint() string {
	if v == nil {
		return ""
	}
	return v.key
}

// use is what a verb of the store uses up, or nil.
func (v *proof) use() *credentials.Once {
	if v == nil {
		return nil
	}
	return &v.once
}

// proofClaims are those of RFC 9449 section 4.2.
type proofClaims struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URI    string `json:"htu"`
	Access string `json:"ath"`
	Nonce  string `json:"nonce"`
	window
}

// proof verifies the proof of a request to this path, which presents this access
// token, if any. Without a proof it returns nil. It is not used up: a
// visitor can make as many as they like.
func (p *Provider) proof(h http.Header, method, path, token string) (*proof, error) {
	sent := h.Values(headerDPoP)
	if len(sent) == 0 {
		return nil, nil
	}
	if len(sent) > 1 {
		return nil, invalidProof("comes twice")
	}
	signed, err := keys.ParseForeign(sent[0])
	if err != nil || !strings.EqualFold(signed.Type, typProof) || signed.JWK == nil {
		return nil, invalidProof("is not a JWT of typ dpop+jwt, signed by the public key in its jwk by one of " + strings.Join(keys.ForeignAlgs(), ", "))
	}
	key, err := keys.ParsePublic(signed.JWK)
	if err != nil {
		return nil, invalidProof("has a jwk that is not the public part of an RSA, P-256 or Ed25519 key of a usual size")
	}
	var claims proofClaims
	payload, err := signed.Verify(key)
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return nil, invalidProof("is not signed by the key in its jwk")
	}
	if wrong := claims.wrong(p, method, path, token); wrong != "" {
		return nil, invalidProof(wrong)
	}
	if p.Nonces != nil && !p.goodNonce(claims.Nonce) {
		return nil, &oidc.Error{ErrorType: "use_dpop_nonce", Description: "the DPoP proof needs the nonce of the DPoP-Nonce header"}
	}
	thumb, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, invalidProof("has a jwk that cannot be used")
	}
	out := &proof{key: base64.RawURLEncoding.EncodeToString(thumb)}
	out.once = credentials.Once{Kind: credentials.OnceProof, Owner: out.key, ID: claims.ID,
		Until: fromSeconds(*claims.Issued).Add(proofLife + clockLeeway)}
	return out, nil
}

// wrong says what is wrong with a proof that is signed by its key (RFC 9449
// section 4.3).
func (v proofClaims) wrong(p *Provider, method, path, token string) string {
	now := p.Now()
	switch {
	case v.ID == "":
		return "has no jti"
	case v.Method != method:
		return "is for another method; its htm must be " + method
	case !sameURI(v.URI, p.Issuer+path):
		return "is for another address; its htu must be " + p.Issuer + path
	case v.Issued == nil:
		return "has no iat"
	case *v.Issued < seconds(now.Add(-proofLife)), v.over(now):
		return "is too old"
	case !v.began(now):
		return "is ahead of time"
	}
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); subtle.ConstantTimeCompare([]byte(v.Access), []byte(want)) != 1 {
		return "is for another access token; its ath must be the token's hash"
	}
	return ""
}

// sameURI compares an htu with an address of ours, without query and fragment
// and in normal form (RFC 9449 section 4.3, RFC 3986 section 6.2).
func sameURI(htu, want string) bool {
	u, err := url.Parse(htu)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	ours, err := url.Parse(want)
	return err == nil && u.Scheme == ours.Scheme && authority(u) == authority(ours) && u.EscapedPath() == ours.EscapedPath()
}

// authority is the host in lower case, without the port that goes without saying.
func authority(u *url.URL) string {
	host := strings.ToLower(u.Host)
	return strings.TrimSuffix(host, map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
}

func invalidProof(text string) *oidc.Error {
	return &oidc.Error{ErrorType: "invalid_dpop_proof", Description: "the DPoP proof " + text}
}

// binding is the proof of a token request: what is issued is bound to its key.
// Without one it is not, unless the client must have it so.
func (p *Provider) binding(h http.Header, c *Client) (*proof, error) {
	v, err := p.proof(h, http.MethodPost, pathToken, "")
	if err == nil && v == nil && c.RequireDPoP {
		return nil, invalidProof("is missing: this client's tokens are bound to a key of its own")
	}
	return v, err
}

// nonceLife is how long a nonce of ours is good.
const nonceLife = 5 * time.Minute

// nonce makes a nonce (RFC 9449 section 8). It is the time, sealed: nothing is
// kept, and every node knows it.
func (p *Provider) nonce() string { return p.Nonces.SealJSON(p.Now().Unix(), "") }

func (p *Provider) goodNonce(nonce string) bool {
	var at int64
	if p.Nonces.OpenJSON(nonce, "", &at) != nil {
		return false
	}
	age := p.Now().Sub(time.Unix(at, 0))
	return age <= nonceLife && age >= -clockLeeway
}
