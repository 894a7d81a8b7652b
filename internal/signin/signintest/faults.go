package signintest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

// StoreMarker is in every error that a broken verb gives.
const StoreMarker = "MARKER-7f3a"

// Faults is a store of which one verb fails: before it does anything, or after,
// when it has been stored and nobody knows.
type Faults struct {
	*store.Store

	mu     sync.Mutex
	verb   string
	after  bool
	pass   int // calls that still go through
	failed int
}

// Break makes a verb fail before it does anything.
func (f *Faults) Break(verb string) { f.set(verb, false, 0) }

// BreakAfter makes it fail after it has done it.
func (f *Faults) BreakAfter(verb string) { f.set(verb, true, 0) }

// BreakLater lets some calls through before it fails.
func (f *Faults) BreakLater(verb string, calls int) { f.set(verb, false, calls) }

// Mend ends it.
func (f *Faults) Mend() { f.set("", false, 0) }

// Failed counts the calls that failed so far.
func (f *Faults) Failed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *Faults) set(verb string, after bool, pass int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.verb, f.after, f.pass = verb, after, pass
}

// now reports whether this call of a verb fails, and when.
func (f *Faults) now(verb string) (before, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.verb != verb:
		return false, false
	case f.pass > 0:
		f.pass--
		return false, false
	}
	f.failed++
	return !f.after, f.after
}

var errFault = errors.New(StoreMarker + ": connection to 10.1.2.3 refused")

// through calls the verb, if it works.
func through[T any](f *Faults, verb string, do func() (T, error)) (out T, err error) {
	before, after := f.now(verb)
	if before {
		return out, errFault
	}
	done, err := do()
	if after {
		return out, fmt.Errorf("%w: %w", credentials.ErrUnknownResult, errFault)
	}
	return done, err
}

// Salt implements credentials.Store.
func (f *Faults) Salt(ctx context.Context, account string) ([]byte, error) {
	return through(f, "Salt", func() ([]byte, error) { return f.Store.Salt(ctx, account) })
}

// Mint implements credentials.Store.
func (f *Faults) Mint(ctx context.Context, m credentials.Minting) (c credentials.Credential, repeated bool, err error) {
	c, err = through(f, "Mint", func() (made credentials.Credential, err error) {
		made, repeated, err = f.Store.Mint(ctx, m)
		return made, err
	})
	return c, repeated, err
}

// Revoke implements credentials.Store.
func (f *Faults) Revoke(ctx context.Context, account, id string, by credentials.Mark) error {
	return f.only("Revoke", func() error { return f.Store.Revoke(ctx, account, id, by) })
}

// only is through for a verb that returns nothing.
func (f *Faults) only(verb string, do func() error) error {
	_, err := through(f, verb, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// Reserve implements credentials.Store.
func (f *Faults) Reserve(ctx context.Context, t credentials.Try) (credentials.Reservation, error) {
	return through(f, "Reserve", func() (credentials.Reservation, error) { return f.Store.Reserve(ctx, t) })
}

// Settle implements credentials.Store.
func (f *Faults) Settle(ctx context.Context, s credentials.Settlement) (credentials.Outcome, error) {
	return through(f, "Settle", func() (credentials.Outcome, error) { return f.Store.Settle(ctx, s) })
}

// Login implements credentials.Store.
func (f *Faults) Login(ctx context.Context, email string) (credentials.Login, error) {
	return through(f, "Login", func() (credentials.Login, error) { return f.Store.Login(ctx, email) })
}

// RedeemPassword implements credentials.Store.
func (f *Faults) RedeemPassword(ctx context.Context, p credentials.PasswordTry) (credentials.Session, error) {
	return through(f, "RedeemPassword", func() (credentials.Session, error) { return f.Store.RedeemPassword(ctx, p) })
}

// Session implements credentials.Store.
func (f *Faults) Session(ctx context.Context, sid string) (credentials.Session, error) {
	return through(f, "Session", func() (credentials.Session, error) { return f.Store.Session(ctx, sid) })
}

// Touch implements credentials.Store.
func (f *Faults) Touch(ctx context.Context, account, sid string, proof time.Time) (credentials.Session, error) {
	return through(f, "Touch", func() (credentials.Session, error) { return f.Store.Touch(ctx, account, sid, proof) })
}

// End implements credentials.Store.
func (f *Faults) End(ctx context.Context, account, sid string, cause credentials.Cause, by credentials.Mark) (credentials.Session, error) {
	return through(f, "End", func() (credentials.Session, error) { return f.Store.End(ctx, account, sid, cause, by) })
}

// Suspend implements credentials.Store.
func (f *Faults) Suspend(ctx context.Context, agent string, suspended bool, by credentials.Mark) error {
	return f.only("Suspend", func() error { return f.Store.Suspend(ctx, agent, suspended, by) })
}

// Suspended implements credentials.Store.
func (f *Faults) Suspended(ctx context.Context, agent string) (bool, error) {
	return through(f, "Suspended", func() (bool, error) { return f.Store.Suspended(ctx, agent) })
}

// UseOTP is what connectors ask of a store.
func (f *Faults) UseOTP(ctx context.Context, person string, step int64) (bool, error) {
	return through(f, "UseOTP", func() (bool, error) { return f.Store.UseOTP(ctx, person, step) })
}

// Account implements credentials.Reader.
func (f *Faults) Account(ctx context.Context, id string) (credentials.Account, error) {
	return through(f, "Account", func() (credentials.Account, error) { return f.Store.Account(ctx, id) })
}

// Record implements credentials.Reader.
func (f *Faults) Record(ctx context.Context, chain string, p credentials.RecordPage) ([]audit.Entry, error) {
	return through(f, "Record", func() ([]audit.Entry, error) { return f.Store.Record(ctx, chain, p) })
}

// Usable implements credentials.Reader.
func (f *Faults) Usable(ctx context.Context, account string, limit int) ([]credentials.Credential, error) {
	return through(f, "Usable", func() ([]credentials.Credential, error) { return f.Store.Usable(ctx, account, limit) })
}

// Visits implements credentials.Reader.
func (f *Faults) Visits(ctx context.Context, account string, limit int) ([]credentials.Visit, error) {
	return through(f, "Visits", func() ([]credentials.Visit, error) { return f.Store.Visits(ctx, account, limit) })
}

// Names implements credentials.Reader.
func (f *Faults) Names(ctx context.Context, account string, sids []string) (map[string]string, error) {
	return through(f, "Names", func() (map[string]string, error) { return f.Store.Names(ctx, account, sids) })
}
