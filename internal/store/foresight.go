package store

import (
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/credentials"
)

// foreseen is an account's row as it stood, with what was read together with it
// or written last: what a transaction of PostgreSQL would read again after
// locking the row, if nobody has come in between. Whatever ends, uses up or
// replaces what is lent appends to the account's record, and so moves the hash.
type foreseen struct {
	head       head
	session    credentials.Session    // that was opened
	credential credentials.Credential // that was found
	at         time.Time
	until      time.Time // by when the session or credential is over by itself
}

// Both fail where there is no row as it was foreseen, or none at all. The account's
// is looked at as it stands when nobody else holds it any more; the second is for a
// session, whose newer proof leaves no entry.
const (
	saveForeseen = `WITH its AS (` + saveAccount + ` AND hash = $5 RETURNING 1) SELECT 1 / count(*) FROM its`
	saveProven   = saveForeseen + `, sessions WHERE sid = $6 AND auth_time = $7 AND ended_at = 0`
)

// foresee holds an account by a guess: nothing is asked of the database, which
// confirms it as the first thing in the trip that all else goes with, or undoes
// the transaction; the verb then runs once more and looks. See Store.once.
//
// Of what is over by itself soon there is no guess: no entry says that somebody has
// marked a credential as expired, whose clock is ahead, or has put off a session's
// idle end.
func (t *tx) foresee(g *foreseen) (bool, error) {
	if g == nil || t.careful || g.until.Sub(t.now) < foresight {
		return false, nil
	}
	h := g.head
	h.pending = []any{h.ID, h.chain.Seq, h.chain.Hash, micros(h.chain.At), h.chain.Hash}
	t.heads, t.guessed = append(t.heads, &h), true
	if g.session.ID == "" {
		return true, t.put(saveForeseen, h.pending...)
	}
	h.pending = append(h.pending, g.session.ID, micros(g.session.AuthTime))
	return true, t.put(saveProven, h.pending...)
}

// send sends what was put, and waits for it.
func (t *tx) send() error {
	if err := t.sending(); err != nil {
		return err
	}
	return t.q.settle()
}

// sending tells the heads that what was put is sent now: a guess is then a lock,
// and the record's end is saved later, as that of any other. Entries go along.
func (t *tx) sending() error {
	for _, h := range t.heads {
		h.pending = nil
		if err := h.write(t); err != nil {
			return err
		}
	}
	return nil
}

// moved reports whether a guess was refused.
func moved(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "22012" // division by zero, of which there is no other
}

// Limits of what is foreseen: how long it may take from the opening of a session
// to the first token, beyond which the guess is forgotten, and of how many. It is
// longer than a verb may take and clocks may differ: see foresee.
const (
	foresight    = time.Minute
	mostForeseen = 512 // in either half: see guesses
)

// guesses are what the sessions that this node has opened will be asked for next.
// A wrong one costs a trip, none is believed.
type guesses struct {
	mu         sync.Mutex
	young, old map[string]*foreseen // by sid
	turned     time.Time
}

// keep remembers what a transaction leaves of a session that it opens.
func (g *guesses) keep(s credentials.Session, h head, now time.Time) {
	h.pending, h.dirty = nil, false
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.young == nil || len(g.young) >= mostForeseen || now.Sub(g.turned) >= foresight {
		g.young, g.old, g.turned = map[string]*foreseen{}, g.young, now
	}
	g.young[s.ID] = &foreseen{head: h, session: apart(s), at: now, until: s.DueAt()}
}

// shown is how long a session that was opened is shown as it was opened.
const shown = 2 * time.Second

// peek returns a session that was opened just now and has had no other verb.
func (g *guesses) peek(sid string, now time.Time) (s credentials.Session, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, some := range []map[string]*foreseen{g.young, g.old} {
		if f := some[sid]; f != nil && now.Sub(f.at) < shown && !now.Before(f.at) {
			return apart(f.session), true
		}
	}
	return s, false
}

// forget is for what has ended.
func (g *guesses) forget(sid string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.young, sid)
	delete(g.old, sid)
}

// JustOpened implements credentials.Store: from memory on PostgreSQL, where a look
// is a trip. SQLite is asked.
func (s *Store) JustOpened(sid string) (credentials.Session, bool) {
	return s.guesses.peek(sid, s.now())
}

// take forgets it and returns it, nil for none that is worth trying.
func (g *guesses) take(account, sid string, now time.Time) *foreseen {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, some := range []map[string]*foreseen{g.young, g.old} {
		if f, ok := some[sid]; ok {
			delete(some, sid)
			if f.head.ID != account || now.Sub(f.at) >= foresight {
				return nil
			}
			return f
		}
	}
	return nil
}
