package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// States of a try. One that is reserved counts as wrong until it is settled.
const (
	tryReserved = "reserved"
	tryWrong    = "wrong"
	tryRight    = "right"
	tryLapsed   = "lapsed" // never settled; stays spent
)

const (
	holdAgent = `INSERT INTO agents (id, issuer, subject, name, email, seen_at, suspended_at) VALUES ($1, $2, $3, $4, $5, $6, 0)
ON CONFLICT (id) DO UPDATE SET issuer = excluded.issuer, subject = excluded.subject, name = excluded.name, email = excluded.email, seen_at = excluded.seen_at RETURNING suspended_at`
	findHandle = `SELECT id FROM accounts WHERE handle_key = $1 AND id <> '' AND ($2 = '' OR connector = $2)`
	insertTry  = `INSERT INTO tries (id, agent, account, weak, at, state, compared, forgiven, pins, sid)
VALUES ($1, $2, $3, $4, $5, 'reserved', 0, 0, '', '') ON CONFLICT DO NOTHING`
	selectTry = `SELECT state, agent, account, sid, verified, verified_at, reason FROM tries WHERE id = $1`
)

// sent is what is known of an attempt that came before.
type sent struct {
	state, agent, account string
	sid                   string // of the session that it opened
	verified              string // the credential that it verified a caller by
	at                    int64
	reason                string
}

func (b *sent) columns() []any {
	return []any{&b.state, &b.agent, &b.account, &b.sid, &b.verified, &b.at, &b.reason}
}

// agent takes the agent's row, by updating it: nothing opens a session of an
// agent beside a suspension of them.
func (t *tx) agent(a credentials.Agent) (suspended bool, err error) {
	var at int64
	if err = t.agentSoon(a, &at); err == nil {
		err = t.send()
	}
	return at != 0, err
}

// agentSoon is agent by the time that the next statement returns. at is then
// when they were suspended, 0 if they are not.
func (t *tx) agentSoon(a credentials.Agent, at *int64) error {
	return t.soon(holdAgent, func(r row) error { return r.Scan(at) }, a.Key(), a.Issuer, a.Subject, a.Name, a.Email, micros(t.now))
}

// resolve finds the account of a handle. An unknown one, and one that the
// attempt may not be about, gets the installation, so that everything after
// takes the same steps.
func (s *Store) resolve(ctx context.Context, try credentials.Try) (string, error) {
	account := itself
	err := s.query(ctx, findHandle, []any{try.Handle, try.Owners}, func(r row) error { return r.Scan(&account) })
	return account, err
}

// errInFlight says that the same attempt is being settled right now.
var errInFlight = errors.New("the same attempt is in flight")

// An attempt that was sent twice waits for the outcome of its first sending,
// looking for it this often. One that is not settled in flightLimit, longer than
// a hash and two verbs may take, was lost: what follows counts as another.
const (
	settlePoll  = 50 * time.Millisecond
	flightLimit = 40 * time.Second
)

// Reserve implements credentials.Store.
func (s *Store) Reserve(ctx context.Context, try credentials.Try) (credentials.Reservation, error) {
	account, err := s.resolve(ctx, try)
	if err != nil {
		return credentials.Reservation{}, err
	}
	for {
		if try.ID, err = s.landed(ctx, try); err != nil {
			return credentials.Reservation{}, err
		}
		out, err := s.reserve(ctx, try, account)
		if !errors.Is(err, errInFlight) {
			return out, err
		}
	}
}

// landed waits while the same attempt of the same agent is in flight, and
// returns the name to go on with.
func (s *Store) landed(ctx context.Context, try credentials.Try) (string, error) {
	for until := time.Now().Add(s.flight); ; time.Sleep(settlePoll) {
		var before sent
		found := false
		if err := s.query(ctx, selectTry, []any{try.ID}, scanning(&found, before.columns()...)); err != nil {
			return "", err
		}
		switch {
		case !found || before.state != tryReserved || before.agent != try.Agent.Key():
			return try.ID, nil
		case time.Now().After(until):
			return try.ID + "/" + credentials.NewID(), nil
		}
	}
}

func (s *Store) reserve(ctx context.Context, try credentials.Try, account string) (out credentials.Reservation, err error) {
	var refusal error
	err = s.guarded(ctx, func(t *tx) error {
		out, refusal = credentials.Reservation{Try: try, Account: account}, nil
		suspended, err := t.agent(try.Agent)
		if err != nil {
			return err
		}
		if err := t.hold(account); err != nil {
			return err
		}
		out.Salt = t.head(account).salt
		done, err := t.sentBefore(&out)
		if err != nil || done {
			return err
		}
		facts, err := t.tryFacts(out, suspended)
		if err != nil {
			return err
		}
		if out.Closed, out.Left, refusal = facts.Judge(try.Digits); refusal != nil {
			return t.record(account, credentials.DraftRefusedTry(credentials.Settlement{Reservation: out}, refusal, nil))
		}
		return t.reserve(&out)
	})
	if err == nil {
		err = refusal
	}
	return out, err
}

// sentBefore finds what became of the same attempt. A right one has the same
// outcome again, and none of the other kind; a refused one is another try, under
// a new name.
func (t *tx) sentBefore(r *credentials.Reservation) (done bool, err error) {
	var before sent
	found, err := t.one(selectTry, []any{r.ID}, before.columns()...)
	if err != nil || !found {
		return false, err
	}
	switch {
	case before.agent != r.Agent.Key():
	case before.state == tryReserved:
		return false, errInFlight
	case r.Verify && before.sid != "", !r.Verify && before.verified != "":
		return false, credentials.ErrKeyReused
	case before.sid != "":
		r.Before, err = t.openedBefore(before)
	case before.verified != "" && before.account == r.Account:
		r.Before, err = t.verifiedBefore(before)
	}
	if err != nil || r.Before != nil {
		return true, err
	}
	r.ID += "/" + credentials.NewID()
	return false, nil
}

// openedBefore is the session that the attempt opened, if it lives.
func (t *tx) openedBefore(before sent) (*credentials.Outcome, error) {
	s, ok, err := t.session(selectSession, before.sid)
	if err != nil || !ok || s.Ended() {
		return nil, err
	}
	if _, due := s.Due(t.now); due {
		return nil, nil
	}
	return &credentials.Outcome{Session: s}, nil
}

func (t *tx) verifiedBefore(before sent) (*credentials.Outcome, error) {
	c, err := t.credential(before.account, before.verified)
	if err != nil {
		return nil, err
	}
	return &credentials.Outcome{Verified: c.Verify(t.head(before.account).Account, before.reason, fromMicros(before.at))}, nil
}

const countable = ` FROM tries WHERE state IN ('reserved', 'wrong', 'lapsed') AND at > `

const (
	recentTries = `SELECT at` + countable + `$2 AND agent = $1 AND forgiven = 0 ORDER BY at DESC LIMIT 20`
	dayTries    = `SELECT
(SELECT count(*)` + countable + `$3 AND agent = $1 AND forgiven = 0),
(SELECT count(*)` + countable + `$3 AND agent = $1 AND forgiven = 0 AND weak = 1),
(SELECT count(*)` + countable + `$3 AND account = $2 AND compared > 0),
(SELECT count(*)` + countable + `$3 AND account = $2 AND compared > 0 AND weak = 1),
(SELECT coalesce(sum(n), 0) FROM wrong_hours WHERE hour >= $4),
(SELECT coalesce(sum(weak), 0) FROM wrong_hours WHERE hour >= $4)`
)

func (t *tx) tryFacts(r credentials.Reservation, suspended bool) (credentials.TryFacts, error) {
	f := credentials.TryFacts{Now: t.now, Suspended: suspended}
	err := t.each(recentTries, func(rows row) error {
		var at int64
		err := rows.Scan(&at)
		f.Recent = append(f.Recent, fromMicros(at))
		return err
	}, r.Agent.Key(), micros(t.now.Add(-credentials.PauseWindow)))
	if err != nil {
		return f, err
	}
	day := t.now.Add(-credentials.DayWindow)
	_, err = t.one(dayTries, []any{r.Agent.Key(), r.Account, micros(day), hour(day)},
		&f.Agent, &f.AgentWeak, &f.Account, &f.AccountWeak, &f.Installation, &f.InstallationWeak)
	return f, err
}

func hour(t time.Time) int64 { return t.Unix() / 3600 }

const (
	reservePINs = `UPDATE credentials SET reserved = reserved + 1
WHERE account = $1 AND state = 'live' AND digits = $2 AND redeem_by > $3 AND kind = 'pin' AND reserved + wrong < tries AND $4 = 0
RETURNING id, verifier`
	nameTried = `UPDATE tries SET compared = $2, pins = $3 WHERE id = $1`
)

// reserve takes one try of every live PIN of the account and length. Where a
// limit closes the account it takes none, by the same statements.
func (t *tx) reserve(r *credentials.Reservation) error {
	err := t.keepTry(r)
	if err != nil {
		return err
	}
	r.PINs = nil
	err = t.each(reservePINs, func(rows row) error {
		var c credentials.Candidate
		err := rows.Scan(&c.ID, &c.Verifier)
		r.PINs = append(r.PINs, c)
		return err
	}, r.Account, r.Digits, micros(t.now), flag(r.Closed))
	if err != nil {
		return err
	}
	return t.put(nameTried, r.ID, len(r.PINs), strings.Join(ids(r.PINs), " "))
}

// keepTry stores the try. Where somebody else's has its id, which can only have
// been sent at this very instant, it gets another one.
func (t *tx) keepTry(r *credentials.Reservation) error {
	for {
		first, err := t.add(insertTry, r.ID, r.Agent.Key(), r.Account, flag(credentials.Weak(r.Digits)), micros(t.now))
		if err != nil || first {
			return err
		}
		r.ID += "/" + credentials.NewID()
	}
}

func ids(pins []credentials.Candidate) []string {
	out := make([]string, 0, len(pins))
	for _, p := range pins {
		out = append(out, p.ID)
	}
	return out
}
