package credentials

import (
	"errors"
	"fmt"
	"time"
)

// What can go wrong, for each boundary to tell in its own words.
var (
	ErrNotFound      = errors.New("not found")
	ErrHandleTaken   = errors.New("the handle belongs to another account")
	ErrOtherOwner    = errors.New("the account belongs to another owner connector")
	ErrKeyReused     = errors.New("the idempotency key was used for another request")
	ErrSuspended     = errors.New("the agent is suspended")
	ErrTicket        = errors.New("the ticket that the customer named is not in the reason")
	ErrReplayed      = errors.New("the code or refresh token was used before; its session has been ended")
	ErrInvalidGrant  = errors.New("the refresh token is unknown")
	ErrUsed          = errors.New("it was used before, and is good for one use")
	ErrUnproven      = errors.New("the refresh token is bound to a key that was not proven")
	ErrNotAudience   = errors.New("no token of this session was issued for this audience")
	ErrNotLent       = errors.New("the scope was not lent to this session and app")
	ErrBusy          = errors.New("too many sign-ins at once")
	ErrUnknownResult = errors.New("the database did not say whether the change was stored")
	ErrClock         = errors.New("this node's clock cannot be trusted")

	// ErrSaltChanged and ErrSamePIN ask the minter to try again.
	ErrSaltChanged = errors.New("the account's salt is another one")
	ErrSamePIN     = errors.New("a live PIN of the account has these digits")
)

// NoMatch is the one answer to an unknown account, no live PIN, a wrong, dead
// or expired one.
type NoMatch struct {
	Left int // tries the agent has before a pause
}

func (e *NoMatch) Error() string { return "account and credential did not match" }

// Paused says that the agent's own tries are used up.
type Paused struct{ Until time.Time }

func (e *Paused) Error() string { return "the agent's tries are used up for a while" }

// Unusable says what state a credential is in; it is told only to who gave the
// right secret.
type Unusable struct{ State State }

func (e *Unusable) Error() string { return fmt.Sprintf("the credential is %s", e.State) }

// EndedError says that the session has ended.
type EndedError struct {
	At    time.Time
	Cause Cause
}

func (e *EndedError) Error() string { return fmt.Sprintf("the session ended (%s)", e.Cause) }

// Refused is a mint that the rules do not allow.
type Refused struct {
	Who    bool // the person may not, rather than the request being wrong
	Field  string
	Reason string
}

func (e *Refused) Error() string { return e.Field + ": " + e.Reason }
