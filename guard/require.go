package guard

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// route is a handler that says what support must have been lent to reach it.
// Require and RequireAccount beside one another make one route, so that all is
// checked before anything is recorded.
type route struct {
	g       *Guard
	next    http.Handler
	public  bool
	scope   string
	tenants []func(*http.Request) string
	action  string
	target  func(*http.Request) string
}

// open reports whether the route declares something at all: an account alone says
// nothing of what may be done.
func (o *route) open() bool { return o.public || o.scope != "" }

// Option says more about a route; see [Action] and [Target].
type Option func(*route)

// Action names what a route does in the words of the customer's record, such as
// "View document". Without it that is the method and the route's pattern.
func Action(name string) Option { return func(o *route) { o.action = name } }

// Target says what an action is done to, such as a document's title. It may be
// personal: the record keeps it apart and can erase it. It is called before the
// handler, and only for a request that is allowed.
func Target(of func(*http.Request) string) Option { return func(o *route) { o.target = of } }

// Require declares the scope that a support session must have been lent for a
// route. A request of the app's own login goes through if Wrap handed it to
// ownAuth; any other without a support session does not. It panics for what is no
// scope: that is a mistake in the program.
func (g *Guard) Require(scope string, h http.Handler, options ...Option) http.Handler {
	if scope == "" || strings.IndexFunc(scope, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }) >= 0 {
		panic("guard: Require needs a scope (RFC 6749 section 3.3), not " + scope)
	}
	mustServe("Require", h)
	o := &route{g: g, next: h, scope: scope}
	if inner, ok := h.(*route); ok && inner.g == g && !inner.open() {
		o.next, o.tenants = inner.next, inner.tenants
	}
	for _, option := range options {
		option(o)
	}
	return o
}

// RequireAccount declares which account's data a route shows: the tenant of a
// request must be the support session's, and an empty one is refused. It stands
// next to Require, on either side; alone it does not open a route to support.
func (g *Guard) RequireAccount(tenant func(*http.Request) string, h http.Handler) http.Handler {
	if tenant == nil {
		panic("guard: RequireAccount needs a function that says whose data a request is about")
	}
	mustServe("RequireAccount", h)
	if inner, ok := h.(*route); ok && inner.g == g && !inner.public {
		o := *inner
		o.tenants = append(slices.Clone(inner.tenants), tenant)
		return &o
	}
	return &route{g: g, next: h, tenants: []func(*http.Request) string{tenant}}
}

// Open declares that a route shows nothing of anybody's, such as styles and
// scripts: a support session needs no scope for it, and nothing is recorded. It
// panics around what RequireAccount alone has made: that shows somebody's data.
func (g *Guard) Open(h http.Handler) http.Handler {
	mustServe("Open", h)
	if inner, ok := h.(*route); ok && !inner.open() {
		panic("guard: Open is for what is nobody's: an account's data needs Require beside RequireAccount")
	}
	return &route{g: g, next: h, public: true}
}

// mustServe panics without a handler, when the program starts and not when an agent
// comes.
func mustServe(what string, h http.Handler) {
	if h == nil {
		panic("guard: " + what + " needs a handler")
	}
}

// ServeHTTP runs the route's handler once everything that it declares holds and,
// for a support session, the action is in the record.
func (o *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, ok := SessionFrom(r.Context())
	own, _ := r.Context().Value(ownKey{o.g}).(bool)
	var err error
	switch {
	case ok && s.guard == o.g:
		err = o.admit(r.Context(), s, r)
	case ok || !own:
		err = errNoToken
	}
	if err != nil {
		o.g.refuse(w, r, err)
		return
	}
	o.next.ServeHTTP(w, r)
}

// admit decides a request of a support session.
func (o *route) admit(ctx context.Context, s *Session, r *http.Request) error {
	if s.watch.over() {
		return s.watch.cause()
	}
	if o.public {
		return nil
	}
	if s.route == nil {
		if o.scope == "" { // an account alone, which no Require stands around
			return errUndeclared
		}
		s.route = o
	}
	if err := o.allows(s, r); err != nil {
		o.g.tell(ctx, o.acting(s, r, refused))
		return err
	}
	if o.scope == "" { // inside a route that has recorded what is done
		return nil
	}
	if err := o.g.begin(ctx, o.acting(s, r, started)); err != nil {
		return err
	}
	if s.watch.over() { // while it was being recorded
		return s.watch.cause()
	}
	return nil
}

// allows compares what the route declares with what was lent.
func (o *route) allows(s *Session, r *http.Request) error {
	if o.scope != "" && !slices.Contains(s.Scopes, o.scope) {
		return errScope(o.scope)
	}
	for _, tenant := range o.tenants {
		if account := tenant(r); account == "" || account != s.Account.ID {
			return errAccount
		}
	}
	return nil
}
