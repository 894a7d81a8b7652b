package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
)

// bound makes a PIN valid for its minter alone, with a ticket.
func bound(m *credentials.Minting) {
	m.Credential.Contact, m.Credential.ContactKey, m.Credential.Ticket = owner.Name, owner.Key(), "T-4711"
}

// TestVerify: a right PIN says who is calling, is used up by it and opens
// nothing; the answer is the same again, and is in the record once.
func TestVerify(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.mint(minting("acme", "123456", bound))
		a := agent(1)
		want := credentials.Verified{Credential: c.ID, Policy: "support-pin", Account: account("acme"), Contact: owner.Name,
			MadeBy: owner.Name, Ticket: "T-4711", Reason: "about T-4711", At: w.clock.now()}
		for range 2 {
			got, err := w.verify("form", a, "hacme", "123456", "about T-4711")
			if err != nil || got != want {
				t.Errorf("%+v, want %+v, %v", got, want, err)
			}
			w.clock.add(time.Minute)
		}
		if n := w.number(`SELECT count(*) FROM sessions`); n != 0 {
			t.Errorf("%d sessions", n)
		}
		if got, err := w.Credential(t.Context(), "acme", c.ID); err != nil || got.State != credentials.Used {
			t.Errorf("the PIN is %s, %v", got.State, err)
		}
		if _, err := w.redeem(a, "hacme", "123456"); !isNoMatch(err) {
			t.Errorf("the PIN again: %v", err)
		}
		entry := w.only("acme", credentials.RecordVerified)
		if fmt.Sprint(entry.Facts) != fmt.Sprint(map[string]string{"agent_id": a.Key(), "agent_iss": a.Issuer, "credential": c.ID, "policy": "support-pin"}) ||
			len(entry.About) != 1 || entry.About[0].ID != a.Key() || entry.About[0].Fields["reason"] != "about T-4711" || entry.About[0].Fields["agent"] != a.Name {
			t.Errorf("the entry: %v about %v", entry.Facts, entry.About)
		}
		w.sound()
	})
}

// only returns the one entry of a kind.
func (w *world) only(chain, kind string) (found audit.Entry) {
	w.t.Helper()
	n := 0
	for _, e := range w.record(chain) {
		if e.Kind == kind {
			found = e
			n++
		}
	}
	if n != 1 {
		w.t.Errorf("%d entries of kind %s", n, kind)
	}
	return found
}

// TestVerifyForAClient: the record says through whom a caller was verified or
// refused.
func TestVerifyForAClient(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		mint, redeem := w.minter()
		m, err := mint.Mint(t.Context(), request("acme", "support-pin"))
		if err != nil {
			t.Fatal(err)
		}
		a := credentials.Attempt{ID: "1", Agent: agent(1), Client: "console"}
		if _, err := redeem.Verify(t.Context(), a, "H-Acme", credentials.NewSecret("000 00"), "why"); !isNoMatch(err) {
			t.Fatal(err)
		}
		typed := m.Secret.Reveal()
		a.ID, a.Owners = "other owners", "staff"
		if _, err := redeem.Verify(t.Context(), a, "H-Acme", credentials.NewSecret(typed), "why"); !isNoMatch(err) {
			t.Errorf("an account of owners whom the client is not for: %v", err)
		}
		a.ID, a.Owners = "2", "customers"
		got, err := redeem.Verify(t.Context(), a, " h-ACME", credentials.NewSecret(typed[:3]+" "+typed[3:]), "a\nreason")
		if err != nil || got.Credential != m.ID || got.Reason != "a reason" {
			t.Errorf("%+v, %v", got, err)
		}
		if f := w.only("acme", credentials.RecordRefusedTry).Facts; f["client"] != "console" || f["for"] != "verification" {
			t.Errorf("the refusal: %v", f)
		}
		if f := w.only("acme", credentials.RecordVerified).Facts; f["client"] != "console" || f["by"] != "client" {
			t.Errorf("the verification: %v", f)
		}
		w.sound()
	})
}

// TestVerifyHasTheLimitsOfRedemption: wrong PINs cost the PIN's tries, the
// agent's and the account's; a right one forgives; a ticket is asked for; a
// suspended agent learns nothing.
func TestVerifyHasTheLimitsOfRedemption(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.mint(minting("acme", "123456"))
		for i := range 5 {
			if _, err := w.verify(fmt.Sprint(i), agent(i), "hacme", "000000", ""); !isNoMatch(err) {
				t.Fatal(err)
			}
		}
		if got, err := w.Credential(t.Context(), "acme", c.ID); err != nil || got.State != credentials.Burned {
			t.Errorf("after five wrong tries the PIN is %s, %v", got.State, err)
		}
		one := agent(100)
		w.mint(minting("other", "111111", func(m *credentials.Minting) { m.Credential.Ticket = "4711" }))
		for i := range 4 {
			if _, err := w.verify(fmt.Sprint("x", i), one, "hother", "000000", ""); !isNoMatch(err) {
				t.Fatal(err)
			}
		}
		if _, err := w.verify("ticket", one, "hother", "111111", "no ticket"); !errors.Is(err, credentials.ErrTicket) {
			t.Errorf("without the ticket: %v", err)
		}
		if _, err := w.verify("right", one, "hother", "111111", "ticket 4711"); err != nil {
			t.Errorf("with the ticket: %v", err)
		}
		for i := range 5 { // those before were forgiven
			if _, err := w.verify(fmt.Sprint("y", i), one, "hother", "000000", ""); !isNoMatch(err) {
				t.Fatalf("try %d after a right one: %v", i, err)
			}
		}
		var paused *credentials.Paused
		if _, err := w.verify("z", one, "hother", "000000", ""); !errors.As(err, &paused) {
			t.Errorf("the sixth wrong try: %v", err)
		}
		w.mint(minting("third", "222222"))
		if err := w.Suspend(t.Context(), agent(0).Key(), true, byOperator); err != nil {
			t.Fatal(err)
		}
		if _, err := w.verify("s", agent(0), "hthird", "222222", ""); !errors.Is(err, credentials.ErrSuspended) {
			t.Errorf("a suspended agent: %v", err)
		}
		w.sound()
	})
}

// TestSuspendedBetweenReservingAndSettling: whoever is suspended in between is
// told nothing, and the PIN is not used.
func TestSuspendedBetweenReservingAndSettling(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.scene()
		if err := w.Suspend(t.Context(), s.calling.Agent.Key(), true, byOperator); err != nil {
			t.Fatal(err)
		}
		out, err := w.Settle(t.Context(), credentials.Settlement{Reservation: s.calling, Matched: s.calling.PINs[0].ID})
		if !errors.Is(err, credentials.ErrSuspended) || out.Verified != (credentials.Verified{}) {
			t.Errorf("%+v, %v", out.Verified, err)
		}
		if c, err := w.Credential(t.Context(), "beta", s.calling.PINs[0].ID); err != nil || c.State != credentials.Live {
			t.Errorf("the PIN is %s, %v", c.State, err)
		}
		w.sound()
	})
}

// TestOneAttemptOneOutcome: a form that verified opens nothing, one that opened
// verifies nothing, whatever is typed into it; and a form that verified a caller
// of one account says nothing of another.
func TestOneAttemptOneOutcome(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := agent(1)
		w.mint(minting("acme", "123456"))
		w.mint(minting("other", "654321"))
		w.mint(minting("third", "777777"))
		if _, err := w.verify("form", a, "hacme", "123456", ""); err != nil {
			t.Fatal(err)
		}
		for handle, pin := range map[string]string{"hacme": "123456", "hother": "654321"} {
			if s, _, err := w.try("form", a, handle, pin, ""); !errors.Is(err, credentials.ErrKeyReused) || s.ID != "" {
				t.Errorf("redeeming %s by a form that verified: %v", handle, err)
			}
		}
		if v, err := w.verify("form", a, "hother", "000000", ""); !isNoMatch(err) || v.Credential != "" {
			t.Errorf("another account, a wrong PIN, the same form: %+v, %v", v, err)
		}
		if v, err := w.verify("form", agent(2), "hacme", "123456", ""); !isNoMatch(err) || v.Credential != "" {
			t.Errorf("another agent, the same form: %+v, %v", v, err)
		}
		s, _, err := w.try("entered", a, "hother", "654321", "")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // while the session lives and after it
			if v, err := w.verify("entered", a, "hthird", "777777", ""); !errors.Is(err, credentials.ErrKeyReused) || v.Credential != "" {
				t.Errorf("verifying by a form that opened a session: %+v, %v", v, err)
			}
			if _, err := w.End(t.Context(), "other", s.ID, credentials.CauseSignedOut, byOwner); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.verify("after", a, "hthird", "777777", ""); err != nil {
			t.Errorf("the third PIN was touched: %v", err)
		}
		w.sound()
	})
}

// TestVerifyAgainstRedeem: one PIN and many who use it either way at the same
// instant, by one form and by many: one outcome.
func TestVerifyAgainstRedeem(t *testing.T) {
	for name, form := range map[string]func(i int) string{
		"one form":   func(int) string { return "form" },
		"many forms": func(i int) string { return fmt.Sprint("form", i) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				for round := range 5 {
					id, pin := fmt.Sprint("a", round), "123456"
					c := w.mint(minting(id, pin, func(m *credentials.Minting) { m.Credential.Tries = 1000 }))
					var verified, opened atomic.Int64
					parallel(20, func(i int) {
						a, attempt := agent(100*round), fmt.Sprint(round, form(i))
						if name == "many forms" {
							a = agent(100*round + i)
						}
						var err error
						if i%2 == 0 {
							var v credentials.Verified
							if v, err = w.verify(attempt, a, "h"+id, pin, ""); err == nil && v.Credential == c.ID {
								verified.Add(1)
							}
						} else {
							var s credentials.Session
							if s, _, err = w.try(attempt, a, "h"+id, pin, ""); err == nil && s.Credential == c.ID {
								opened.Add(1)
							}
						}
						if err != nil && !isNoMatch(err) && unusable(err) != credentials.Used && !errors.Is(err, credentials.ErrKeyReused) {
							t.Error(err)
						}
					})
					if (verified.Load() > 0) == (opened.Load() > 0) || name == "many forms" && verified.Load()+opened.Load() != 1 {
						t.Errorf("verified %d times and opened %d times", verified.Load(), opened.Load())
					}
				}
				w.sound()
			})
		})
	}
}
