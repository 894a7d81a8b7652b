package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

func paused(err error) time.Time {
	var p *credentials.Paused
	if errors.As(err, &p) {
		return p.Until
	}
	return time.Time{}
}

// TestPause: an agent who is wrong too often waits, until exactly 15 minutes
// after the first of those tries; nobody else does.
func TestPause(t *testing.T) {
	for digits, limit := range map[int]int{6: 5, 4: 3} {
		wrong := "000000"[:digits]
		t.Run(fmt.Sprint(digits, " digits"), func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				first := w.clock.now()
				for i := range limit {
					_, err := w.redeem(agent(1), fmt.Sprint("nobody", i), wrong)
					var none *credentials.NoMatch
					if !errors.As(err, &none) || none.Left != limit-1-i {
						t.Fatalf("try %d: %v with %v left", i, err, none)
					}
					w.clock.add(time.Minute)
				}
				w.mint(minting("acme", "123456"))
				if _, err := w.redeem(agent(1), "hacme", wrong); !paused(err).Equal(first.Add(15 * time.Minute)) {
					t.Errorf("then: %v until %v", err, paused(err))
				}
				if _, err := w.redeem(agent(2), "hacme", "123456"); err != nil {
					t.Errorf("another agent: %v", err)
				}
				w.clock.add(first.Add(15*time.Minute - time.Microsecond).Sub(w.clock.now()))
				if _, err := w.redeem(agent(1), "hacme", wrong); paused(err).IsZero() {
					t.Errorf("a microsecond too early: %v", err)
				}
				w.clock.add(time.Microsecond)
				w.enter(agent(1), "other", "123456")
				w.sound()
			})
		})
	}
}

// TestParallelTriesOfAnAgent: the pause counts tries that are still in flight.
func TestParallelTriesOfAnAgent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456", func(m *credentials.Minting) { m.Credential.Tries = 100 }))
		var compared atomic.Int64
		parallel(60, func(int) {
			_, reserved, err := w.try(credentials.NewID(), agent(1), "hacme", "000000", "")
			compared.Add(int64(reserved))
			if !isNoMatch(err) && paused(err).IsZero() {
				t.Error(err)
			}
		})
		if compared.Load() != 5 {
			t.Errorf("%d guesses of one agent were compared", compared.Load())
		}
		w.sound()
	})
}

// wrongUntil has the agent guess, waiting out the pauses, n times.
func (w *world) wrongUntil(a credentials.Agent, digits, n int) (last error) {
	w.t.Helper()
	for i := range n {
		if i > 0 {
			w.clock.add(6 * time.Minute) // three in fifteen minutes make no pause of five, and just one of three
		}
		_, last = w.redeem(a, fmt.Sprint("nobody", i), "000000"[:digits])
		if until := paused(last); !until.IsZero() {
			w.clock.add(until.Sub(w.clock.now()))
			_, last = w.redeem(a, fmt.Sprint("nobody", i), "000000"[:digits])
		}
		if i < n-1 && !isNoMatch(last) {
			w.t.Fatalf("wrong try %d: %v", i, last)
		}
	}
	return last
}

// TestSuspension: the last wrong try of the day suspends the agent, ends what
// they have, and lasts until it is lifted; lifting it forgives.
func TestSuspension(t *testing.T) {
	for digits, limit := range map[int]int{6: 20, 4: 10} {
		t.Run(fmt.Sprint(digits, " digits"), func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				_, redeem := w.minter()
				a := agent(1)
				w.mint(login("acme", "guest@x.example", func(m *credentials.Minting) {
					m.Credential.RedeemWithin, m.Credential.Session, m.Credential.Idle = 48*time.Hour, 48*time.Hour, 48*time.Hour
				}))
				s, err := w.password("1", &a, "guest@x.example", "")
				if err != nil {
					t.Fatal(err)
				}
				if last := w.wrongUntil(a, digits, limit-1); !isNoMatch(last) {
					t.Fatalf("one before the last: %v", last)
				}
				w.clock.add(16 * time.Minute)
				_, err = redeem.PIN(t.Context(), "last", a, "nobody", credentials.NewSecret("000000"[:digits]), "")
				if !errors.Is(err, credentials.ErrSuspended) {
					t.Fatalf("the last wrong try: %v", err)
				}
				if got, err := w.Session(t.Context(), s.ID); err != nil || got.Cause != credentials.CauseOperator {
					t.Errorf("their session: %q, %v", got.Cause, err)
				}
				w.clock.add(25 * time.Hour) // the window passes, the suspension does not
				w.mint(minting("acme", "123456"))
				if _, reserved, err := w.try("right", a, "hacme", "123456", ""); reserved != 0 || !errors.Is(err, credentials.ErrSuspended) {
					t.Errorf("a right PIN of a suspended agent: compared with %d, %v", reserved, err)
				}
				if _, err := w.password("2", &a, "guest@x.example", ""); !errors.Is(err, credentials.ErrSuspended) {
					t.Errorf("a right password of a suspended agent: %v", err)
				}
				w.sound()
			})
		})
	}
}

// TestRestoring: it forgives the tries behind a suspension of the same day.
func TestRestoring(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, operator := agent(1), credentials.Mark{Who: "operator", ID: "root"}
		if last := w.wrongUntil(a, 4, 10); !errors.Is(last, credentials.ErrSuspended) {
			t.Fatal(last)
		}
		for _, suspended := range []bool{true, true, false, false} {
			if err := w.Suspend(t.Context(), a.Key(), suspended, operator); err != nil {
				t.Fatal(err)
			}
			if got, err := w.Suspended(t.Context(), a.Key()); err != nil || got != suspended {
				t.Errorf("suspended %v, want %v, %v", got, suspended, err)
			}
		}
		w.enter(a, "acme", "1234")
		if n := w.kinds(itself); n[credentials.RecordSuspended] != 1 || n[credentials.RecordRestored] != 1 {
			t.Errorf("entries: %v", n)
		}
		if err := w.Suspend(t.Context(), "unknown", true, operator); !errors.Is(err, credentials.ErrNotFound) {
			t.Errorf("an unknown agent: %v", err)
		}
	})
}

// TestSuspendAgainstRedemption: no session survives a suspension that runs
// beside its opening, over many accounts.
func TestSuspendAgainstRedemption(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for round := range 5 {
			a := agent(round)
			var accounts []string
			for i := range 8 {
				id := fmt.Sprint("r", round, "-", i)
				w.mint(login(id, id+"@x.example"))
				w.mint(minting(id, "123456"))
				accounts = append(accounts, id)
			}
			if _, err := w.password("0", &a, accounts[0]+"@x.example", ""); err != nil {
				t.Fatal(err)
			}
			parallel(17, func(i int) {
				var err error
				switch id := accounts[i%8]; {
				case i == 16:
					err = w.Suspend(t.Context(), a.Key(), true, credentials.Mark{Who: "operator"})
				case i < 8:
					_, err = w.password(credentials.NewID(), &a, id+"@x.example", "")
				default:
					_, err = w.redeem(a, "h"+id, "123456")
				}
				if err != nil && !errors.Is(err, credentials.ErrSuspended) && paused(err).IsZero() {
					t.Error(err)
				}
			})
			if n := w.number(`SELECT count(*) FROM sessions WHERE agent = $1 AND ended_at = 0`, a.Key()); n != 0 {
				t.Errorf("%d sessions survived the suspension", n)
			}
		}
		w.sound()
	})
}

// TestForgiveness: a right PIN forgives the agent the wrong tries on that
// account, not those on others, and not the account.
func TestForgiveness(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456"))
		for _, handle := range []string{"hacme", "nobody", "hacme", "hacme"} {
			if _, err := w.redeem(agent(1), handle, "000000"); !isNoMatch(err) {
				t.Fatal(err)
			}
		}
		if _, err := w.redeem(agent(1), "hacme", "123456"); err != nil {
			t.Fatal(err)
		}
		var none *credentials.NoMatch
		if _, err := w.redeem(agent(1), "nobody", "000000"); !errors.As(err, &none) || none.Left != 3 {
			t.Errorf("after it: %v with %+v", err, none)
		}
		if n := w.number(`SELECT count(*) FROM tries WHERE account = 'acme' AND state = 'wrong' AND compared > 0`); n != 3 {
			t.Errorf("%d wrong tries count against the account", n)
		}
	})
}

// TestTicket: a right PIN with a wrong ticket costs nothing three times, then
// tries, until the PIN is dead.
func TestTicket(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		asks := func(m *credentials.Minting) { m.Credential.Ticket = "T-4711" }
		w.mint(minting("acme", "123456", asks))
		for i := range 3 {
			if _, _, err := w.try(fmt.Sprint(i), agent(1), "hacme", "123456", "about T-47110"); !errors.Is(err, credentials.ErrTicket) {
				t.Fatal(err)
			}
		}
		if n := w.number(`SELECT count(*) FROM tries WHERE state <> 'right'`) + w.number(`SELECT wrong + reserved FROM credentials`); n != 0 {
			t.Errorf("three misses cost %d", n)
		}
		if s, _, err := w.try("right", agent(1), "hacme", "123456", "It is (t-4711)."); err != nil || s.Ticket != "T-4711" {
			t.Errorf("with the ticket: %v", err)
		}
		w.mint(minting("other", "123456", asks))
		for i := range 8 {
			if _, _, err := w.try(fmt.Sprint("o", i), agent(10+i), "hother", "123456", ""); !errors.Is(err, credentials.ErrTicket) {
				t.Fatal(err)
			}
		}
		if _, _, err := w.try("late", agent(20), "hother", "123456", "T-4711"); !isNoMatch(err) {
			t.Errorf("after eight misses: %v", err)
		}
		a := agent(3)
		w.mint(login("acme", "guest@x.example", asks))
		if _, err := w.password("p", &a, "guest@x.example", ""); !errors.Is(err, credentials.ErrTicket) {
			t.Errorf("a login without its ticket: %v", err)
		}
		if _, err := w.password("p", &a, "guest@x.example", "T-4711"); err != nil {
			t.Errorf("a login with its ticket: %v", err)
		}
		w.sound()
	})
}

// TestPeopleWhoAreGone lose their sessions, as somebody who was taken out of the
// configuration does; others keep theirs.
func TestPeopleWhoAreGone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		gone, stays := w.enter(agent(1), "acme", "111111"), w.enter(agent(2), "other", "222222")
		if err := w.EndUnknown(t.Context(), func(a credentials.Agent) bool { return a.Subject == agent(2).Subject }); err != nil {
			t.Fatal(err)
		}
		one, _ := w.Session(t.Context(), gone.ID)
		two, _ := w.Session(t.Context(), stays.ID)
		if !one.Ended() || one.Cause != credentials.CauseOperator || two.Ended() {
			t.Errorf("ended %v (%s), the other one %v", one.Ended(), one.Cause, two.Ended())
		}
		w.sound()
	})
}
