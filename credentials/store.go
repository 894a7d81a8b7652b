package credentials

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/audit"
)

// Store keeps everything. Each verb that writes is one transaction, atomic
// together with its record entries and its endings, detached from the caller's
// cancellation; ErrUnknownResult means that it may have committed. It exists to
// keep SQL out of the rules: one implementation, on two engines.
type Store interface {
	// Salt is the account's salt, nil while the account is unknown.
	Salt(ctx context.Context, account string) ([]byte, error)
	// Mint stores the credential, replacing what it replaces. repeated means
	// that the idempotency key had made it before.
	Mint(ctx context.Context, m Minting) (c Credential, repeated bool, err error)
	// Revoke kills the credential, or every one of the account when its id is
	// empty, and ends their sessions in whatever state they are.
	Revoke(ctx context.Context, account, credential string, by Mark) error

	// Reserve commits one try before anything is compared.
	Reserve(ctx context.Context, t Try) (Reservation, error)
	// Settle ends the try: it opens the session, or answers the verification, or
	// records the refusal.
	Settle(ctx context.Context, s Settlement) (Outcome, error)
	// Login finds a temporary login by its folded address; the zero Login for
	// an unknown one.
	Login(ctx context.Context, email string) (Login, error)
	// RedeemPassword opens the session or records the refusal.
	RedeemPassword(ctx context.Context, p PasswordTry) (Session, error)

	// Clock is ErrClock while this node's clock cannot be trusted.
	Clock() error
	// JustOpened returns a session that this node has opened a moment ago and not
	// ended, as it was opened, where that is known without a look. It is to be shown,
	// and decides nothing: another node may have ended it.
	JustOpened(sid string) (Session, bool)
	// Session reads a session as it stands. Its end may be due.
	Session(ctx context.Context, sid string) (Session, error)
	// Issue accepts a grant, once, and counts as activity.
	Issue(ctx context.Context, g Grant) (Session, error)
	// Refresh exchanges a refresh token for the next and counts as activity.
	Refresh(ctx context.Context, r Refreshing) (Session, RefreshToken, error)
	// RefreshToken finds a refresh token of whatever generation, ErrNotFound for
	// one that never was.
	RefreshToken(ctx context.Context, hash []byte) (RefreshToken, error)
	// UseOnce uses something up; ErrUsed when it was before, on whatever node.
	UseOnce(ctx context.Context, o Once) error
	// UsedOnce reports whether it was used up.
	UsedOnce(ctx context.Context, o Once) (bool, error)
	// Touch counts as activity. A later proof of the agent becomes the
	// session's; the zero time brings none.
	Touch(ctx context.Context, account, sid string, proof time.Time) (Session, error)
	// Act records an action of a relying app, once by its id.
	Act(ctx context.Context, a Action) (Acted, error)
	// End ends a session; ending it again changes nothing.
	End(ctx context.Context, account, sid string, cause Cause, by Mark) (Session, error)
	// Suspend suspends or restores an agent; suspending ends their sessions.
	Suspend(ctx context.Context, agent string, suspended bool, by Mark) error
	// Suspended reports whether the agent is suspended.
	Suspended(ctx context.Context, agent string) (bool, error)
}

// Minting is what Store.Mint stores. The credential's times are set there.
type Minting struct {
	Account     Account
	Credential  Credential
	Verifier    []byte
	Salt        []byte // the salt that the verifier of a PIN was made with
	Idempotency *Idempotency
	By          Mark
}

// Idempotency identifies a request that may come twice.
type Idempotency struct {
	Client, Key string
	Digest      []byte // of the request, so that a key is not used for another
}

// Attempt is who uses a PIN, and the name of the form or request that they
// sent: sending it twice is one try.
type Attempt struct {
	ID     string // unique for the agent
	Agent  Agent
	Client string // that sent it, where it was not the broker's own page
	Owners string // the one owner connector whose accounts it may be about; empty: any
}

// Try is one attempt with a PIN, before it is compared.
type Try struct {
	Attempt
	Verify bool   // to verify a caller; to open a session otherwise
	Handle string // folded
	Digits int
}

// Reservation is a committed try.
type Reservation struct {
	Try
	Account string // "" for an unknown handle: the installation stands in for it
	Salt    []byte
	PINs    []Candidate // those that this try may be compared with
	Closed  bool        // a limit of the account or installation is reached: compare with nothing
	Left    int         // tries the agent has before a pause, this one included
	Before  *Outcome    // the same attempt has already come to this
}

// Candidate is a live PIN that a try was reserved on.
type Candidate struct {
	ID       string
	Verifier []byte
}

// Settlement is the outcome of a comparison.
type Settlement struct {
	Reservation
	Matched string // id of the PIN; empty: none
	SID     string // of the session to open
	Reason  string
}

// Outcome is what a right PIN was used for: one of the two.
type Outcome struct {
	Session  Session
	Verified Verified
}

// Login is a temporary login as looked up by its address.
type Login struct {
	Account, Credential string
	Holder              bool
	Verifier            []byte // nil once it is dead
	Seen                any    // what the store found with it, for itself; it is not printed
}

// PasswordTry is an attempt with an email and password, already compared.
type PasswordTry struct {
	Login
	ID     string
	Agent  *Agent // nil: no SSO
	Right  bool
	SID    string
	Reason string
}

// Grant is a code on its way to becoming tokens, or a token exchange.
type Grant struct {
	ID       string // of the code; accepted once
	Type     string // the grant type; empty: authorization_code
	Account  string
	SID      string
	Client   string // whose app the tokens are for
	Through  string // the client that asked, where that is another
	Audience string
	Scope    string // granted, space-separated
	TokenID  string // jti of the access token to be signed
	Refresh  *RefreshToken
	Proof    *Once // used up together with the code; nil: none came
}

// RefreshToken is kept hashed and belongs to a session and a client.
type RefreshToken struct {
	Hash     []byte
	Account  string
	SID      string
	Client   string
	Audience string
	Scope    string // granted at first; a refresh may ask for less
	Key      string // thumbprint of the key that its access tokens are bound to; empty: none
	Used     bool   // it has a successor, or is spent
}

// RefreshGrace is how long a replaced refresh token is good for while its
// successor is unused: a lost reply must not end a session.
const RefreshGrace = 30 * time.Second

// Refreshing is a use of a refresh token.
type Refreshing struct {
	Hash    []byte
	Client  string
	Next    []byte                               // hash of the successor
	TokenID string                               // jti of the access token to be signed
	Scope   func(granted string) (string, error) // narrows for this use

	Proof *Once  // used up together with it; nil: none came
	Key   string // thumbprint of the key that was proven; empty: none
	// Proven says that the client has proven by a key who it is, or by a secret:
	// its refresh tokens are its own whatever key their access tokens are bound to
	// (RFC 9449 section 5).
	Proven bool
	// Keep says that the token stays good, until its session ends: nobody can use
	// a copy without a key.
	Keep bool
}

// Rotates decides whether a use of the token makes a next one. What nobody can
// use without a key is kept. ErrUnproven refuses a use without the key.
func (r Refreshing) Rotates(token RefreshToken) (bool, error) {
	switch {
	case token.Key == "":
		return !r.Keep, nil
	case r.Key == "", !r.Proven && r.Key != token.Key:
		return false, ErrUnproven
	}
	return !r.Keep && r.Proven, nil
}

// Action is what an agent did, or was refused, in a relying app.
type Action struct {
	ID       string // unique for the audience
	SID      string
	Client   string
	Audience string
	Name     string
	Target   string // personal
	Scope    string
	Refused  bool
}

// Digest is what a repeat of the action must have in common with it.
func (a Action) Digest() []byte {
	sum := audit.Digest([]byte(a.SID), a.Name+"\x00"+a.Scope, a.Target)
	if a.Refused {
		sum[0] ^= 1
	}
	return sum
}

// Acted is how an action was recorded.
type Acted struct {
	Seq    int64 // its place in the account's record
	Repeat bool
	Err    error // *EndedError, ErrNotLent: recorded as refused for that reason
}

// Reader is what owners and operators look at.
type Reader interface {
	Account(ctx context.Context, id string) (Account, error)
	Credential(ctx context.Context, account, id string) (Credential, error)
	Credentials(ctx context.Context, account string, p Page) ([]Credential, error)
	Sessions(ctx context.Context, account string, p Page) ([]Session, error)
	Record(ctx context.Context, chain string, p RecordPage) ([]audit.Entry, error)
	// Usable lists the credentials that can open a session now, newest first.
	Usable(ctx context.Context, account string, limit int) ([]Credential, error)
	// Visits lists the sessions that live now, newest first. One whose end is due
	// is not among them, written down or not.
	Visits(ctx context.Context, account string, limit int) ([]Visit, error)
	// Over lists the sessions that ended since then, newest first.
	Over(ctx context.Context, account string, since time.Time, limit int) ([]Session, error)
	// Names finds the agents' names of these sessions of the account. A session
	// without an agent, or whose agent was erased, is left out.
	Names(ctx context.Context, account string, sids []string) (map[string]string, error)
	// Receipts finds what is known of the apps that held a token of these ended
	// sessions of the account.
	Receipts(ctx context.Context, account string, sids []string) (map[string][]Receipt, error)
}

// Visit is a live session with the apps that have had tokens of it.
type Visit struct {
	Session
	Apps []string // client ids, in the order of their first token
}

// Page asks for up to Limit rows made before (At, ID), newest first.
type Page struct {
	At    time.Time // zero: from the newest
	ID    string
	Limit int
}

// RecordPage asks for up to Limit entries: newest first before Before (0: from
// the newest), or oldest first after After when Forward.
type RecordPage struct {
	Before, After int64
	Forward       bool
	Limit         int
}
