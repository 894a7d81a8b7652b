package store

import (
	"errors"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestAttemptSentTwice: one form that is sent many times at once opens one
// session, and everybody gets it.
func TestAttemptSentTwice(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456"))
		w.mint(login("acme", "guest@x.example"))
		a := agent(1)
		pins, passwords := map[string]bool{}, map[string]bool{}
		got := make([][2]credentials.Session, 10)
		parallel(len(got), func(i int) {
			var err1, err2 error
			got[i][0], _, err1 = w.try("form", a, "hacme", "123456", "")
			got[i][1], err2 = w.password("form", &a, "guest@x.example", "")
			if err := errors.Join(err1, err2); err != nil {
				t.Error(err)
			}
		})
		for _, s := range got {
			pins[s[0].ID], passwords[s[1].ID] = true, true
		}
		if len(pins) != 1 || len(passwords) != 1 || w.number(`SELECT count(*) FROM sessions`) != 2 {
			t.Errorf("sessions by PIN %v, by password %v", pins, passwords)
		}
		if _, err := w.End(t.Context(), "acme", got[0][1].ID, credentials.CauseSignedOut, byOwner); err != nil {
			t.Fatal(err)
		}
		if s, err := w.password("form", &a, "guest@x.example", ""); err != nil || s.ID == got[0][1].ID || s.Ended() {
			t.Errorf("the form again after its session: %v", err)
		}
		first, err := w.password("another form", &a, "guest@x.example", "")
		if err != nil {
			t.Fatal(err)
		}
		w.clock.add(30 * time.Minute) // both are over, and nobody has written that down yet
		if s, err := w.password("another form", &a, "guest@x.example", ""); err != nil || s.ID == first.ID || s.Ended() {
			t.Errorf("the form again after its session's time: %v", err)
		}
		for _, when := range []string{"before it is written down", "after it"} {
			if s, _, err := w.try("form", a, "hacme", "123456", ""); !isNoMatch(err) {
				t.Errorf("the PIN's form again after its session's time, %s: %q, %v", when, s.ID, err)
			}
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.sound()
	})
}

// TestAttemptOfAnother: the name of a form opens nobody else's session, nor
// another account's.
func TestAttemptOfAnother(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, second := agent(1), agent(2)
		w.mint(minting("acme", "123456"))
		w.mint(login("acme", "one@x.example"))
		w.mint(login("other", "two@x.example"))
		if _, _, err := w.try("form", first, "hacme", "123456", ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.try("form", second, "hacme", "123456", ""); !isNoMatch(err) {
			t.Errorf("another agent, the same form: %v", err)
		}
		one, err1 := w.password("form", &first, "one@x.example", "")
		two, err2 := w.password("form", &first, "two@x.example", "")
		three, err3 := w.password("form", &second, "one@x.example", "")
		if err := errors.Join(err1, err2, err3); err != nil || two.Account.ID != "other" || one.ID == three.ID {
			t.Errorf("sessions of %s and %s, %v", one.Account.ID, two.Account.ID, err)
		}
		w.sound()
	})
}

// TestAttemptOfTwoAgentsAtOnce: the same name at the same instant is two tries.
func TestAttemptOfTwoAgentsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range 20 {
			w.mint(minting("a", "123456", func(m *credentials.Minting) { m.Verifier = []byte{'a', byte(i)} }))
			w.mint(minting("b", "123456", func(m *credentials.Minting) { m.Verifier = []byte{'b', byte(i)} }))
			name := credentials.NewID()
			parallel(2, func(n int) {
				if _, _, err := w.try(name, agent(100*n+i), []string{"ha", "hb"}[n], "000000", ""); !isNoMatch(err) {
					t.Error(err)
				}
			})
		}
		if n := w.number(`SELECT count(*) FROM tries WHERE state = 'wrong' AND compared = 1`); n != 40 {
			t.Errorf("%d tries are counted", n)
		}
		w.sound()
	})
}

// TestLapse: a try that was never settled stays spent, is recorded once, and
// cannot be settled afterwards.
func TestLapse(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.mint(minting("acme", "123456", func(m *credentials.Minting) { m.Credential.Tries = 1 }))
		held, err := w.Reserve(t.Context(), trying("1", agent(1), "hacme"))
		if err != nil {
			t.Fatal(err)
		}
		w.clock.add(lapseAfter - time.Microsecond)
		sweep := func(lapsed int) {
			t.Helper()
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := w.kinds("acme")[credentials.RecordLapsedTry]; n != lapsed {
				t.Errorf("%d lapses in the record, want %d", n, lapsed)
			}
		}
		sweep(0)
		w.clock.add(time.Microsecond)
		sweep(1)
		sweep(1)
		got, err := w.Credential(t.Context(), "acme", c.ID)
		if err != nil || got.State != credentials.Burned {
			t.Errorf("the PIN is %s, %v", got.State, err)
		}
		for _, matched := range []string{"", c.ID} {
			if s, err := w.Settle(t.Context(), credentials.Settlement{Reservation: held, Matched: matched, SID: "sid"}); err == nil || s.Session.ID != "" {
				t.Errorf("settling a lapsed try (matched %q): %v", matched, err)
			}
		}
		w.sound()
	})
}

// TestSettledTwice: one reservation is not settled twice, so that no try of the
// PIN is won by it.
func TestSettledTwice(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456"))
		held, err := w.Reserve(t.Context(), trying("1", agent(1), "hacme"))
		if err != nil {
			t.Fatal(err)
		}
		in := credentials.Settlement{Reservation: held, SID: "sid"}
		if _, err := w.Settle(t.Context(), in); !isNoMatch(err) {
			t.Fatal(err)
		}
		in.Matched = held.PINs[0].ID
		if _, err := w.Settle(t.Context(), in); !errors.Is(err, credentials.ErrBusy) {
			t.Errorf("settled again: %v", err)
		}
		if n := w.number(`SELECT 10 * wrong + reserved FROM credentials`); n != 10 {
			t.Errorf("tries afterwards: %d", n)
		}
		w.sound()
	})
}

// TestAttemptWhoseSettlementFailed: sending the form again is another try, soon,
// and does not wait for one that nobody will settle.
func TestAttemptWhoseSettlementFailed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456"))
		try := trying("form", agent(1), "hacme")
		lost, err := w.Reserve(t.Context(), try)
		if err != nil || len(lost.PINs) != 1 {
			t.Fatal(err)
		}
		w.flight = time.Second
		again, err := w.Reserve(t.Context(), try)
		if err != nil || again.ID == lost.ID || len(again.PINs) != 1 {
			t.Fatalf("the form again: %+v, %v", again.Try, err)
		}
		in := credentials.Settlement{Reservation: again, Matched: again.PINs[0].ID, SID: "sid"}
		if _, err := w.Settle(t.Context(), in); err != nil {
			t.Error(err)
		}
	})
}
