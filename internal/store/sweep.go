package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// The job that writes down what has ended by itself. Nothing depends on it:
// every verb decides for itself whether a time has come.
const (
	sweepEvery  = 2 * time.Second
	sweepBatch  = 200
	lapseAfter  = time.Minute // twice what a hash may wait and a verb may take
	keepTries   = 48 * time.Hour
	keepKeys    = 48 * time.Hour
	keepGrants  = 48 * time.Hour // after the session's end: apps may report an action, and ask why it was refused, so late
	pruneEvery  = time.Hour
	otpStep     = 30 // seconds, RFC 6238
	expiredText = string(credentials.Expired)
)

// When something that lives will be over: what is over is not found by it. These
// are the very expressions of indexes.
const (
	sessionDue    = `CASE WHEN ended_at = 0 THEN due_at END`
	credentialDue = `CASE WHEN state = 'live' THEN redeem_by END`
	receiptDue    = `CASE WHEN state = 'waiting' THEN tokens_until END`
	receiptDone   = `CASE WHEN state <> 'waiting' AND logout_next = 0 THEN tokens_until END`
)

const (
	dueSessions   = `SELECT sid, account FROM sessions WHERE ` + sessionDue + ` <= $1 ORDER BY ` + sessionDue + ` LIMIT $2`
	expiredLive   = `SELECT id, account FROM credentials WHERE ` + credentialDue + ` <= $1 ORDER BY ` + credentialDue + ` LIMIT $2`
	markExpired   = `UPDATE credentials SET state = $2, verifier = NULL WHERE id = $1 AND state = 'live' AND redeem_by <= $3`
	unsettled     = `SELECT id, account FROM tries WHERE state = 'reserved' AND at <= $1 ORDER BY at LIMIT $2`
	readUnsettled = `SELECT agent, pins FROM tries WHERE id = $1 AND state = 'reserved'`
	ofEnded       = ` <= $1 AND EXISTS (SELECT 1 FROM sessions s WHERE s.sid = t.sid AND s.ended_at <> 0 AND s.ended_at <= $1) ORDER BY 2 LIMIT $2`
	pruneGrants   = `DELETE FROM grants WHERE id IN (SELECT id FROM (SELECT id, at FROM grants t WHERE at` + ofEnded + `) old)`
	pruneRefresh  = `DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM (SELECT hash, made_at FROM refresh_tokens t WHERE made_at` + ofEnded + `) old)`
	pruneTries    = `DELETE FROM tries WHERE state IN ('` + tryWrong + `', '` + tryRight + `', '` + tryLapsed + `') AND at <= $1` // by the index on state
	pruneKeys     = `DELETE FROM idempotency WHERE at <= $1`
	pruneOTP      = `DELETE FROM otp_used WHERE step <= $1`
	pruneHours    = `DELETE FROM wrong_hours WHERE hour <= $1`
)

// Sweep runs the job until ctx ends.
func (s *Store) Sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var pruned time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.checkClock(ctx) // it may have jumped this moment, and what is done cannot be undone
		if err == nil {
			err = s.SweepOnce(ctx)
		}
		if err == nil && time.Since(pruned) > pruneEvery {
			err, pruned = s.prune(ctx), time.Now()
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("what has ended by itself could not be written down; it is refused all the same", "error", err)
		}
	}
}

// SweepOnce writes down up to a batch of each: sessions whose time has come,
// credentials that expired, tries that were never settled; and deletes up to a
// batch of the codes and refresh tokens of sessions that are long over, and the
// endings that nobody needs.
func (s *Store) SweepOnce(ctx context.Context) error {
	if err := s.Clock(); err != nil {
		return err // what the job writes cannot be undone
	}
	now := s.now()
	return errors.Join(
		s.sweep(ctx, dueSessions, now, s.sweepSession),
		s.sweep(ctx, expiredLive, now, s.sweepCredential),
		s.sweep(ctx, unsettled, now.Add(-lapseAfter), s.sweepTry),
		s.pruneTokens(ctx, s.Past()),
		s.pruneEndings(ctx),
	)
}

func (s *Store) sweep(ctx context.Context, query string, until time.Time, f func(ctx context.Context, id, account string) error) error {
	type candidate struct{ id, account string }
	var due []candidate
	err := s.query(ctx, query, []any{micros(until), sweepBatch}, func(r row) error {
		var d candidate
		err := r.Scan(&d.id, &d.account)
		due = append(due, d)
		return err
	})
	for _, d := range due {
		if err == nil {
			err = f(ctx, d.id, d.account)
		}
	}
	return err
}

// sweepSession ends a session whose time has come, or finds when to look again.
func (s *Store) sweepSession(ctx context.Context, sid, account string) error {
	return s.verb(ctx, func(t *tx) error {
		if err := t.hold(account); err != nil {
			return err
		}
		found, ended, err := t.live(sid)
		if err != nil || ended != nil {
			return err
		}
		return t.put(putOff, sid, micros(found.DueAt()))
	})
}

func (s *Store) sweepCredential(ctx context.Context, id, account string) error {
	return s.verb(ctx, func(t *tx) error {
		if err := t.hold(account); err != nil {
			return err
		}
		_, err := t.exec(markExpired, id, expiredText, micros(t.now))
		return err
	})
}

// sweepTry records a try that was reserved and never settled.
func (s *Store) sweepTry(ctx context.Context, id, account string) error {
	return s.verb(ctx, func(t *tx) error {
		if err := t.hold(account); err != nil {
			return err
		}
		return t.lapse(account, id)
	})
}

// lapse records a try of a held account that nobody will settle; it stays spent.
func (t *tx) lapse(account, id string) error {
	var agent, pins string
	found, err := t.one(readUnsettled, []any{id}, &agent, &pins)
	if err != nil || !found {
		return err
	}
	if _, err := t.exec(settleTry, id, tryLapsed, ""); err != nil {
		return err
	}
	burned, err := t.spend(account, pins)
	if err != nil {
		return err
	}
	return t.record(account, credentials.DraftLapsedTry(agent, strings.Fields(pins), burned))
}

// pruneTokens deletes codes and refresh tokens that nothing can need any more: of
// a session that has ended every use is refused, with them or without; and what
// was used once and is too old to be used again. It holds no account.
func (s *Store) pruneTokens(ctx context.Context, now time.Time) error {
	return s.guarded(ctx, func(t *tx) error {
		for _, query := range []string{pruneGrants, pruneRefresh} {
			if _, err := t.exec(query, micros(now.Add(-keepGrants)), sweepBatch); err != nil {
				return err
			}
		}
		_, err := t.exec(pruneOnce, micros(now))
		return err
	})
}

// prune deletes what no limit looks back to any more.
func (s *Store) prune(ctx context.Context) error {
	now := s.Past()
	defer s.believe()
	return s.guarded(ctx, func(t *tx) error {
		for _, step := range []struct {
			query string
			until int64
		}{
			{pruneTries, micros(now.Add(-keepTries))},
			{pruneKeys, micros(now.Add(-keepKeys))},
			{pruneHours, hour(now.Add(-keepTries))},
			{pruneOTP, now.Add(-keepTries).Unix() / otpStep},
			{dropInstances, micros(now.Add(-keepInstances))},
			{dropNodes, micros(now.Add(-keepInstances))},
		} {
			if _, err := t.exec(step.query, step.until); err != nil {
				return err
			}
		}
		return nil
	})
}
