package provider

import (
	"context"
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
)

// publicError is the one way out for an error. What the rules say becomes the
// protocol's own word; anything else is logged here, once, and leaves as a
// server error without its text.
func (p *Provider) publicError(ctx context.Context, err error) error {
	var ended *credentials.EndedError
	switch {
	case errors.As(err, &ended):
		return oidc.ErrInvalidGrant().WithDescription("the support session has ended")
	case errors.Is(err, credentials.ErrReplayed):
		return oidc.ErrInvalidGrant().WithDescription("it was used before; the support session has been ended")
	case errors.Is(err, credentials.ErrUsed):
		return errProofUsed
	case errors.Is(err, credentials.ErrUnproven):
		return invalidProof("is missing or by another key: the refresh token is bound to one")
	case errors.Is(err, credentials.ErrInvalidGrant), errors.Is(err, credentials.ErrNotFound), errors.Is(err, errPast):
		return oidc.ErrInvalidGrant().WithDescription("it is not valid")
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		p.Log.DebugContext(ctx, "the client did not wait for the answer")
		return unavailable()
	}
	p.Log.ErrorContext(ctx, "the provider could not answer", "error", err)
	if errors.Is(err, credentials.ErrUnknownResult) {
		e := &oidc.Error{ErrorType: "temporarily_unavailable", Description: "it is not known whether this was stored; begin again rather than repeat it"}
		return op.NewStatusError(e, http.StatusServiceUnavailable)
	}
	return unavailable()
}

// unavailable says that nothing was decided; the same request may succeed
// later.
func unavailable() error {
	e := &oidc.Error{ErrorType: "temporarily_unavailable", Description: "nothing could be decided now; try again later"}
	return op.NewStatusError(e, http.StatusServiceUnavailable)
}

// oidcError is an error whose code is known only when it happens.
func oidcError(code, text string) *oidc.Error {
	e := &oidc.Error{Description: text}
	assign(&e.ErrorType, code) // whose type the library keeps to itself
	return e
}

func assign[T ~string](to *T, s string) { *to = T(s) }

func invalidClient(text string) error {
	return op.NewStatusError(&oidc.Error{ErrorType: oidc.InvalidClient, Description: text}, http.StatusUnauthorized)
}

// invalidToken is RFC 6750 section 3.1.
func invalidToken() error {
	e := &oidc.Error{ErrorType: "invalid_token", Description: "the access token is not valid, or its support session has ended"}
	return op.NewStatusError(e, http.StatusUnauthorized)
}
