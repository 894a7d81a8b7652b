package provider

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// confirmation names the key that a token is bound to (RFC 7800, RFC 9449
// section 6).
type confirmation struct {
	Key string `json:"jkt"`
}

// confirm is the cnf of a token that is bound to the key, or nil.
func confirm(key string) *confirmation {
	if key == "" {
		return nil
	}
	return &confirmation{Key: key}
}

// tokenType is the type of a token that is bound to the key, if there is one.
func tokenType(key string) string {
	if key == "" {
		return "Bearer"
	}
	return "DPoP"
}

// presentation is how a request brought its access token, and what the answer
// says of it.
type presentation struct {
	dpop  bool   // by the scheme DPoP
	error string // of a refusal that is about DPoP
}

type presentationKey struct{}

func presentationOf(ctx context.Context) *presentation {
	how, _ := ctx.Value(presentationKey{}).(*presentation)
	if how == nil {
		how = &presentation{}
	}
	return how
}

// present notes by which scheme an access token came. The library knows one of
// them, and is shown that one.
func present(r *http.Request) *http.Request {
	how := &presentation{}
	out := r.WithContext(context.WithValue(r.Context(), presentationKey{}, how))
	if token, is := cutScheme(r.Header.Get("Authorization"), "DPoP"); is {
		how.dpop = true
		out.Header = r.Header.Clone()
		out.Header.Set("Authorization", "Bearer "+token)
	}
	return out
}

// cutScheme cuts the scheme, in whatever case, from an Authorization header.
func cutScheme(header, scheme string) (rest string, is bool) {
	first, rest, _ := strings.Cut(header, " ")
	return strings.TrimLeft(rest, " "), strings.EqualFold(first, scheme)
}

// holds checks that who presents an access token holds the key that it is bound
// to (RFC 9449 section 7). The proof is still to be used up. What is wrong is an
// *oidc.Error.
func (p *Provider) holds(h http.Header, method, path, token string, bound *confirmation, dpop bool) (*proof, error) {
	switch {
	case bound == nil && !dpop:
		return nil, nil
	case bound == nil: // the scheme promises what the token does not keep
		return nil, oidcError("invalid_token", "the access token is bound to no key; send it as bearer token")
	case !dpop:
		return nil, oidcError("invalid_token", "the access token is bound to a key; send it by the scheme DPoP, with a proof")
	}
	v, err := p.proof(h, method, path, token)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, invalidProof("is missing: the access token is bound to a key")
	case v.key != bound.Key:
		return nil, oidcError("invalid_token", "the access token is bound to another key than the one of the DPoP proof")
	}
	return v, nil
}

// settle uses up the proof of a request that is good otherwise.
func (p *Provider) settle(ctx context.Context, v *proof) error {
	if v == nil {
		return nil
	}
	err := p.Store.UseOnce(ctx, v.once)
	if errors.Is(err, credentials.ErrUsed) {
		return errProofUsed
	}
	if err != nil {
		return p.publicError(ctx, err)
	}
	return nil
}

// errProofUsed says that a proof has come before.
var errProofUsed = invalidProof("was used before; its jti is good once")

// atResource is an error of a proof as a resource answers it: 401, and a
// challenge that says so.
func atResource(ctx context.Context, err error) error {
	wrong, is := err.(*oidc.Error) //nolint:errorlint // one inside another error has a status already
	if !is {
		return err
	}
	presentationOf(ctx).error = string(wrong.ErrorType)
	return op.NewStatusError(wrong, http.StatusUnauthorized)
}

// challengeDPoP is the challenge of RFC 9449 section 7.1.
func challengeDPoP(code, more string) string {
	return `DPoP realm="valetkey", error="` + code + `"` + more + `, algs="` + strings.Join(keys.ForeignAlgs(), " ") + `"`
}
