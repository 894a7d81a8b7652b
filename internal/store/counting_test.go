package store

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/credentials"
)

// counted is what the rules are told of an agent and an account; times apart.
func (w *world) counted(a credentials.Agent, account string) (f credentials.TryFacts) {
	w.t.Helper()
	err := w.verb(w.t.Context(), func(t *tx) (err error) {
		f, err = t.tryFacts(credentials.Reservation{Try: credentials.Try{Attempt: credentials.Attempt{Agent: a}}, Account: account}, false)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return credentials.TryFacts{Agent: f.Agent, AgentWeak: f.AgentWeak, Account: f.Account, AccountWeak: f.AccountWeak,
		Installation: f.Installation, InstallationWeak: f.InstallationWeak}
}

// TestWhatCounts: which tries count against whom.
func TestWhatCounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		reserve := func(a credentials.Agent, handle string, digits int) credentials.Reservation {
			t.Helper()
			try := trying(credentials.NewID(), a, handle)
			try.Digits = digits
			held, err := w.Reserve(t.Context(), try)
			if err != nil {
				t.Fatal(err)
			}
			return held
		}
		wrong := func(a credentials.Agent, handle, pin string) {
			t.Helper()
			if _, err := w.redeem(a, handle, pin); !isNoMatch(err) {
				t.Fatal(err)
			}
		}
		right := func(a credentials.Agent, handle, pin string) {
			t.Helper()
			if _, err := w.redeem(a, handle, pin); err != nil {
				t.Fatal(err)
			}
		}
		before := credentials.TryFacts{}
		for i, c := range []struct {
			name, pin string
			try       func(a credentials.Agent, handle string)
			want      credentials.TryFacts
		}{
			{"a wrong one", "123456", func(a credentials.Agent, h string) { wrong(a, h, "000000") },
				credentials.TryFacts{Agent: 1, Account: 1, Installation: 1}},
			{"one of four digits", "1234", func(a credentials.Agent, h string) { wrong(a, h, "0000") },
				credentials.TryFacts{Agent: 1, AgentWeak: 1, Account: 1, AccountWeak: 1, Installation: 1, InstallationWeak: 1}},
			{"compared with nothing", "", func(a credentials.Agent, h string) { wrong(a, h, "000000") },
				credentials.TryFacts{Agent: 1, Installation: 1}},
			{"of another length than the PIN", "123456", func(a credentials.Agent, h string) { wrong(a, h, "0000") },
				credentials.TryFacts{Agent: 1, AgentWeak: 1, Installation: 1, InstallationWeak: 1}},
			{"in flight", "123456", func(a credentials.Agent, h string) { reserve(a, h, 6) }, credentials.TryFacts{Agent: 1, Account: 1}},
			{"forgiven to the agent, not to the account", "123456", func(a credentials.Agent, h string) {
				wrong(a, h, "000000")
				right(a, h, "123456")
			}, credentials.TryFacts{Account: 1, Installation: 1}},
			{"in flight while another one is right", "123456", func(a credentials.Agent, h string) {
				reserve(a, h, 6)
				right(a, h, "123456")
			}, credentials.TryFacts{Agent: 1, Account: 1}},
			{"never settled", "123456", func(a credentials.Agent, h string) {
				reserve(a, h, 6)
				w.clock.add(lapseAfter)
				if err := w.SweepOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
			}, credentials.TryFacts{Agent: 1, Account: 1}},
		} {
			id := fmt.Sprint("of", i)
			if c.pin != "" {
				w.mint(minting(id, c.pin))
			} else { // an account that has had a PIN
				w.enter(agent(100), id, "123456")
			}
			c.try(agent(i), "hof"+fmt.Sprint(i))
			got := w.counted(agent(i), id)
			all := got
			got.Installation -= before.Installation
			got.InstallationWeak -= before.InstallationWeak
			before = all
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
	})
}

// TestOthersKeepTheirTries: a right PIN gives back what was reserved for it, and
// nothing of what others have used up.
func TestOthersKeepTheirTries(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456"))
		other := w.mint(minting("acme", "654321", func(m *credentials.Minting) { m.Credential.Policy = "another" }))
		if _, err := w.redeem(agent(1), "hacme", "000000"); !isNoMatch(err) {
			t.Fatal(err)
		}
		if held, err := w.Reserve(t.Context(), trying("held", agent(2), "hacme")); err != nil || len(held.PINs) != 2 {
			t.Fatalf("%d PINs, %v", len(held.PINs), err)
		}
		if _, err := w.redeem(agent(3), "hacme", "123456"); err != nil {
			t.Fatal(err)
		}
		if n := w.number(`SELECT 10 * reserved + wrong FROM credentials WHERE id = $1`, other.ID); n != 11 {
			t.Errorf("the other PIN has %d reserved and %d wrong tries, want one of each", n/10, n%10)
		}
		if got := w.counted(agent(1), "acme").Agent; got != 1 {
			t.Errorf("%d wrong tries count against another agent, want their one", got)
		}
	})
}
