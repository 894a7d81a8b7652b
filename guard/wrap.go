package guard

import (
	"context"
	"net/http"
	"slices"
)

// Router finds the handler that a request will be given to. [http.ServeMux] is
// one; for another router write this one method.
type Router interface {
	Handler(*http.Request) (handler http.Handler, pattern string)
}

// Wrap lets support sessions into next beside the app's own login. A request
// whose token says that it is of the broker goes through guard, and never to
// ownAuth, whatever is wrong with it. Every other request goes to ownAuth
// untouched: that is the app's own middleware, which calls the handler it is
// given; nil where nobody but support may enter.
//
// next is a [Router], or one route's handler. A support session reaches a handler
// only where the router's answer, for this request, was made by [Guard.Require]
// (or [Guard.Open]) of this guard: Wrap asks before anything of the route runs,
// and answers 403 otherwise. So Require is outermost on its route: middleware goes
// around Wrap, or inside Require.
func (g *Guard) Wrap(next http.Handler, ownAuth func(http.Handler) http.Handler) http.Handler {
	own := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.refuse(w, r, errNoToken) }))
	if ownAuth != nil {
		own = ownAuth(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		carried, found, err := g.tokenOf(r)
		if !found {
			own.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ownKey{g}, true)))
			return
		}
		if err == nil {
			err = g.serve(w, r, next, carried)
		}
		if err != nil {
			g.refuse(w, r, err)
		}
	})
}

// ownKey marks the context of a request that a guard handed to the app's own
// login.
type ownKey struct{ g *Guard }

// serve gives a request of a support session to next, or says why not.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, next http.Handler, c carried) error {
	shared, err := g.verify(r.Context(), c, r)
	if err != nil {
		return err
	}
	if g.declared(next, r) == nil {
		g.log.InfoContext(r.Context(), "guard: a support session asked for a route that declares nothing by this guard: Require or Open of the guard that wraps it is to be outermost", "method", r.Method, "path", r.URL.Path, "sid", shared.ID)
		return errUndeclared
	}
	s := *shared
	s.Scopes, s.guard = slices.Clone(s.Scopes), g // a handler may do what it likes with its own
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer s.watch.leave(s.watch.begin(cancel))
	next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, sessionKey{}, &s)))
	return nil
}

// declared is the route of this guard that next will give a request to; nil where
// it is none.
func (g *Guard) declared(next http.Handler, r *http.Request) *route {
	for range 8 { // routers in routers
		switch h := next.(type) {
		case *route:
			if h.g == g && h.open() {
				return h
			}
			return nil
		case Router:
			next, _ = h.Handler(r)
		default:
			return nil
		}
	}
	return nil
}
