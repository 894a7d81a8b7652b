package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// sessionColumns are in the order of scanSession.
const sessionColumns = `sid, account, account_name, handle, credential, kind, policy, agent, agent_issuer, agent_sub, agent_name, agent_email,
connector, scopes, ticket, reason, contact, email, owner_sub, opened_at, ends_at, idle, active_at, auth_time, amr, ended_at, cause,
coalesce(status_index, 0)`

// scanSession reads a session, and what a query selects after its columns.
func scanSession(r row, more ...any) (credentials.Session, error) {
	var s credentials.Session
	var a credentials.Agent
	var agent, scopes, amr string
	var opened, ends, idle, active, auth, ended int64
	err := r.Scan(append([]any{&s.ID, &s.Account.ID, &s.Account.Name, &s.Account.Handle, &s.Credential, &s.Kind, &s.Policy,
		&agent, &a.Issuer, &a.Subject, &a.Name, &a.Email, &a.Connector, &scopes, &s.Ticket, &s.Reason, &s.Contact, &s.Email, &s.OwnerSub,
		&opened, &ends, &idle, &active, &auth, &amr, &ended, &s.Cause, &s.StatusIndex}, more...)...)
	s.Scopes, s.AMR = strings.Fields(scopes), strings.Fields(amr)
	s.OpenedAt, s.EndsAt, s.Idle, s.ActiveAt = fromMicros(opened), fromMicros(ends), time.Duration(idle)*time.Microsecond, fromMicros(active)
	s.AuthTime, s.EndedAt = fromMicros(auth), fromMicros(ended)
	if agent != "" {
		a.AuthTime, a.AMR = s.AuthTime, s.AMR
		if a.Subject == "" {
			a.Erased = agent
		}
		s.Agent = &a
	}
	return s, err
}

// gather appends every session that a query finds.
func gather(out *[]credentials.Session) func(row) error {
	return func(r row) error {
		s, err := scanSession(r)
		*out = append(*out, s)
		return err
	}
}

const insertSession = `INSERT INTO sessions (sid, attempt, account, account_name, handle, credential, kind, policy, agent,
agent_issuer, agent_sub, agent_name, agent_email, connector, scopes, ticket, reason, contact, email, owner_sub,
opened_at, ends_at, idle, active_at, due_at, auth_time, amr, ended_at, cause, status_index)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, 0, '', $28)
ON CONFLICT DO NOTHING`

// open stores a new session and its entry, unless the attempt has opened one
// before. It gives the session its place in the status list: a random one, and
// another where that is taken.
func (t *tx) open(s *credentials.Session, attempt string) (first bool, err error) {
	var a credentials.Agent
	if s.Agent != nil {
		a = *s.Agent
	}
	for try := 0; ; try++ {
		if try == statusTries {
			return false, errors.New("no place in the status list is free")
		}
		s.StatusIndex = t.s.place(try)
		first, err = t.add(insertSession, s.ID, attempt, s.Account.ID, s.Account.Name, s.Account.Handle, s.Credential, string(s.Kind), s.Policy,
			s.AgentKey(), a.Issuer, a.Subject, a.Name, a.Email, a.Connector, strings.Join(s.Scopes, " "), s.Ticket, s.Reason, s.Contact,
			s.Email, s.OwnerSub, micros(s.OpenedAt), micros(s.EndsAt), s.Idle.Microseconds(), micros(s.ActiveAt), micros(s.DueAt()),
			micros(s.AuthTime), strings.Join(s.AMR, " "), s.StatusIndex)
		if err != nil {
			return false, err
		}
		if first {
			t.opened = s
			break
		}
		if _, taken, err := t.session(selectByAttempt, attempt); err != nil || taken {
			return false, err
		}
	}
	return true, t.record(s.Account.ID, credentials.DraftOpened(*s))
}

const (
	selectSession   = `SELECT ` + sessionColumns + ` FROM sessions WHERE sid = $1`
	selectSessions  = `SELECT ` + sessionColumns + ` FROM sessions WHERE sid = ANY($1)` // on PostgreSQL
	selectByAttempt = `SELECT ` + sessionColumns + ` FROM sessions WHERE attempt = $1`
)

// session reads a session inside the transaction.
func (t *tx) session(query string, args ...any) (found credentials.Session, ok bool, err error) {
	err = t.each(query, func(r row) error {
		ok = true
		found, err = scanSession(r)
		return err
	}, args...)
	return found, ok, err
}

// Session implements credentials.Store.
func (s *Store) Session(ctx context.Context, sid string) (credentials.Session, error) {
	if !s.engine.file {
		return s.together.session(ctx, sid)
	}
	found, err := s.sessions(ctx, selectSession, sid)
	if _, ok := found[sid]; err == nil && !ok {
		err = credentials.ErrNotFound
	}
	return found[sid], err
}

// sessionsNow reads sessions by their ids, those that there are.
func (s *Store) sessionsNow(ctx context.Context, sids []string) (map[string]credentials.Session, error) {
	if len(sids) == 1 {
		return s.sessions(ctx, selectSession, sids[0])
	}
	return s.sessions(ctx, selectSessions, sids)
}

func (s *Store) sessions(ctx context.Context, query string, arg any) (map[string]credentials.Session, error) {
	out := map[string]credentials.Session{}
	err := s.query(ctx, query, []any{arg}, func(r row) error {
		found, err := scanSession(r)
		out[found.ID] = found
		return err
	})
	return out, err
}

// Activity puts the session's end off, and due_at is left as it is: when the job
// looks at the session then, it finds the new one. Of what a session's indexes hold
// nothing changes with each token and action, and PostgreSQL writes none of them.
const (
	touchSession = `UPDATE sessions SET active_at = $2 WHERE sid = $1 AND ended_at = 0`
	putOff       = `UPDATE sessions SET due_at = $2 WHERE sid = $1 AND ended_at = 0`
)

// live reads a session of a held account; see alive.
func (t *tx) live(sid string) (credentials.Session, *credentials.EndedError, error) {
	found, ok, err := t.session(selectSession, sid)
	if err != nil {
		return found, nil, err
	}
	return t.alive(found, ok)
}

// alive looks at a session that was found in a held account, and ends it if its
// time has come. ended is then not nil, and the transaction is to be committed.
func (t *tx) alive(found credentials.Session, ok bool) (_ credentials.Session, ended *credentials.EndedError, err error) {
	if !ok || t.head(found.Account.ID) == nil {
		return found, nil, credentials.ErrNotFound
	}
	if cause, due := found.Due(t.now); due {
		if found, err = t.end(found, cause, credentials.Mark{Who: "broker"}); err != nil {
			return found, nil, err
		}
	}
	if found.Ended() {
		return found, &credentials.EndedError{At: found.EndedAt, Cause: found.Cause}, nil
	}
	return found, nil, nil
}

// noted is how much newer activity has to be than what is noted. A session's row
// is not written again for each of many tokens and actions; its idle end may come
// that much sooner, and is what its tokens expire by.
const noted = time.Second

// active counts as activity.
func (t *tx) active(s *credentials.Session) error {
	if t.now.Sub(s.ActiveAt) < noted {
		return nil
	}
	s.ActiveAt = t.now
	return t.put(touchSession, s.ID, micros(s.ActiveAt))
}

// within holds the account, reads the session if it lives, and runs f. An end
// that was due, or that f calls for by returning it, is committed and returned.
func (s *Store) within(ctx context.Context, account, sid string, guess *foreseen, f func(*tx, *credentials.Session) error) (credentials.Session, error) {
	return s.upon(ctx, func(t *tx) (found credentials.Session, ok bool, err error) {
		if ok, err = t.foresee(guess); ok {
			return apart(guess.session), true, err
		}
		if err := t.holdSoon(account); err != nil {
			return found, false, err
		}
		return t.session(selectSession, sid)
	}, f)
}

// upon is within for a session that look finds, with its account held.
func (s *Store) upon(ctx context.Context, look func(*tx) (credentials.Session, bool, error), f func(*tx, *credentials.Session) error) (credentials.Session, error) {
	var out credentials.Session
	var ended *credentials.EndedError
	err := s.guarded(ctx, func(t *tx) error {
		found, ok, err := look(t)
		if err != nil {
			return err
		}
		if out, ended, err = t.alive(found, ok); err != nil || ended != nil {
			return err
		}
		return f(t, &out)
	})
	if err == nil && ended != nil {
		return out, ended
	}
	return out, err
}

const proveSession = `UPDATE sessions SET auth_time = $2 WHERE sid = $1`

// Touch implements credentials.Store. It foresees nothing: of two proofs that come
// at once the newer one has to stay.
func (s *Store) Touch(ctx context.Context, account, sid string, proof time.Time) (credentials.Session, error) {
	s.guesses.forget(sid)
	return s.within(ctx, account, sid, nil, func(t *tx, found *credentials.Session) error {
		if proof.After(found.AuthTime) {
			found.AuthTime = proof
			if err := t.put(proveSession, sid, micros(proof)); err != nil {
				return err
			}
		}
		return t.active(found)
	})
}

// End implements credentials.Store. It works whatever the clock says.
func (s *Store) End(ctx context.Context, account, sid string, cause credentials.Cause, by credentials.Mark) (credentials.Session, error) {
	var out credentials.Session
	err := s.verb(ctx, func(t *tx) error {
		if err := t.holdSoon(account); err != nil {
			return err
		}
		found, ok, err := t.session(selectSession, sid)
		if err != nil {
			return err
		}
		if !ok || found.Account.ID != account || t.head(account) == nil {
			return credentials.ErrNotFound
		}
		if cause == credentials.CauseIdle || cause == credentials.CauseTime {
			// Decided on a look without locks: it may have been used since.
			now, due := found.Due(t.now)
			if !due {
				out = found
				return nil
			}
			cause = now
		}
		out, err = t.end(found, cause, by)
		return err
	})
	return out, err
}
