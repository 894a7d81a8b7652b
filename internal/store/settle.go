package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/valetkey/valetkey/credentials"
)

const (
	countWrong = `INSERT INTO wrong_hours (hour, n, weak) VALUES ($1, $2, $3)
ON CONFLICT (hour) DO UPDATE SET n = wrong_hours.n + excluded.n, weak = wrong_hours.weak + excluded.weak`
	settleTry  = `UPDATE tries SET state = $2, sid = $3 WHERE id = $1 AND state = 'reserved'`
	forgiveTry = `UPDATE tries SET forgiven = 1 WHERE agent = $1 AND account = $2 AND state <> 'reserved' AND forgiven = 0`

	// One statement for all PINs of a try, so that the number of statements
	// does not tell how many there are. $2 lists their ids; a PIN that has
	// died meanwhile has no tries left to count.
	triedPINs  = ` WHERE account = $1 AND state = 'live' AND kind = 'pin' AND replace($2, id, '') <> $2`
	returnPINs = `UPDATE credentials SET reserved = reserved - 1` + triedPINs
	spendPINs  = `UPDATE credentials SET reserved = reserved - 1, wrong = wrong + 1,
state = CASE WHEN wrong + 1 >= tries THEN 'burned' ELSE state END,
verifier = CASE WHEN wrong + 1 >= tries THEN NULL ELSE verifier END` + triedPINs + ` RETURNING id, state`
	agentTries = `SELECT count(*), coalesce(sum(weak), 0) FROM tries WHERE state IN ('wrong', 'lapsed') AND at > $2 AND agent = $1 AND forgiven = 0`
)

// Settle implements credentials.Store.
func (s *Store) Settle(ctx context.Context, in credentials.Settlement) (credentials.Outcome, error) {
	var out credentials.Outcome
	var refusal error
	err := s.guarded(ctx, func(t *tx) error {
		out, refusal = credentials.Outcome{}, nil
		suspended, err := t.agent(in.Agent)
		if err != nil {
			return err
		}
		if err := t.hold(in.Account); err != nil {
			return err
		}
		switch {
		case in.Matched == "":
			refusal, err = t.noMatch(in)
			return err
		case suspended:
			refusal = credentials.ErrSuspended
			return t.refuse(in, refusal)
		}
		out, refusal, err = t.right(in)
		return err
	})
	if err == nil {
		err = refusal
	}
	return out, err
}

// countWrong counts a wrong try of the whole installation. One that a limit
// kept from being compared is not known to be wrong: if it counted, people with
// right PINs would hold the limit up themselves. It takes the same statement.
// The hour's row is everybody's, so it is the last that is locked.
func (t *tx) countWrong(in credentials.Settlement) error {
	n := flag(!in.Closed)
	return t.put(countWrong, hour(t.now), n, n*flag(credentials.Weak(in.Digits)))
}

// noMatch settles a wrong try. The one that uses up the agent's day is answered
// with the suspension that it calls for.
func (t *tx) noMatch(in credentials.Settlement) (refusal, err error) {
	if err := t.wrong(in, nil); err != nil {
		return nil, err
	}
	var f credentials.TryFacts
	day := t.now.Add(-credentials.DayWindow)
	if _, err := t.one(agentTries, []any{in.Agent.Key(), micros(day)}, &f.Agent, &f.AgentWeak); err != nil {
		return nil, err
	}
	refusal = &credentials.NoMatch{Left: max(in.Left-1, 0)}
	if f.Suspends(in.Digits) {
		refusal = credentials.ErrSuspended
	}
	return refusal, t.countWrong(in)
}

// wrong spends the try on every PIN that it was reserved on, and kills those
// whose tries are used up. why is nil unless a right PIN was refused.
func (t *tx) wrong(in credentials.Settlement, why error) error {
	burned, err := t.spend(in.Account, strings.Join(ids(in.PINs), " "))
	if err != nil {
		return err
	}
	if err := t.settle(in.ID, tryWrong, ""); err != nil {
		return err
	}
	return t.record(in.Account, credentials.DraftRefusedTry(in, why, burned))
}

// spend turns a reserved try of these PINs into a wrong one. A PIN is dead when
// its tries are used up; those are returned.
func (t *tx) spend(account, pins string) (burned []string, err error) {
	err = t.each(spendPINs, func(r row) error {
		var id string
		var state credentials.State
		if err := r.Scan(&id, &state); err != nil {
			return err
		}
		if state == credentials.Burned {
			burned = append(burned, id)
		}
		return nil
	}, account, pins)
	return burned, err
}

// settle gives the try its outcome. A try that has lapsed, or was settled, is
// not settled again: its reservations are spent.
func (t *tx) settle(try, state, sid string) error {
	n, err := t.exec(settleTry, try, state, sid)
	if err == nil && n == 0 {
		err = fmt.Errorf("the try was settled before: %w", credentials.ErrBusy)
	}
	return err
}

// refuse gives the try back, because the PIN was right, and records why
// nothing was opened.
func (t *tx) refuse(in credentials.Settlement, why error) error {
	if err := t.giveBack(in, ""); err != nil {
		return err
	}
	return t.record(in.Account, credentials.DraftRefusedTry(in, why, nil))
}

// giveBack returns the try to every PIN that it was reserved on.
func (t *tx) giveBack(in credentials.Settlement, sid string) error {
	if err := t.put(returnPINs, in.Account, strings.Join(ids(in.PINs), " ")); err != nil {
		return err
	}
	return t.settle(in.ID, tryRight, sid)
}

// right consumes a use of the PIN that matched, if it can still be used, for
// what it was asked for.
func (t *tx) right(in credentials.Settlement) (out credentials.Outcome, refusal, err error) {
	c, err := t.credential(in.Account, in.Matched)
	if err != nil {
		return out, nil, err
	}
	if refusal = c.Usable(t.now); refusal != nil {
		return out, refusal, t.refuse(in, refusal)
	}
	if !c.Names(in.Reason) {
		return out, credentials.ErrTicket, t.wrongTicket(in, c)
	}
	c.Consume()
	if err := t.save(c); err != nil {
		return out, nil, err
	}
	account := t.head(in.Account).Account
	if in.Verify {
		out.Verified = c.Verify(account, in.Reason, t.now)
		err = t.verified(in, out.Verified)
	} else {
		out.Session = c.Open(in.SID, account, &in.Agent, in.Reason, t.now)
		err = t.entered(in, &out.Session)
	}
	if err == nil {
		err = t.put(forgiveTry, in.Agent.Key(), in.Account)
	}
	return out, nil, err
}

func (t *tx) entered(in credentials.Settlement, s *credentials.Session) error {
	if err := t.giveBack(in, s.ID); err != nil {
		return err
	}
	first, err := t.open(s, "pin/"+in.ID)
	if err == nil && !first {
		err = fmt.Errorf("the try has opened a session before: %w", credentials.ErrBusy)
	}
	return err
}

const keepVerified = `UPDATE tries SET verified = $2, verified_at = $3, reason = $4 WHERE id = $1`

// verified keeps what the attempt is answered with when it is sent again.
func (t *tx) verified(in credentials.Settlement, v credentials.Verified) error {
	if err := t.giveBack(in, ""); err != nil {
		return err
	}
	if err := t.put(keepVerified, in.ID, v.Credential, micros(v.At), v.Reason); err != nil {
		return err
	}
	return t.record(in.Account, credentials.DraftVerified(in, v))
}

// wrongTicket refuses a right PIN whose ticket was not named. That costs
// nothing, three times; from then on it costs a try.
func (t *tx) wrongTicket(in credentials.Settlement, c credentials.Credential) error {
	c.TicketMisses++
	if err := t.save(c); err != nil {
		return err
	}
	if c.TicketMisses <= credentials.FreeTicketMisses {
		return t.refuse(in, credentials.ErrTicket)
	}
	return t.wrong(in, credentials.ErrTicket)
}
