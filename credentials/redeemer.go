package credentials

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"
)

// Redeemer is the agent's side of lending.
type Redeemer struct {
	Store  Store
	Hasher *Hasher
}

// maxReason is the length of a reason that is kept, in characters.
const maxReason = 300

// Verified says who is calling: somebody who holds a PIN of the account.
type Verified struct {
	Credential, Policy string
	Account            Account
	Contact            string // the one person whom the PIN was bound to; empty where not bound
	MadeBy             string // name of who minted it
	Ticket, Reason     string
	At                 time.Time
}

// PIN redeems an account handle and PIN on the broker's own page: see Open.
// attempt identifies the form that was sent.
func (r *Redeemer) PIN(ctx context.Context, attempt string, agent Agent, handle string, pin Secret, reason string) (Session, error) {
	return r.Open(ctx, Attempt{ID: attempt, Agent: agent}, handle, pin, reason)
}

// Open redeems an account handle and PIN: the try is committed, then hashed and
// compared outside any transaction, then settled. Sent again, an attempt gives
// the session that it opened. Errors: *NoMatch, *Paused, *Unusable, ErrTicket,
// ErrSuspended, ErrBusy, ErrKeyReused for an attempt that has verified a
// caller; any other means that nothing was opened.
func (r *Redeemer) Open(ctx context.Context, a Attempt, handle string, pin Secret, reason string) (Session, error) {
	out, err := r.use(ctx, Try{Attempt: a, Handle: FoldHandle(handle)}, pin, reason)
	return out.Session, err
}

// Verify asks whether a caller is who they say: it uses the PIN up as Open does,
// within the same limits and with the same errors, and opens no session.
// ErrKeyReused: the attempt has opened one. Sent again, an attempt gives the
// same answer.
func (r *Redeemer) Verify(ctx context.Context, a Attempt, handle string, pin Secret, reason string) (Verified, error) {
	out, err := r.use(ctx, Try{Attempt: a, Verify: true, Handle: FoldHandle(handle)}, pin, reason)
	return out.Verified, err
}

func (r *Redeemer) use(ctx context.Context, try Try, pin Secret, reason string) (Outcome, error) {
	// From here on nothing stops when the visitor does: a try that is reserved
	// is settled.
	ctx = context.WithoutCancel(ctx)
	leave, err := r.Hasher.Enter(try.Agent.Key())
	if err != nil {
		return Outcome{}, err
	}
	defer leave()
	typed := NewSecret(FoldPIN(pin.Reveal()))
	try.Digits = len(typed.Reveal())
	held, err := r.Store.Reserve(ctx, try)
	if err != nil {
		return Outcome{}, r.suspend(ctx, try.Agent, err)
	}
	if held.Before != nil {
		return *held.Before, nil
	}
	sum, err := r.Hasher.PIN(ctx, held.Account, held.Salt, typed)
	if err != nil {
		return Outcome{}, err
	}
	out, err := r.Store.Settle(ctx, Settlement{
		Reservation: held, Matched: match(held.PINs, sum), SID: NewID(), Reason: cleanReason(reason),
	})
	return out, r.suspend(ctx, try.Agent, err)
}

// match compares with every candidate, in a time that does not tell which.
func match(pins []Candidate, sum []byte) (id string) {
	for _, c := range pins {
		if subtle.ConstantTimeCompare(c.Verifier, sum) == 1 {
			id = c.ID
		}
	}
	return id
}

// suspend writes down the suspension that a refusal calls for. The refusal
// itself stands whether or not that works.
func (r *Redeemer) suspend(ctx context.Context, agent Agent, err error) error {
	if errors.Is(err, ErrSuspended) {
		by := Mark{Who: "broker", ID: "too many wrong tries"}
		if failed := r.Store.Suspend(ctx, agent.Key(), true, by); failed != nil {
			return errors.Join(err, failed)
		}
	}
	return err
}

// Password redeems a temporary email and password. agent is nil for a holder,
// who needs no SSO where the credential says so. A wrong password costs no
// try: it has 125 random bits.
func (r *Redeemer) Password(ctx context.Context, attempt string, agent *Agent, email string, password Secret, reason string) (Session, error) {
	ctx = context.WithoutCancel(ctx)
	login, err := r.Store.Login(ctx, FoldEmail(email))
	if err != nil {
		return Session{}, err
	}
	sum := r.Hasher.Password(login.Credential, NewSecret(strings.TrimSpace(password.Reveal())))
	right := len(login.Verifier) > 0 && subtle.ConstantTimeCompare(login.Verifier, sum) == 1
	if agent == nil && !login.Holder {
		right = false // without SSO only a holder's login opens anything
	}
	if !right && agent == nil {
		// Nobody is signed in: nothing is written, nothing is counted.
		return Session{}, &NoMatch{Left: -1}
	}
	return r.Store.RedeemPassword(ctx, PasswordTry{
		Login: login, ID: attempt, Agent: agent, Right: right, SID: NewID(), Reason: cleanReason(reason),
	})
}

// cleanReason keeps what can be shown on a line, in the order it is written: the
// owner is to read what was typed, and not what it can be made to look like.
func cleanReason(reason string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, AsWritten(strings.ToValidUTF8(reason, "")))
	runes := []rune(strings.TrimSpace(clean))
	if len(runes) > maxReason {
		runes = runes[:maxReason]
	}
	return string(runes)
}

// TryFacts is what is known of a try while its rows are held.
type TryFacts struct {
	Now       time.Time
	Suspended bool
	// Wrong tries that count against the agent in PauseWindow, newest first.
	// A try that is reserved and not settled counts as wrong.
	Recent []time.Time
	// Wrong tries in DayWindow: all, and those with fewer than six digits.
	Agent, AgentWeak               int
	Account, AccountWeak           int
	Installation, InstallationWeak int
}

// Judge decides about a try before it is reserved. closed means that a limit
// of the account or the installation is reached: the try is then compared with
// nothing, and the answer is the same as to a wrong one. left is how many
// tries the agent has before a pause, this one included.
func (f TryFacts) Judge(digits int) (closed bool, left int, err error) {
	own, strong, weak := limitsFor(digits), limitsFor(weakBelow), Weak(digits)
	if f.Suspended || f.Suspends(digits) {
		return true, 0, ErrSuspended
	}
	if len(f.Recent) >= own.Pause {
		return true, 0, &Paused{Until: f.Recent[own.Pause-1].Add(PauseWindow)}
	}
	closed = f.Account >= strong.Account || weak && f.AccountWeak >= own.Account ||
		f.Installation >= strong.Installation || weak && f.InstallationWeak >= own.Installation
	return closed, own.Pause - len(f.Recent), nil
}

// Suspends reports whether the agent's wrong tries of the day call for a
// suspension, where the last one had so many digits.
func (f TryFacts) Suspends(digits int) bool {
	return f.Agent >= limitsFor(weakBelow).Suspend || Weak(digits) && f.AgentWeak >= limitsFor(digits).Suspend
}
