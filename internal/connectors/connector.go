package connectors

import (
	"errors"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// Connector is one way for people to prove who they are: *Local or *OIDC.
type Connector interface {
	About() About
	// Still reports whether somebody who proved who they are before may still
	// come in, by the people and rules that are configured now.
	Still(p Proof) bool
}

// About is what a page needs to know of a connector.
type About struct {
	ID, Name string
	MaxAge   time.Duration // how old ProvedAt may be when a credential is redeemed; 0 for owners: no limit
}

// Proof is somebody who proved who they are. It travels in a sealed cookie.
type Proof struct {
	Connector string              `json:"connector"`
	Issuer    string              `json:"iss"`
	Subject   string              `json:"sub"`
	Name      string              `json:"name,omitempty"`
	Email     string              `json:"email,omitempty"`  // for people to read; it identifies nobody
	Claims    map[string][]string `json:"claims,omitempty"` // those that the rules look at, no others
	Account   credentials.Account `json:"account,omitzero"` // of an owner; zero for agents
	AuthTime  time.Time           `json:"auth_time"`        // when they last showed their proof to their own issuer
	ProvedAt  time.Time           `json:"proved_at"`        // when that was last confirmed to the broker
	AMR       []string            `json:"amr,omitempty"`    // how (RFC 8176)
}

// Agent is the person as a member of the support staff.
func (p Proof) Agent() credentials.Agent {
	return credentials.Agent{Issuer: p.Issuer, Subject: p.Subject, Name: p.Name, Email: p.Email,
		Connector: p.Connector,
		// As exact as the database keeps it, or the same proof would look newer
		// than the session that was opened with it.
		AuthTime: p.AuthTime.Truncate(time.Microsecond), AMR: p.AMR}
}

// Owner is the person as an owner or authorised user of an account. Their
// claims are never nil: a proof without claims says that there are none.
func (p Proof) Owner() credentials.Owner {
	claims := p.Claims
	if claims == nil {
		claims = map[string][]string{}
	}
	return credentials.Owner{Issuer: p.Issuer, Subject: p.Subject, Name: p.Name, Email: p.Email, Claims: claims}
}

// What a sign-in can fail with. Any other error means that it cannot be
// decided now.
var (
	// ErrNoSignIn covers an unknown name, a wrong password or code, and a code
	// that was used before.
	ErrNoSignIn = errors.New("name, password or code is wrong")
	// ErrTooMany says that the name or the address has failed too often.
	ErrTooMany = errors.New("too many failed sign-ins")
	// ErrNotAllowed says that the person may not sign in here at all.
	ErrNotAllowed = errors.New("this person may not sign in here")
	// ErrNoAccount says that an owner's claims do not name the one account
	// that is theirs.
	ErrNoAccount = errors.New("the claims do not name one account")

	// ErrIDToken says that an ID token proves nothing here: another issuer,
	// audience or signature, too old, or from the future.
	ErrIDToken = errors.New("the ID token is not valid")
	// ErrTrip says that somebody does not come back from where they were sent,
	// or too late, or for a second time.
	ErrTrip = errors.New("this is not the way back from a sign-in that was begun here")
	// ErrInteraction says that the issuer cannot tell without showing the
	// person something.
	ErrInteraction = errors.New("the issuer has to ask the person")
	// ErrDeclined says that the person or their issuer said no.
	ErrDeclined = errors.New("the sign-in was declined at the issuer")
	// ErrStale says that the issuer was asked for a newer sign-in and did not
	// ask the person for one.
	ErrStale = errors.New("the issuer did not ask for a new sign-in")
	// ErrUpstream says that the issuer could not be asked, or that nothing can
	// be made of its answer.
	ErrUpstream = errors.New("the issuer does not answer as it should")
	// ErrNotTaken says, with ErrUpstream, that the issuer is there and does not take
	// the broker's client: that passes when somebody sets it up otherwise.
	ErrNotTaken = errors.New("it does not take the broker's client as it is set up")
	// ErrCarried says that the browser brought what ErrUpstream speaks of, or that
	// it may be about what the browser brought: anybody can make that up.
	ErrCarried = errors.New("by way of the browser")
)

var (
	_ Connector = (*Local)(nil)
	_ Connector = (*OIDC)(nil)
)
