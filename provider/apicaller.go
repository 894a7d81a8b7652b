package provider

import (
	"errors"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// ErrAPIToken says that a token is none of the management API.
var ErrAPIToken = errors.New("the token is not one of the management API")

// HolderError says why a request to the management API does not show that it
// holds the key that its token is bound to.
type HolderError struct {
	Text      string // for people
	Challenge string // for WWW-Authenticate (RFC 9449 section 7.1)
	Nonce     string // for DPoP-Nonce; empty: none is needed
}

func (e *HolderError) Error() string { return e.Text }

// APIToken is a token of the management API: whose it is, what it may do there
// now, and until when.
type APIToken struct {
	Client  *Client
	Scope   []string
	Expires time.Time
}

// OpenAPIRequest is OpenAPI for the token of this request, which came by the
// scheme DPoP or as bearer token. A token that is bound to a key is good with a
// proof by that key only: *HolderError. Any other error but ErrAPIToken means
// that nothing could be decided.
func (p *Provider) OpenAPIRequest(r *http.Request, raw string, dpop bool) (APIToken, error) {
	c, scope, expires, ok := p.OpenAPI(raw)
	if !ok {
		return APIToken{}, ErrAPIToken
	}
	claims, _ := p.openIssued(raw)
	held, err := p.holds(r.Header, r.Method, r.URL.EscapedPath(), raw, claims.Confirm, dpop)
	if err == nil {
		err = p.settle(r.Context(), held)
	}
	wrong, is := err.(*oidc.Error) //nolint:errorlint // one inside another error is about something else
	if !is {
		return APIToken{c, scope, expires}, err
	}
	out := &HolderError{Text: wrong.Description, Challenge: challengeDPoP(string(wrong.ErrorType), "")}
	if p.Nonces != nil {
		out.Nonce = p.nonce()
	}
	return APIToken{}, out
}
