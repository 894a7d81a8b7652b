package store

import (
	"context"
	"errors"
	"strings"

	"github.com/valetkey/valetkey/credentials"
)

const (
	selectLogin = `SELECT account, id, holder, verifier FROM credentials WHERE email = $1 AND kind = 'password'`
	// With its account, for PostgreSQL.
	foreseeLogin = `SELECT ` + credentialColumns + `, verifier, connector, name, handle, salt, seq, hash, at FROM credentials
JOIN (SELECT id AS its_account, connector, name, handle, salt, seq, hash, at FROM accounts) h ON its_account = account
WHERE email = $1 AND kind = 'password'`
)

// Login implements credentials.Store.
func (s *Store) Login(ctx context.Context, email string) (out credentials.Login, err error) {
	if !s.engine.file {
		return s.foreseeLogin(ctx, email)
	}
	err = s.query(ctx, selectLogin, []any{email}, func(r row) error {
		var holder int64
		err := r.Scan(&out.Account, &out.Credential, &holder, &out.Verifier)
		out.Holder = holder != 0
		return err
	})
	return out, err
}

// foreseeLogin is Login with all that its redemption will want to know.
func (s *Store) foreseeLogin(ctx context.Context, email string) (out credentials.Login, err error) {
	err = s.query(ctx, foreseeLogin, []any{email}, func(r row) error {
		f, at := &foreseen{}, int64(0)
		h := &f.head
		c, err := scanCredential(r, &out.Verifier, &h.Connector, &h.Name, &h.Handle, &h.salt, &h.chain.Seq, &h.chain.Hash, &at)
		h.ID, h.chain.At, f.credential, f.until = c.Account, fromMicros(at), c, c.RedeemBy
		out.Account, out.Credential, out.Holder, out.Seen = c.Account, c.ID, c.Holder, f
		return err
	})
	return out, err
}

// RedeemPassword implements credentials.Store: one transaction.
func (s *Store) RedeemPassword(ctx context.Context, in credentials.PasswordTry) (credentials.Session, error) {
	var out credentials.Session
	var refusal error
	err := s.guarded(ctx, func(t *tx) (err error) {
		out, refusal = credentials.Session{}, nil
		agent, suspended := "", int64(0)
		if in.Agent != nil {
			if err := t.agentSoon(*in.Agent, &suspended); err != nil {
				return err
			}
			agent = in.Agent.Key()
		}
		c, found, err := t.tried(in)
		if err != nil {
			return err
		}
		if t.head(in.Account) == nil {
			return credentials.ErrNotFound
		}
		if in.Holder {
			agent = ""
		}
		attempt := strings.Join([]string{"password", agent, in.Credential, in.ID}, "/")
		switch {
		case suspended != 0:
			refusal = credentials.ErrSuspended
		case !in.Right:
			refusal = &credentials.NoMatch{Left: -1}
		case !found || c.Account != in.Account:
			return credentials.ErrNotFound
		default:
			out, refusal, err = t.password(in, c, attempt)
			return err
		}
		return t.refusePassword(in, refusal)
	})
	if err == nil {
		err = refusal
	}
	return out, err
}

// tried holds the account of a login and finds the credential. Of an agent it is
// to be asked first whether they are suspended, so that nothing is saved by a guess.
func (t *tx) tried(in credentials.PasswordTry) (credentials.Credential, bool, error) {
	if guess, _ := in.Seen.(*foreseen); in.Agent == nil {
		if ok, err := t.foresee(guess); ok {
			return guess.credential, true, err
		}
	}
	if err := t.holdSoon(in.Account); err != nil {
		return credentials.Credential{}, false, err
	}
	return t.findCredential(in.Credential)
}

// password opens a session by a right password. Sent twice, it has the session
// that it opened: the attempt's name is taken then, or the login used up.
func (t *tx) password(in credentials.PasswordTry, c credentials.Credential, attempt string) (out credentials.Session, refusal, err error) {
	if refusal = c.Usable(t.now); refusal == nil && !c.Names(in.Reason) {
		refusal = credentials.ErrTicket
	}
	if refusal == nil {
		out = c.Open(in.SID, t.head(in.Account).Account, in.Agent, in.Reason, t.now)
		free, err := t.open(&out, attempt)
		if err != nil {
			return out, nil, err
		}
		if free {
			return out, nil, t.useUp(c)
		}
	}
	before, live, err := t.attempted(attempt)
	if err != nil || live {
		return before, nil, err
	}
	if refusal == nil { // what it opened has ended: it is another attempt now
		if _, err = t.open(&out, attempt+"/"+credentials.NewID()); err == nil {
			err = t.useUp(c)
		}
		return out, nil, err
	}
	if refusal == credentials.ErrTicket { //nolint:errorlint // set above
		c.MissTicket()
		err = t.save(c)
	}
	if err == nil {
		err = t.refusePassword(in, refusal)
	}
	return credentials.Session{}, refusal, err
}

// useUp takes one use of a login, if they are counted.
func (t *tx) useUp(c credentials.Credential) error {
	if c.Uses == 0 {
		return nil
	}
	c.Consume()
	return t.save(c)
}

// attempted finds the session that an attempt has opened, if it lives.
func (t *tx) attempted(attempt string) (s credentials.Session, live bool, err error) {
	s, found, err := t.session(selectByAttempt, attempt)
	_, due := s.Due(t.now)
	return s, err == nil && found && !s.Ended() && !due, err
}

// refusePassword records the refusal where an agent is behind it. A holder's
// writes nothing but what a right password earned.
func (t *tx) refusePassword(in credentials.PasswordTry, why error) error {
	var none *credentials.NoMatch
	if in.Agent == nil && errors.As(why, &none) {
		return nil
	}
	return t.record(in.Account, credentials.DraftRefusedPassword(in, why))
}
