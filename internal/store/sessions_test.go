package store

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestCodeOnce: a code becomes tokens once, however often it comes at the same
// instant; a second use ends the session.
func TestCodeOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		g := grant(s)
		var issued atomic.Int64
		parallel(50, func(int) {
			_, err := w.Issue(t.Context(), g)
			switch {
			case err == nil:
				issued.Add(1)
			case !errors.Is(err, credentials.ErrReplayed) && !isEnded(err, credentials.CauseReuse):
				t.Errorf("issue: %v", err)
			}
		})
		if issued.Load() != 1 {
			t.Errorf("the code became tokens %d times", issued.Load())
		}
		if got, err := w.Session(t.Context(), s.ID); err != nil || got.Cause != credentials.CauseReuse {
			t.Errorf("the session: %q, %v", got.Cause, err)
		}
		if n := w.kinds("acme"); n[credentials.RecordToken] != 1 || n[credentials.RecordEnded] != 1 {
			t.Errorf("entries: %v", n)
		}
		w.sound()
	})
}

// TestCodeOfAnotherAccount: a grant that names an account that the session is
// not of finds nothing.
func TestCodeOfAnotherAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		w.mint(minting("other", "123456"))
		g := grant(s)
		g.Account = "other"
		if _, err := w.Issue(t.Context(), g); !errors.Is(err, credentials.ErrNotFound) {
			t.Errorf("issue: %v", err)
		}
		if _, err := w.End(t.Context(), "other", s.ID, credentials.CauseRevoked, byOwner); !errors.Is(err, credentials.ErrNotFound) {
			t.Errorf("end: %v", err)
		}
	})
}

// uses are all ways of using a session; each decides whether its time has come.
func (w *world) uses(s credentials.Session, refresh []byte) map[string]func() error {
	ctx := w.t.Context()
	return map[string]func() error{
		"look": func() error {
			_, err := (&credentials.Sessions{Store: w, Now: w.clock.now}).Live(ctx, s.ID)
			return err
		},
		"code":    func() error { _, err := w.Issue(ctx, grant(s)); return err },
		"touch":   func() error { _, err := w.Touch(ctx, s.Account.ID, s.ID, time.Time{}); return err },
		"refresh": func() error { _, err := w.refresh(refresh, []byte(credentials.NewID())); return err },
		"action": func() error {
			acted, err := w.Act(ctx, action(s))
			return errors.Join(err, acted.Err)
		},
		"sweep": func() error {
			if err := w.SweepOnce(ctx); err != nil {
				return err
			}
			got, err := w.Session(ctx, s.ID)
			if err == nil && got.Ended() {
				err = &credentials.EndedError{At: got.EndedAt, Cause: got.Cause}
			}
			return err
		},
	}
}

// TestEndsByThemselves: idle and time ends are decided by whoever looks first,
// not a microsecond early, and are written once.
func TestEndsByThemselves(t *testing.T) {
	const idle, length = 10 * time.Minute, 30 * time.Minute
	for _, cause := range []credentials.Cause{credentials.CauseIdle, credentials.CauseTime} {
		t.Run(string(cause), func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				for name := range w.uses(credentials.Session{}, nil) {
					w.endsBy(name, cause, idle, length)
				}
				w.sound()
			})
		})
	}
}

func (w *world) endsBy(name string, cause credentials.Cause, idle, length time.Duration) {
	w.t.Helper()
	s := w.enter(agent(1), name, "123456")
	first := grant(s)
	first.Refresh = w.token(s, name)
	if _, err := w.Issue(w.t.Context(), first); err != nil {
		w.t.Fatal(err)
	}
	left := idle
	if cause == credentials.CauseTime {
		for left = length; left > idle; left -= idle - time.Microsecond {
			w.clock.add(idle - time.Microsecond)
			if _, err := w.Touch(w.t.Context(), name, s.ID, time.Time{}); err != nil {
				w.t.Fatalf("%s: used in time: %v", name, err)
			}
		}
	}
	look := w.uses(s, first.Refresh.Hash)[name]
	w.clock.add(left - time.Microsecond)
	if live, err := w.Session(w.t.Context(), s.ID); err != nil || live.Ended() {
		w.t.Fatalf("%s: ended early: %v", name, err)
	} else if _, due := live.Due(w.clock.now()); due {
		w.t.Fatalf("%s: due early", name)
	}
	w.clock.add(time.Microsecond)
	if err := look(); !isEnded(err, cause) {
		w.t.Errorf("%s at the end by %s: %v", name, cause, err)
	}
	w.clock.add(-time.Minute) // a clock that goes back revives nothing
	if _, err := w.Issue(w.t.Context(), grant(s)); !isEnded(err, cause) {
		w.t.Errorf("%s: the end did not last: %v", name, err)
	}
	w.clock.add(time.Minute)
}

// TestActivityOfAStaleLook: an idle end that was decided on a stale look does
// not end a session that was used meanwhile; looking is no activity itself.
func TestActivityOfAStaleLook(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		w.clock.add(9 * time.Minute)
		if _, err := w.Touch(t.Context(), "acme", s.ID, time.Time{}); err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Minute)
		if got, err := w.End(t.Context(), "acme", s.ID, credentials.CauseIdle, credentials.Mark{Who: "broker"}); err != nil || got.Ended() {
			t.Errorf("a stale idle end: ended %v, %v", got.Ended(), err)
		}
		looks := credentials.Sessions{Store: w, Now: w.clock.now}
		for range 8 {
			if _, err := looks.Live(t.Context(), s.ID); err != nil {
				t.Fatal(err)
			}
			w.clock.add(time.Minute)
		}
		w.clock.add(time.Minute)
		if _, err := looks.Live(t.Context(), s.ID); !isEnded(err, credentials.CauseIdle) {
			t.Errorf("a session that was only looked at: %v", err)
		}
	})
}

// TestEndOnce: of ends by several causes at once the first holds.
func TestEndOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		causes := []credentials.Cause{credentials.CauseSignedOut, credentials.CauseCancelled, credentials.CauseOperator}
		ended := make([]credentials.Session, 30)
		parallel(len(ended), func(i int) {
			var err error
			if ended[i], err = w.End(t.Context(), "acme", s.ID, causes[i%len(causes)], byOwner); err != nil {
				t.Error(err)
			}
		})
		for _, e := range ended {
			if e.Cause != ended[0].Cause || e.EndedAt.IsZero() {
				t.Errorf("ended by %s at %v, another saw %s", e.Cause, e.EndedAt, ended[0].Cause)
			}
		}
		w.sound()
	})
}

// TestTwoClocks: a PIN's session may run on past redeem-by; a temporary login's
// ends with it, and past it nobody enters.
func TestTwoClocks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456"))
		lent := w.mint(login("acme", "guest@x.example"))
		w.clock.add(15*time.Minute - time.Microsecond)
		s, err := w.redeem(agent(1), "hacme", "123456")
		if err != nil || !s.EndsAt.Equal(w.clock.now().Add(30*time.Minute)) {
			t.Errorf("a PIN redeemed at the last moment: ends %v, %v", s.EndsAt, err)
		}
		a := agent(2)
		if s, err = w.password("1", &a, "guest@x.example", ""); err != nil || !s.EndsAt.Equal(lent.RedeemBy) {
			t.Errorf("a login's session ends %v, redeem by %v, %v", s.EndsAt, lent.RedeemBy, err)
		}
		w.mint(minting("acme", "654321"))
		w.clock.add(15 * time.Minute)
		if _, err = w.redeem(agent(1), "hacme", "654321"); !isNoMatch(err) {
			t.Errorf("an expired PIN: %v", err)
		}
		w.clock.add(4 * time.Hour)
		if _, err = w.password("2", &a, "guest@x.example", ""); unusable(err) != credentials.Expired {
			t.Errorf("an expired login: %v", err)
		}
		if err := w.SweepOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.number(`SELECT count(*) FROM credentials WHERE state = 'expired' AND verifier IS NULL`); n != 2 {
			t.Errorf("%d credentials are written down as expired", n)
		}
		w.sound()
	})
}

// TestLaterProof: a proof that is newer becomes the session's, an older does not.
func TestLaterProof(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		later := s.AuthTime.Add(5 * time.Minute)
		for _, proof := range []time.Time{later, s.AuthTime, {}} {
			if _, err := w.Touch(t.Context(), "acme", s.ID, proof); err != nil {
				t.Fatal(err)
			}
			if got, err := w.Session(t.Context(), s.ID); err != nil || !got.AuthTime.Equal(later) {
				t.Errorf("after a proof at %v: %v, %v", proof, got.AuthTime, err)
			}
		}
	})
}

// TestActivityPutsTheJobOff: the job looks at a session when its end was due first,
// finds that it lives on, and comes again when it would end now; and an owner sees
// it all the time until then.
func TestActivityPutsTheJobOff(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456") // idle after 10 minutes, over after 30
		looks := func() (n int) {
			t.Helper()
			w.probe = func(statement string) error {
				if strings.HasPrefix(statement, holdAccount) {
					n++
				}
				return nil
			}
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.probe = nil
			return n
		}
		for i, step := range []struct {
			after time.Duration
			use   bool
			looks int
			cause credentials.Cause
		}{
			{9 * time.Minute, true, 0, ""},                     // now idle at 19
			{time.Minute + time.Second, false, 1, ""},          // the first end, which was put off
			{time.Minute, false, 0, ""},                        // not again at each turn
			{7*time.Minute + 58*time.Second, false, 0, ""},     // a second before it is idle
			{0, true, 0, ""},                                   // idle at 28:59, over at 30
			{time.Minute, true, 1, ""},                         // idle at 29:59
			{9*time.Minute + 58*time.Second, false, 0, ""},     // two seconds before
			{2 * time.Second, false, 1, credentials.CauseIdle}, // and after
			{time.Minute, false, 0, credentials.CauseIdle},
		} {
			w.clock.add(step.after)
			if step.use {
				if _, err := w.Touch(t.Context(), "acme", s.ID, time.Time{}); err != nil {
					t.Fatal(err)
				}
			}
			seen, err := w.Visits(t.Context(), "acme", 10)
			if err != nil || (len(seen) == 1) != (step.cause == "") {
				t.Errorf("step %d: the owner sees %d sessions, %v", i, len(seen), err)
			}
			if n := looks(); n != step.looks {
				t.Errorf("step %d: the job looks %d times, want %d", i, n, step.looks)
			}
			if got, err := w.Session(t.Context(), s.ID); err != nil || got.Cause != step.cause {
				t.Errorf("step %d: ended by %q, %v, want %q", i, got.Cause, err, step.cause)
			}
		}
		w.sound()
	})
}

// TestActivityIsNotedToTheSecond: what comes within a second of what is noted is not
// written again, also by a clock that is behind; what comes later is.
func TestActivityIsNotedToTheSecond(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		at := func() time.Time {
			return fromMicros(int64(w.number(`SELECT active_at FROM sessions WHERE sid = $1`, s.ID)))
		}
		opened := s.OpenedAt
		for _, step := range []struct{ after, noted time.Duration }{
			{0, 0}, {noted - time.Microsecond, 0}, {noted, noted}, {noted / 2, noted}, {2*noted - 1, noted}, {3 * time.Minute, 3 * time.Minute},
		} {
			w.clock.add(opened.Add(step.after).Sub(w.clock.now()))
			got, err := w.Touch(t.Context(), "acme", s.ID, time.Time{})
			if want := opened.Add(step.noted); err != nil || !at().Equal(want) || !got.ActiveAt.Equal(want) {
				t.Errorf("active %s after the opening: noted %s and said %s after it, want %s: %v", step.after, at().Sub(opened), got.ActiveAt.Sub(opened), step.noted, err)
			}
		}
		w.clock.add(s.Idle - time.Microsecond)
		if _, err := w.Touch(t.Context(), "acme", s.ID, time.Time{}); err != nil {
			t.Errorf("before it was idle: %v", err)
		}
		w.clock.add(s.Idle)
		if _, err := w.Touch(t.Context(), "acme", s.ID, time.Time{}); !isEnded(err, credentials.CauseIdle) {
			t.Errorf("when it was idle: %v", err)
		}
	})
}
