package store

import (
	"errors"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestAClockThatIsBehindShortensNoEnding: revoking works whatever the clock says,
// and how long the apps are told of it is counted from the last token, which a
// clock that was right has dated.
func TestAClockThatIsBehindShortensNoEnding(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if err := w.lengthen(t.Context(), 5*time.Minute); err != nil {
			t.Fatal(err)
		}
		s := w.enter(agent(1), "acme", "123456")
		w.clock.add(noted - time.Microsecond)
		if _, err := w.Issue(t.Context(), grant(s)); err != nil {
			t.Fatal(err)
		}
		w.clock.add(-time.Hour)
		if err := w.checkClock(t.Context()); err != nil || !errors.Is(w.Clock(), credentials.ErrClock) {
			t.Fatal(err, w.Clock())
		}
		if err := w.Revoke(t.Context(), "acme", s.Credential, byOwner); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Receipts(t.Context(), "acme", []string{s.ID}); err != nil || got[s.ID][0].TokensUntil.Before(w.clock.now().Add(time.Hour+5*time.Minute)) {
			t.Errorf("the token outlives what is said of it: %+v, %v", got, err)
		}
		w.clock.add(time.Hour)
		for _, pass := range []struct {
			after time.Duration
			left  int
		}{{5 * time.Minute, 1}, {credentials.EndingMargin + noted, 0}} {
			w.clock.add(pass.after)
			w.clockBad.Store(false) // the database's goes on by itself
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, log := w.told(0, 9); len(log) != pass.left {
				t.Errorf("%v later the log has %+v, want %d", pass.after, log, pass.left)
			}
		}
		w.sound()
	})
}

// TestAClockThatJumpsAheadForgetsNothing: on SQLite nobody knows better, and on
// PostgreSQL nobody does where the database has the same clock. When it is right
// again, everything is there that is needed then.
func TestAClockThatJumpsAheadForgetsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		if _, err := w.Issue(t.Context(), grant(s)); err != nil {
			t.Fatal(err)
		}
		w.end(s)
		once := credentials.Once{Kind: credentials.OnceProof, Owner: "o", ID: "i", Until: w.clock.now().Add(time.Minute)}
		if err := w.UseOnce(t.Context(), once); err != nil {
			t.Fatal(err)
		}
		if _, err := w.redeem(agent(2), "H-acme", "000000"); !isNoMatch(err) {
			t.Fatal(err)
		}
		look := func(what string, left int) {
			t.Helper()
			if like := w.clock.now(); !w.engine.file {
				w.like.Store(&like)
			}
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := w.prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, log := w.told(0, 9)
			used, err := w.UsedOnce(t.Context(), once)
			if err != nil || len(log) != left || used != (left == 1) || w.number(`SELECT count(*) FROM tries WHERE state = 'wrong'`) != left ||
				w.number(`SELECT count(*) FROM sessions WHERE status_index IS NOT NULL`) != left {
				t.Errorf("%s: %v, used %v, %v", what, log, used, err)
			}
		}
		w.elapsed = func(time.Time, time.Time) time.Duration { return time.Second }
		w.clock.add(100 * time.Hour)
		look("a moment later by the monotonic clock", 1)
		w.clock.add(-100 * time.Hour)
		look("it is right again an hour later", 1)
		w.clock.add(100 * time.Hour)
		look("and once more ahead", 1)
		look("and an hour later", 1)
		look("and the clock has stayed there", 0)
		w.sound()
	})
}

// TestASlowAnswerTrustsNoClock: how far the clock is behind cannot be told from one.
func TestASlowAnswerTrustsNoClock(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	slow := time.Duration(0)
	w.probe = func(string) error {
		w.clock.add(slow)
		return nil
	}
	for _, look := range []struct {
		behind, slow time.Duration
		want         error
	}{{5 * time.Second, 0, credentials.ErrClock}, {5 * time.Second, 6 * time.Second, credentials.ErrClock}, {0, 0, nil}, {0, 6 * time.Second, nil}} {
		slow = look.slow
		w.atOnce(func() {
			w.clock.stop()
			w.clock.add(-look.behind)
			if err := w.checkClock(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		if !errors.Is(w.Clock(), look.want) {
			t.Errorf("%+v: %v", look, w.Clock())
		}
	}
}

// TestAClockThatIsSetNotesNothingAhead: between two looks at PostgreSQL's clock this
// node's may be set. What the monotonic clock does not confirm is not believed by
// then: by a verb that begins, nor by one that has begun.
func TestAClockThatIsSetNotesNothingAhead(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"far ahead": time.Hour, "ahead": maxSkew + time.Microsecond,
		"back": -maxSkew - time.Microsecond, "as far as clocks may differ": maxSkew} {
		for when, at := range map[string]string{"before": "", "at once": "BEGIN", "when it is noted": touchSession} {
			t.Run(name+", "+when, func(t *testing.T) {
				t.Parallel()
				w := open(t, storetest.Postgres(t))
				w.likeItsDatabase()
				s := w.enter(agent(1), "acme", "123456")
				passed, like := time.Minute, w.clock.now()
				w.elapsed = func(time.Time, time.Time) time.Duration { return passed }
				w.like.Store(&like)
				w.clock.add(passed)
				set := func(statement string) error {
					if statement == at {
						w.clock.add(jump)
						w.probe = nil
					}
					return nil
				}
				if w.probe = set; at == "" {
					_ = set("")
				}
				bad := jump.Abs() > maxSkew
				if _, err := w.Issue(t.Context(), grant(s)); bad && !errors.Is(err, credentials.ErrClock) || !bad && err != nil {
					t.Errorf("a token is asked for: %v", err)
				}
				if by := fromMicros(int64(w.number(`SELECT max(active_at) FROM sessions`))).Sub(like.Add(passed)); by > maxSkew {
					t.Errorf("activity is noted %v ahead", by)
				}
				if ready := w.Ready(t.Context()) == nil; ready == bad {
					t.Errorf("ready: %v", ready)
				}
				passed = 0
				if w.likeItsDatabase(); w.Clock() != nil { // it may have been the machine that had stood still
					t.Error("it is found right, and not believed")
				}
				w.sound()
			})
		}
	}
}

// likeItsDatabase has the clock stop where PostgreSQL has just found it right.
func (w *world) likeItsDatabase() {
	w.clock.set(time.Time{})
	for before := w.like.Load(); w.like.Load() == before; { // an answer may take too long to tell
		if err := w.checkClock(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.clock.set(w.like.Load().UTC().Truncate(time.Microsecond))
}

// atOnce does what sets the test's clock and has it compared with the database's,
// which does not stand still: where the machine took so long over it that the two
// differ by that, it is done again.
func (w *world) atOnce(do func()) {
	for range 100 {
		began := time.Now()
		if do(); time.Since(began) < maxSkew {
			return
		}
	}
	w.t.Fatal("the database takes too long to tell its clock")
}
