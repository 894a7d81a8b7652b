package connectors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
)

// asymmetric are the algorithms that a public key verifies. Whoever knows the
// client secret must not be able to sign, nor anybody without a key.
var asymmetric = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// algorithms are those that the issuer says it signs with, of those that are
// good here; RS256, which every issuer has, where it says nothing of use.
func (m metadata) algorithms() []string {
	list := slices.DeleteFunc(slices.Clone(asymmetric), func(alg string) bool { return !slices.Contains(m.Algorithms, alg) })
	if len(list) == 0 {
		return []string{oidc.RS256}
	}
	return list
}

// signed verifies signature, issuer, audience and expiry. The error is
// ErrIDToken where that is the token's fault.
func (u *upstream) signed(ctx context.Context, issuer, raw string, c *oidc.Config) (*oidc.IDToken, error) {
	c.SupportedSigningAlgs = u.said.algorithms()
	keys := &askedKeys{KeySet: u.keys}
	token, err := oidc.NewVerifier(issuer, keys, c).Verify(ctx, raw)
	switch {
	case err == nil:
		return token, nil
	case keys.failed != nil:
		return nil, fmt.Errorf("%w: its keys: %s", ErrUpstream, cut(keys.failed.Error()))
	}
	return nil, fmt.Errorf("%w: %s", ErrIDToken, cut(err.Error()))
}

// askedKeys tells an issuer that does not give its keys from a token that none of
// them verifies. The library wraps the error in the first case only, and the
// verifier above it says the same of both.
type askedKeys struct {
	oidc.KeySet
	failed error
}

// VerifySignature implements oidc.KeySet.
func (k *askedKeys) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, raw)
	if errors.Unwrap(err) != nil {
		k.failed = err
	}
	return payload, err
}
