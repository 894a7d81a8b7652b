package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/valetkey/valetkey/credentials"
)

const selectLogin = `SELECT account, id, holder, verifier FROM credentials WHERE email = $1 AND kind = 'password'`

// Login implements credentials.Store.
func (s *Store) Login(ctx context.Context, email string) (out credentials.Login, err error) {
	err = s.query(ctx, selectLogin, []any{email}, func(r *sql.Rows) error {
		var holder int64
		err := r.Scan(&out.Account, &out.Credential, &holder, &out.Verifier)
		out.Holder = holder != 0
		return err
	})
	return out, err
}

// RedeemPassword implements credentials.Store: one transaction.
func (s *Store) RedeemPassword(ctx context.Context, in credentials.PasswordTry) (credentials.Session, error) {
	var out credentials.Session
	var refusal error
	err := s.guarded(ctx, func(t *tx) error {
		out, refusal = credentials.Session{}, nil
		agent, suspended := "", false
		if in.Agent != nil {
			var err error
			if suspended, err = t.agent(*in.Agent); err != nil {
				return err
			}
			agent = in.Agent.Key()
		}
		if err := t.hold(in.Account); err != nil {
			return err
		}
		if in.Holder {
			agent = ""
		}
		attempt := strings.Join([]string{"password", agent, in.Credential, in.ID}, "/")
		before, ok, err := t.session(selectByAttempt, attempt)
		if err != nil {
			return err
		}
		if _, due := before.Due(t.now); ok && in.Right && !before.Ended() && !due {
			out = before
			return nil
		}
		if ok {
			attempt += "/" + credentials.NewID()
		}
		out, refusal, err = t.password(in, attempt, suspended)
		return err
	})
	if err == nil {
		err = refusal
	}
	return out, err
}

func (t *tx) password(in credentials.PasswordTry, attempt string, suspended bool) (out credentials.Session, refusal, err error) {
	switch {
	case suspended:
		return out, credentials.ErrSuspended, t.refusePassword(in, credentials.ErrSuspended)
	case !in.Right:
		refusal = &credentials.NoMatch{Left: -1}
		return out, refusal, t.refusePassword(in, refusal)
	}
	c, err := t.credential(in.Account, in.Credential)
	if err != nil {
		return out, nil, err
	}
	if refusal = c.Usable(t.now); refusal != nil {
		return out, refusal, t.refusePassword(in, refusal)
	}
	if !c.Names(in.Reason) {
		c.MissTicket()
		if err := t.save(c); err != nil {
			return out, nil, err
		}
		return out, credentials.ErrTicket, t.refusePassword(in, credentials.ErrTicket)
	}
	if c.Uses > 0 {
		c.Consume()
		if err := t.save(c); err != nil {
			return out, nil, err
		}
	}
	out = c.Open(in.SID, t.head(in.Account).Account, in.Agent, in.Reason, t.now)
	return out, nil, t.open(&out, attempt)
}

// refusePassword records the refusal where an agent is behind it. A holder's
// writes nothing but what a right password earned.
func (t *tx) refusePassword(in credentials.PasswordTry, why error) error {
	var none *credentials.NoMatch
	if in.Agent == nil && errors.As(why, &none) {
		return nil
	}
	_, err := t.record(in.Account, credentials.DraftRefusedPassword(in, why))
	return err
}
