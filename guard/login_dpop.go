package guard

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// prover holds the keys that a login's tokens are bound to (RFC 9449). They are
// derived from the keys of its cookies, so that every instance of the app has the
// same ones, and a change of keys takes them along.
type prover struct {
	signers []jose.Signer // the first one's key is for new sessions
	jkts    []string      // their keys' thumbprints (RFC 7638)
	nonce   atomic.Pointer[string]
}

func newProver(keys [][]byte) (*prover, error) {
	p := &prover{}
	for _, key := range keys {
		seed, err := hkdf.Key(sha256.New, key, nil, "valetkey/guard/dpop", ed25519.SeedSize)
		if err != nil {
			return nil, err
		}
		private := ed25519.NewKeyFromSeed(seed)
		sum, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, err
		}
		options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, options)
		if err != nil {
			return nil, err
		}
		p.signers, p.jkts = append(p.signers, signer), append(p.jkts, base64.RawURLEncoding.EncodeToString(sum))
	}
	return p, nil
}

// holds reports whether a token is bound to a key of this login. It is the client,
// and has such a token from nowhere but the broker, or a cookie that it has sealed:
// a proof to itself would prove nothing more.
func (p *prover) holds(jkt string) bool { return p != nil && slices.Contains(p.jkts, jkt) }

// keyOf is the key that a token of this login is bound to; the first one, where
// there is no token. What is renewed stays bound to its key.
func (p *prover) keyOf(access string) jose.Signer {
	if bound := unverified(access).Confirmed; bound != nil {
		if at := slices.Index(p.jkts, bound.Thumbprint); at >= 0 {
			return p.signers[at]
		}
	}
	return p.signers[0]
}

// unverified is what an access token says that this login has sealed: it was
// verified before.
func unverified(access string) (c claims) {
	if _, payload, _, ok := parts(access); !ok || decode(payload, &c) != nil {
		return claims{}
	}
	return c
}

// proof is one for a POST to an endpoint of the broker.
func (l *Login) proof(by jose.Signer, endpoint string) (string, error) {
	claims := map[string]any{"jti": rand.Text(), "htm": http.MethodPost, "htu": endpoint, "iat": l.guard.wall().Unix()}
	if nonce := l.prover.nonce.Load(); nonce != nil {
		claims["nonce"] = *nonce
	}
	return signed(by, claims)
}

// post sends a form as this client.
func (l *Login) post(ctx context.Context, to string, form url.Values) (int, []byte, error) {
	r, err := l.client.form(ctx, to, l.guard.cfg.Issuer, l.guard.wall(), form)
	if err != nil {
		return 0, nil, err
	}
	return l.guard.do(r)
}

// postProven is post to the token endpoint, with a proof where the tokens are to be
// bound: of the key of access, which is to be renewed, if any. The broker may want a nonce of its in it, which it then says (RFC 9449
// section 8); nothing was decided on that request.
func (l *Login) postProven(ctx context.Context, to string, form url.Values, access string) (int, []byte, error) {
	if l.prover == nil {
		return l.post(ctx, to, form)
	}
	for again := false; ; again = true {
		r, err := l.client.form(ctx, to, l.guard.cfg.Issuer, l.guard.wall(), form)
		if err != nil {
			return 0, nil, err
		}
		proof, err := l.proof(l.prover.keyOf(access), to)
		if err != nil {
			return 0, nil, err
		}
		r.Header.Set("DPoP", proof)
		a, err := l.guard.send(r)
		if nonce := a.header.Get("DPoP-Nonce"); nonce != "" {
			l.prover.nonce.Store(&nonce)
		}
		if err != nil || again || a.status != http.StatusBadRequest || errorOf(a.body) != "use_dpop_nonce" {
			return a.status, a.body, err
		}
	}
}

// errorOf is the error code of an OAuth endpoint's answer (RFC 6749 section 5.2).
func errorOf(body []byte) string {
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // an answer without one says nothing
	return said.Error
}

// errPushed says that the broker does not take a request that is pushed.
var errPushed = errors.New("the broker does not take the request that was pushed to it")

// push sends an authorization request to the broker directly (RFC 9126), and returns
// what is left of it for the browser to carry.
func (l *Login) push(ctx context.Context, at *broker, query url.Values) (url.Values, error) {
	if at.PAR == "" {
		return nil, fmt.Errorf("%w: it has no endpoint for that", errPushed)
	}
	status, body, err := l.post(ctx, at.PAR, query)
	if err != nil {
		return nil, err
	}
	var said struct {
		URI string `json:"request_uri"`
	}
	if status != http.StatusCreated || json.Unmarshal(body, &said) != nil || said.URI == "" {
		return nil, fmt.Errorf("%w: %s", errPushed, why(status, body))
	}
	return url.Values{"client_id": {l.cfg.ClientID}, "request_uri": {said.URI}}, nil
}
