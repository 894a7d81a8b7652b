package guard

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
)

// assertionLife is how long a client assertion is good: on its way only.
const assertionLife = time.Minute

// maxSigning is how many signatures a client waits for at a time.
const maxSigning = 16

// assertionType is the value of client_assertion_type (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// client is who the app is at the broker, and by what it proves it: a secret, a
// key, or nothing where it is a public client.
type client struct {
	id, secret string
	signer     jose.Signer   // of assertions; nil: a secret, or none
	signing    chan struct{} // bounds how many of them are made at a time
}

// newClient is the client of a configuration.
func newClient(id, secret string, key crypto.Signer, keyID string) (client, error) {
	c := client{id: id, secret: secret, signing: make(chan struct{}, maxSigning)}
	switch {
	case key == nil && keyID != "":
		return c, errors.New("a KeyID is of no use without a Key")
	case key == nil:
		return c, nil
	case secret != "":
		return c, errors.New("a client has a ClientSecret or a Key, not both")
	}
	var err error
	if c.signer, err = newSigner(key, keyID); err != nil {
		return c, fmt.Errorf("the Key: %w", err)
	}
	return c, nil
}

// newSigner signs with a key that may lie elsewhere, by the one algorithm for it
// that FAPI 2.0 allows (Security Profile section 5.4.1).
func newSigner(key crypto.Signer, keyID string) (signer jose.Signer, err error) {
	defer func() {
		if recover() != nil { // such as a nil pointer, which as a crypto.Signer is not nil
			signer, err = nil, errors.New("it holds no key")
		}
	}()
	opaque := cryptosigner.Opaque(key)
	options := &jose.SignerOptions{}
	if keyID != "" {
		options.WithHeader("kid", keyID)
	}
	for _, algorithm := range opaque.Algs() {
		switch algorithm {
		case jose.ES256, jose.EdDSA, jose.PS256:
			return jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: opaque}, options)
		}
	}
	return nil, errors.New("it is to be of P-256, Ed25519 or RSA")
}

// signed signs claims.
func signed(signer jose.Signer, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// assert signs an assertion. The key may lie elsewhere, and a crypto.Signer knows no
// context: nobody waits for it longer than for the broker. Where it never answers,
// no more than maxSigning goroutines stay behind.
func (c client) assert(ctx context.Context, claims any) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case c.signing <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	var assertion string
	done := make(chan error, 1)
	go func() {
		defer func() { <-c.signing }()
		defer func() {
			if p := recover(); p != nil { // the app's own code, and here nobody else would
				done <- fmt.Errorf("it panics: %v", p)
			}
		}()
		text, err := signed(c.signer, claims)
		assertion = text
		done <- err
	}()
	select {
	case err := <-done:
		return assertion, err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// form makes a POST to one of the broker's OAuth endpoints as this client: by
// client_secret_basic (RFC 6749 section 2.3.1), by private_key_jwt (RFC 7523), or by
// saying who it is.
func (c client) form(ctx context.Context, endpoint, issuer string, now time.Time, values url.Values) (*http.Request, error) {
	switch {
	case c.signer != nil:
		assertion, err := c.assert(ctx, map[string]any{
			"iss": c.id, "sub": c.id, "aud": issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
		})
		if err != nil {
			return nil, fmt.Errorf("the client's key does not sign: %w", err)
		}
		values.Set("client_id", c.id)
		values.Set("client_assertion_type", assertionType)
		values.Set("client_assertion", assertion) // another one each time: it is good once
	case c.secret == "":
		values.Set("client_id", c.id)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	if c.secret != "" {
		both := url.QueryEscape(c.id) + ":" + url.QueryEscape(c.secret)
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(both)))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return r, nil
}
