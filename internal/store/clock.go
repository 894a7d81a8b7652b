package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// How far a clock may be off before the node stops minting, redeeming and
// issuing.
const (
	maxSkew     = time.Second      // against PostgreSQL's clock
	maxBackward = 10 * time.Second // behind the mark kept in SQLite
	markEvery   = 5 * time.Second
)

const (
	databaseClock = `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`
	readMark      = `SELECT clock_mark FROM installation WHERE one = 1`
	writeMark     = `UPDATE installation SET clock_mark = $1 WHERE one = 1 AND clock_mark < $1`
)

// Clock implements credentials.Store.
func (s *Store) Clock() error {
	if s.clockBad.Load() || s.jumped(s.now()) {
		return credentials.ErrClock
	}
	return nil
}

// jumped reports whether the clock has been set since PostgreSQL's was like it:
// it went more or less far than the monotonic one did. It may be right now and not
// then, as after a machine was suspended; the next comparison tells.
func (s *Store) jumped(now time.Time) bool {
	like := s.like.Load()
	if like == nil {
		return false
	}
	by := now.Round(0).Sub(like.Round(0)) - s.elapsed(*like, now)
	return by.Abs() > maxSkew
}

// checkClock compares this node's clock with the database's (PostgreSQL) or
// with the latest time that the database has seen (SQLite). While it is off,
// verbs that mint, redeem or issue fail with credentials.ErrClock; revoking
// still works. The error is the database's.
func (s *Store) checkClock(ctx context.Context) error {
	query := readMark
	if !s.engine.file {
		query = databaseClock
	}
	before := s.now()
	var seen int64
	found := false
	if err := s.query(ctx, query, nil, scanning(&found, &seen)); err != nil {
		return err
	}
	now := s.now()
	if s.engine.file {
		return s.checkMark(ctx, now, fromMicros(seen))
	}
	// The database answered at some moment between before and now.
	off := max(before.Sub(fromMicros(seen)), fromMicros(seen).Sub(now))
	if off <= maxSkew && now.Sub(before) > maxSkew {
		return nil // it took so long to answer that this says nothing
	}
	s.judgeClock(off > maxSkew, "off", off)
	if off <= maxSkew {
		s.like.Store(&now)
	}
	return nil
}

// Past is a time that has come for certain: by the clock, and by what it said
// before and how long ago that was by the monotonic one. A clock that jumps ahead
// and back again must not have had anything forgotten that is needed then.
func (s *Store) Past() time.Time {
	now, from := s.now(), *s.from.Load()
	if by := from.Round(0).Add(s.elapsed(from, now)); by.Before(now) {
		return by
	}
	return now
}

// believe has Past count from what the clock said when it was called before, or
// says now, if that is less. A clock that was put right, and stays so, is believed
// within two hours.
func (s *Store) believe() {
	now := s.now()
	from := s.next.Swap(&now)
	if from.Round(0).After(now.Round(0)) {
		from = &now // it was ahead then, and may be again
	}
	s.from.Store(from)
}

func (s *Store) checkMark(ctx context.Context, now, mark time.Time) error {
	behind := mark.Sub(now)
	s.judgeClock(behind > maxBackward, "behind", behind)
	if now.Sub(mark) < markEvery {
		return nil
	}
	return s.verb(ctx, func(t *tx) error {
		_, err := t.exec(writeMark, micros(now))
		return err
	})
}

func (s *Store) judgeClock(bad bool, how string, by time.Duration) {
	if s.clockBad.Swap(bad) != bad {
		if bad {
			s.log.Error("the clock of this node cannot be trusted: nothing is minted, redeemed or issued until it is right", how, by)
		} else {
			s.log.Info("the clock of this node is right again")
		}
	}
}

// Watch checks the clock at every interval until ctx ends. That the database
// does not answer is said once: a log may lie on the disk that is full.
func (s *Store) Watch(ctx context.Context, every time.Duration) error {
	silent := false
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			err := s.checkClock(ctx)
			switch {
			case ctx.Err() != nil:
			case err != nil && !silent:
				s.log.Warn("the database does not answer the clock check; it is asked until it does", "error", err)
			case err == nil && silent:
				s.log.Info("the database answers the clock check again")
			}
			silent = err != nil
		}
	}
}
