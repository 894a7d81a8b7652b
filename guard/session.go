package guard

import (
	"context"
	"slices"
	"time"
)

// Session is a support session: one agent in one account, with the scopes that
// were lent, until its end. A handler has it from [SessionFrom].
type Session struct {
	ID      string   // sid: the same at every app, in the ID token, introspection and the record
	Account Account  // the customer account that is opened, and the only one
	Agent   Agent    // who acts; zero where the credential's holder needs no staff sign-in
	Scopes  []string // of the token: requested, lent, and allowed to the client
	EndsAt  time.Time

	Subject    string // sub: a guest, who exists for this credential and agent only
	ClientID   string // the client that the token was issued to
	Credential string
	Policy     string
	Ticket     string    // that the customer named, if any
	Contact    string    // whom the agent helps, where the credential is bound to somebody
	Expires    time.Time // exp of the token; the session may go on with another

	guard *Guard
	watch *watch
	route *route // that let the request in
}

// Account is the customer account that a session opens.
type Account struct {
	ID   string `json:"id"`   // the product's tenant key
	Name string `json:"name"` // for people
}

// Agent is the member of the support staff who acts in a session. Their identity
// is (Issuer, Subject), never a name or an email address.
type Agent struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Name    string `json:"name"`
	Email   string `json:"email"` // only where the client is configured to be told
}

// Done is closed when the session has ended, for whatever reason, or when it can
// no longer be known whether it has. The context of a request of the session ends
// at the same moment.
func (s *Session) Done() <-chan struct{} { return s.watch.ends() }

// Has reports whether the session was lent a scope.
func (s *Session) Has(scope string) bool { return slices.Contains(s.Scopes, scope) }

type sessionKey struct{}

// SessionFrom returns the support session that a request belongs to. Without one,
// the request is of the app's own login.
func SessionFrom(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	return s, ok
}
