package guard

import (
	"context"
	"net/http"
)

// Wrap lets support sessions into next beside the app's own login. A request
// with a support token goes through guard; every other one goes to ownAuth
// untouched. ownAuth is the middleware that the app has already; nil where
// nobody but support may enter.
func (g *Guard) Wrap(next http.Handler, ownAuth func(http.Handler) http.Handler) http.Handler {
	return next
}

// Require declares what a support session must have been lent for a route.
func (g *Guard) Require(scope string, h http.Handler, options ...Option) http.Handler { return h }

// RequireAccount declares which account's data a route shows.
func (g *Guard) RequireAccount(tenant func(*http.Request) string, h http.Handler) http.Handler {
	return h
}

// Option says more about a route; see [Action] and [Target].
type Option func(*struct{})

// verify opens a support token. Every error is a *Refusal. The request is for
// DPoP; nil where there is none, which refuses bound tokens.
func (g *Guard) verify(ctx context.Context, raw string, r *http.Request) (*Session, error) {
	return nil, &Refusal{}
}

// cookie, where set, finds the support token that a browser carries. It is asked
// only where the Authorization header has none.
type tokenSource func(*http.Request) (raw string, found bool)

// carry sets where else than in the Authorization header a support token is
// found. It is called before the guard serves.
func (g *Guard) carry(source tokenSource) {}

// refuse answers a request that is refused, through Config.Refuse.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, err error) {}

// broker are the endpoints that discovery told.
type broker struct {
	Issuer, Authorization, Token, JWKS, Introspection, Revocation, EndSession string
}

// broker returns the endpoints, asking for them where they are not known yet.
func (g *Guard) broker(ctx context.Context) (*broker, error) { return nil, nil }

// do sends a request to the broker: 5 s, no redirects, at most 64 KB of body.
func (g *Guard) do(r *http.Request) (status int, body []byte, err error) { return 0, nil, nil }

// sealed verifies a JWT of the broker (typ, alg, size, signature; no claims) and
// returns its payload. For ID tokens and logout tokens: typ and algs are theirs.
func (g *Guard) payload(ctx context.Context, raw, typ string, algorithms ...string) ([]byte, error) {
	return nil, nil
}

// end marks a session as ended, at once and for all requests.
func (g *Guard) end(sid string) {}

// watch is what is known of a live session.
type watch struct{ ctx context.Context }
