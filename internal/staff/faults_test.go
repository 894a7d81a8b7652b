package staff

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

// marker is in every error of the store that a test makes it give.
const marker = "MARKER-7f3a"

var errFault = errors.New(marker + ": connection to 10.1.2.3 refused")

// faults is a store in which one verb fails.
type faults struct {
	*store.Store
	verb   atomic.Value
	failed atomic.Int64
}

// breaks makes a verb fail; the empty one mends all.
func (f *faults) breaks(verb string) { f.verb.Store(verb) }

func (f *faults) fault(verb string) error {
	if broken, _ := f.verb.Load().(string); broken == verb {
		f.failed.Add(1)
		return errFault
	}
	return nil
}

func (f *faults) Reserve(ctx context.Context, t credentials.Try) (credentials.Reservation, error) {
	if err := f.fault("Reserve"); err != nil {
		return credentials.Reservation{}, err
	}
	return f.Store.Reserve(ctx, t)
}

func (f *faults) Settle(ctx context.Context, s credentials.Settlement) (credentials.Outcome, error) {
	if err := f.fault("Settle"); err != nil {
		return credentials.Outcome{}, err
	}
	return f.Store.Settle(ctx, s)
}

func (f *faults) Login(ctx context.Context, email string) (credentials.Login, error) {
	if err := f.fault("Login"); err != nil {
		return credentials.Login{}, err
	}
	return f.Store.Login(ctx, email)
}

func (f *faults) RedeemPassword(ctx context.Context, p credentials.PasswordTry) (credentials.Session, error) {
	if err := f.fault("RedeemPassword"); err != nil {
		return credentials.Session{}, err
	}
	return f.Store.RedeemPassword(ctx, p)
}

func (f *faults) Session(ctx context.Context, sid string) (credentials.Session, error) {
	if err := f.fault("Session"); err != nil {
		return credentials.Session{}, err
	}
	return f.Store.Session(ctx, sid)
}

func (f *faults) Touch(ctx context.Context, account, sid string, proof time.Time) (credentials.Session, error) {
	if err := f.fault("Touch"); err != nil {
		return credentials.Session{}, err
	}
	return f.Store.Touch(ctx, account, sid, proof)
}

func (f *faults) End(ctx context.Context, account, sid string, cause credentials.Cause, by credentials.Mark) (credentials.Session, error) {
	if err := f.fault("End"); err != nil {
		return credentials.Session{}, err
	}
	return f.Store.End(ctx, account, sid, cause, by)
}

func (f *faults) Suspended(ctx context.Context, agent string) (bool, error) {
	if err := f.fault("Suspended"); err != nil {
		return false, err
	}
	return f.Store.Suspended(ctx, agent)
}

func (f *faults) UseOTP(ctx context.Context, person string, step int64) (bool, error) {
	if err := f.fault("UseOTP"); err != nil {
		return false, err
	}
	return f.Store.UseOTP(ctx, person, step)
}
