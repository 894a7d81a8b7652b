package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestSingleUsePINOpensOnce: however many try at the same instant, one session.
func TestSingleUsePINOpensOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456", func(m *credentials.Minting) { m.Credential.Tries = 1000 }))
		var opened atomic.Int64
		parallel(200, func(i int) {
			_, err := w.redeem(agent(i), "hacme", "123456")
			switch {
			case err == nil:
				opened.Add(1)
			case !isNoMatch(err) && unusable(err) != credentials.Used:
				t.Errorf("redeem: %v", err)
			}
		})
		if opened.Load() != 1 || w.number(`SELECT count(*) FROM sessions`) != 1 {
			t.Errorf("%d were let in, %d sessions", opened.Load(), w.number(`SELECT count(*) FROM sessions`))
		}
		w.sound()
	})
}

func TestSingleUsePasswordOpensOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(login("acme", "guest@x.example", func(m *credentials.Minting) { m.Credential.Uses, m.Credential.UsesLeft = 1, 1 }))
		var opened atomic.Int64
		parallel(200, func(i int) {
			a := agent(i)
			_, err := w.password(credentials.NewID(), &a, "guest@x.example", "help")
			switch {
			case err == nil:
				opened.Add(1)
			case !isNoMatch(err) && unusable(err) != credentials.Used:
				t.Errorf("redeem: %v", err)
			}
		})
		if opened.Load() != 1 {
			t.Errorf("%d were let in", opened.Load())
		}
		w.sound()
	})
}

// TestParallelGuesses: a thousand agents guess at once; the PIN is compared
// with five guesses and is dead.
//
// It runs by itself, since a thousand transactions of one account in a row must
// each end within a verb's limit.
func TestParallelGuesses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := open(t, dsn)
		c := w.mint(minting("acme", "123456"))
		var compared atomic.Int64
		parallel(1000, func(i int) {
			_, reserved, err := w.try(credentials.NewID(), agent(i), "hacme", "000000", "")
			compared.Add(int64(reserved))
			if !isNoMatch(err) {
				t.Errorf("try: %v", err)
			}
		})
		if compared.Load() != 5 {
			t.Errorf("%d guesses were compared with a PIN of 5 tries", compared.Load())
		}
		got, err := w.Credential(t.Context(), "acme", c.ID)
		if err != nil || got.State != credentials.Burned || got.Wrong != 5 {
			t.Errorf("after it: %s with %d wrong, %v", got.State, got.Wrong, err)
		}
		if n := w.kinds("acme")[credentials.RecordRefusedTry]; n != 1000 {
			t.Errorf("%d refusals in the record", n)
		}
		w.sound()
	})
}

// TestRightLastGuessInFlight: a PIN is dead when wrong tries are settled, not
// when they are reserved.
func TestRightLastGuessInFlight(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456"))
		var held []credentials.Reservation
		for i := range 6 {
			r, err := w.Reserve(t.Context(), trying(fmt.Sprint(i), agent(i), "hacme"))
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, r)
		}
		if len(held[4].PINs) != 1 || len(held[5].PINs) != 0 {
			t.Fatalf("the fifth try has %d PINs, the sixth %d", len(held[4].PINs), len(held[5].PINs))
		}
		for i := range 4 {
			if _, err := w.Settle(t.Context(), credentials.Settlement{Reservation: held[i], SID: "no"}); !isNoMatch(err) {
				t.Fatal(err)
			}
		}
		if r, err := w.Reserve(t.Context(), trying("seventh", agent(7), "hacme")); err != nil || len(r.PINs) != 0 {
			t.Errorf("four wrong tries and one in flight of five: the next has %d PINs, %v", len(r.PINs), err)
		}
		if _, err := w.Settle(t.Context(), credentials.Settlement{Reservation: held[4], SID: "sid", Matched: held[4].PINs[0].ID}); err != nil {
			t.Errorf("a right last guess: %v", err)
		}
		w.sound()
	})
}

// TestAccountLimitHoldsAcrossMints: minting again does not give the account's
// tries back; minting itself never waits.
func TestAccountLimitHoldsAcrossMints(t *testing.T) {
	for digits, limit := range map[int]int{6: 20, 4: 6} {
		pin, wrong := "123456"[:digits], "000000"[:digits]
		t.Run(fmt.Sprint(digits, " digits"), func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				compared := 0
				for i := range 40 {
					if i%4 == 0 {
						w.mint(minting("acme", pin, func(m *credentials.Minting) { m.Verifier = fmt.Append(nil, pin, i) }))
					}
					_, reserved, err := w.try(credentials.NewID(), agent(i), "hacme", wrong, "")
					if compared += reserved; !isNoMatch(err) {
						t.Fatal(err)
					}
				}
				if compared != limit {
					t.Errorf("%d guesses were compared, the limit is %d", compared, limit)
				}
				w.mint(minting("acme", pin))
				if _, err := w.redeem(agent(50), "hacme", pin); !isNoMatch(err) {
					t.Errorf("a right PIN of an account over its limit: %v", err)
				}
				w.clock.add(credentials.DayWindow + time.Second)
				w.mint(minting("acme", pin, func(m *credentials.Minting) { m.Verifier = []byte(pin + "x") }))
				w.enter(agent(50), "acme", pin)
				w.sound()
			})
		})
	}
}

// TestInstallationLimit: the limit over all accounts closes PINs, what it
// closes does not count, and it opens again.
func TestInstallationLimit(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "1234"))
		if _, err := w.engine.write.ExecContext(t.Context(), `INSERT INTO wrong_hours (hour, n, weak) VALUES ($1, 200, 200)`, hour(w.clock.now())); err != nil {
			t.Fatal(err)
		}
		if _, err := w.redeem(agent(1), "hacme", "1234"); !isNoMatch(err) {
			t.Errorf("a PIN of four digits over the installation's limit: %v", err)
		}
		if n := w.number(`SELECT sum(n) FROM wrong_hours`); n != 200 {
			t.Errorf("a try that was compared with nothing counts: %d", n)
		}
		w.enter(agent(2), "other", "123456") // six digits have their own limit
		w.clock.add(24*time.Hour - time.Second)
		w.mint(minting("acme", "4320"))
		if _, err := w.redeem(agent(1), "hacme", "4320"); !isNoMatch(err) {
			t.Errorf("before a day has passed: %v", err)
		}
		if f := w.counted(agent(1), "acme"); f.Installation != 200 || f.InstallationWeak != 200 {
			t.Errorf("before a day has passed %d count, %d of them with four digits", f.Installation, f.InstallationWeak)
		}
		w.clock.add(time.Hour + time.Second)
		w.mint(minting("acme", "1234", func(m *credentials.Minting) { m.Verifier = []byte("4321") }))
		w.enter(agent(1), "acme", "1234")
	})
}

// TestRevokeAgainstEverything: once Revoke has returned nothing of the account
// lives, whatever raced with it.
func TestRevokeAgainstEverything(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(login("acme", "guest@x.example"))
		sessions := make(chan credentials.Session, 200)
		seed := make([]credentials.Session, 10)
		for i := range seed {
			a := agent(i)
			s, err := w.password(credentials.NewID(), &a, "guest@x.example", "")
			if err != nil {
				t.Fatal(err)
			}
			seed[i] = s
		}
		var revoked atomic.Bool
		var late sync.Map
		parallel(101, func(i int) {
			switch {
			case i == 100:
				if err := w.Revoke(t.Context(), "acme", "", byOwner); err != nil {
					t.Error(err)
				}
				revoked.Store(true)
			case i%2 == 0:
				after := revoked.Load()
				a := agent(100 + i)
				s, err := w.password(credentials.NewID(), &a, "guest@x.example", "")
				if err == nil {
					sessions <- s
					late.Store(i, after)
				}
			default:
				after := revoked.Load()
				_, err := w.Issue(t.Context(), grant(seed[i%10]))
				if err == nil {
					late.Store(i, after)
				} else if !isEnded(err, credentials.CauseRevoked) {
					t.Error(err)
				}
			}
		})
		close(sessions)
		late.Range(func(i, after any) bool {
			if after.(bool) {
				t.Errorf("call %v began after the revocation and succeeded", i)
			}
			return true
		})
		for s := range sessions {
			seed = append(seed, s)
		}
		w.dead(seed)
		w.serial()
		w.sound()
	})
}

// dead checks that nothing can be had of these sessions any more.
func (w *world) dead(list []credentials.Session) {
	w.t.Helper()
	alive := credentials.Sessions{Store: w, Now: w.clock.now}
	for _, s := range list {
		_, live := alive.Live(w.t.Context(), s.ID)
		_, issued := w.Issue(w.t.Context(), grant(s))
		_, touched := w.Touch(w.t.Context(), s.Account.ID, s.ID, time.Time{})
		for _, err := range []error{live, issued, touched} {
			if !isEnded(err, credentials.CauseRevoked) {
				w.t.Errorf("session %s after the revocation: %v", s.ID, err)
			}
		}
	}
}

// serial checks that no entry opens a session or issues a token after the
// revocation's: the record's order is the order of decisions.
func (w *world) serial() {
	w.t.Helper()
	revoked := false
	for _, e := range w.record("acme") {
		switch e.Kind {
		case credentials.RecordRevoked:
			revoked = true
		case credentials.RecordOpened, credentials.RecordToken:
			if revoked {
				w.t.Errorf("entry %d (%s) comes after the revocation", e.Seq, e.Kind)
			}
		}
	}
	if !revoked {
		w.t.Error("no revocation in the record")
	}
}

// TestRevokeAgainstRedemption: 50 agents with a right PIN in hand against a
// revocation, many rounds, so that both orders happen.
func TestRevokeAgainstRedemption(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for round := range 5 {
			pin := fmt.Sprintf("%06d", round)
			c := w.mint(minting("acme", pin, func(m *credentials.Minting) { m.Credential.Tries = 50 }))
			var opened sync.Map
			parallel(51, func(i int) {
				if i == 25 {
					if err := w.Revoke(t.Context(), "acme", c.ID, byOwner); err != nil {
						t.Error(err)
					}
					return
				}
				if s, err := w.redeem(agent(i+100*round), "hacme", pin); err == nil {
					opened.Store(s.ID, s)
				}
			})
			opened.Range(func(_, s any) bool {
				w.dead([]credentials.Session{s.(credentials.Session)})
				return true
			})
			if _, err := w.redeem(agent(9999), "hacme", pin); !isNoMatch(err) {
				t.Errorf("a revoked PIN: %v", err)
			}
		}
		w.sound()
	})
}

// TestRevokeIsPrecise: another account's credential is not found, repeating
// changes nothing, and a used credential's session ends.
func TestRevokeIsPrecise(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		w.mint(minting("other", "123456"))
		for _, tc := range [][2]string{{"other", s.Credential}, {"acme", "nothing"}, {"nobody", ""}} {
			if err := w.Revoke(t.Context(), tc[0], tc[1], byOwner); !errors.Is(err, credentials.ErrNotFound) {
				t.Errorf("revoking %v: %v", tc, err)
			}
		}
		for range 2 {
			if err := w.Revoke(t.Context(), "acme", s.Credential, byOwner); err != nil {
				t.Fatal(err)
			}
		}
		w.dead([]credentials.Session{s})
		if n := w.kinds("acme"); n[credentials.RecordRevoked] != 1 || n[credentials.RecordEnded] != 1 {
			t.Errorf("entries: %v", n)
		}
		w.sound()
	})
}

// TestRevokeEndsWhatOpensMeanwhile: a login is redeemed on one node and revoked
// on another, which has to wait for it and then to see what it opened.
func TestRevokeEndsWhatOpensMeanwhile(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		w := open(t, storetest.Postgres(t))
		c := w.mint(login("acme", "guest@x.example"))
		id := c.ID
		if all {
			id = ""
		}
		node, revoked := w.beside(nil), make(chan error, 1)
		begun := false
		w.probe = func(statement string) error {
			if statement == "COMMIT" && !begun { // the account is held, and the session not there for others
				begun = true
				go func() { revoked <- node.Revoke(t.Context(), "acme", id, byOwner) }()
				w.locked()
			}
			return nil
		}
		a := agent(1)
		s, err := w.password("attempt", &a, "guest@x.example", "help")
		if err == nil {
			err = <-revoked
		}
		w.probe = nil
		if err != nil {
			t.Fatal(err)
		}
		w.dead([]credentials.Session{s})
		w.sound()
	}
}
