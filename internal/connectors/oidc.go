package connectors

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// OIDC is a connector of people who sign in at an OpenID Provider of their
// own. Every field is set before it is used; it must not be copied.
type OIDC struct {
	ID, Name     string
	Issuer       string // exactly as the provider calls itself
	ClientID     string // the broker's, there
	ClientSecret credentials.Secret
	Scopes       []string
	Params       map[string]string // further parameters of the authorization request
	UserInfo     bool              // claims are read from the userinfo endpoint, not from the ID token
	RedirectURI  string            // the broker's, as it is registered there
	Allow        []credentials.ClaimRule
	Keep         []string      // claims that other rules look at, besides those of Allow
	Account      AccountClaims // zero for agents
	MaxAge       time.Duration // how old a proof may be when a credential is redeemed; 0: no limit
	Now          func() time.Time

	issuer   discovery
	inFlight atomic.Int64
}

// AccountClaims are the names of the claims that say which account a person
// owns. They are literal: a dot in one is a dot. Where Name or Handle is empty,
// it is the account's id.
type AccountClaims struct{ ID, Name, Handle string }

// About implements Connector.
func (o *OIDC) About() About { return About{o.ID, o.Name, o.MaxAge} }

// Still implements Connector.
func (o *OIDC) Still(p Proof) bool {
	owner := o.Account.ID != ""
	return p.Connector == o.ID && p.Issuer == o.Issuer && p.Subject != "" && (p.Account.ID != "") == owner &&
		credentials.Allowed(o.Allow, p.Claims)
}

// Discover asks the issuer for its discovery document, as a check.
func (o *OIDC) Discover(ctx context.Context) error {
	_, err := o.discover(ctx)
	return err
}
