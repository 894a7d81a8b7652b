package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestNeutrality: unknown account, no live PIN, wrong, dead and expired PIN,
// and an account over its limit take the same statements and get the same
// answer, to redeem and to verify; so do unknown, wrong and dead logins.
func TestNeutrality(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, redeem := w.minter()
		for _, id := range []string{"wrong", "several", "last", "final", "none", "revoked", "burned", "expired", "used", "closed"} {
			tries := 5
			if id == "last" || id == "final" {
				tries = 1
			}
			w.mint(minting(id, "123456", func(m *credentials.Minting) { m.Credential.Tries = tries }))
			w.mint(login(id, id+"@x.example"))
		}
		w.mint(minting("several", "222222", func(m *credentials.Minting) { m.Credential.Policy = "two-day-pin" }))
		w.prepareDead()
		var want []string
		pin := credentials.NewSecret("000000")
		for i, handle := range []string{"nobody", "hwrong", "hseveral", "hlast", "hfinal", "hnone", "hrevoked", "hburned", "hexpired", "hused", "hclosed"} {
			tries := map[string]func() error{
				"redeem": func() error {
					_, err := redeem.PIN(t.Context(), credentials.NewID(), agent(100+i), handle, pin, "why")
					return err
				},
				"verify": func() error {
					a := credentials.Attempt{ID: credentials.NewID(), Agent: agent(300 + i), Client: "console"}
					_, err := redeem.Verify(t.Context(), a, handle, pin, "why")
					return err
				},
			}
			if handle == "hfinal" { // whoever comes first kills it
				delete(tries, "redeem")
			}
			for how, try := range tries {
				var got []string
				w.probe = func(statement string) error { got = append(got, statement); return nil }
				err := try()
				w.probe = nil
				got = append(got, fmt.Sprintf("%#v", err))
				if want == nil {
					want = got
				}
				if !isNoMatch(err) || !slices.Equal(got, want) {
					t.Errorf("%s %s takes\n%s\nnot\n%s", how, handle, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
		want = nil
		for i, email := range []string{"nobody@x.example", "wrong@x.example", "revoked@x.example"} {
			a := agent(200 + i)
			var got []string
			w.probe = func(statement string) error { got = append(got, statement); return nil }
			_, err := redeem.Password(t.Context(), credentials.NewID(), &a, email, credentials.NewSecret("x"), "why")
			w.probe = nil
			if !isNoMatch(err) {
				t.Errorf("%s: %v", email, err)
			}
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s takes\n%s\nnot\n%s", email, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			got = nil
			w.probe = func(statement string) error { got = append(got, statement); return nil }
			if _, err := redeem.Password(t.Context(), "x", nil, email, credentials.NewSecret("x"), ""); !isNoMatch(err) || len(got) != 1 {
				t.Errorf("nobody signed in, %s: %v by %v", email, err, got)
			}
			w.probe = nil
		}
		w.sound()
	})
}

// prepareDead brings the accounts into the states that their names say.
func (w *world) prepareDead() {
	w.t.Helper()
	for _, id := range []string{"none", "revoked"} {
		if err := w.Revoke(w.t.Context(), id, "", byOwner); err != nil {
			w.t.Fatal(err)
		}
	}
	w.mint(minting("expired", "654321", func(m *credentials.Minting) { m.Credential.RedeemWithin = time.Microsecond }))
	w.clock.add(time.Microsecond)
	for i := range 5 {
		if _, err := w.redeem(agent(i), "hburned", "000000"); !isNoMatch(err) {
			w.t.Fatal(err)
		}
	}
	if _, err := w.redeem(agent(50), "hused", "123456"); err != nil {
		w.t.Fatal(err)
	}
	for i := range 20 {
		if i%4 == 0 {
			w.mint(minting("closed", "123456", func(m *credentials.Minting) { m.Verifier = []byte{byte(i)} }))
		}
		if _, err := w.redeem(agent(20+i), "hclosed", "000000"); !isNoMatch(err) {
			w.t.Fatal(err)
		}
	}
}

// TestHolderWritesNothing: a wrong login without SSO reads and no more; a right
// one opens a session that names no agent.
func TestHolderWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		mint, redeem := w.minter()
		mint.Policies[2].Holder = true
		m, err := mint.Mint(t.Context(), request("acme", "temporary-login"))
		if err != nil {
			t.Fatal(err)
		}
		if m.Email != strings.ToLower(m.Email) {
			t.Errorf("the address %s is not what it is compared as", m.Email)
		}
		before := w.contents()
		for _, email := range []string{m.Email, "nobody@x.example"} {
			if _, err := redeem.Password(t.Context(), "1", nil, email, credentials.NewSecret("wrong"), ""); !isNoMatch(err) {
				t.Errorf("wrong: %v", err)
			}
		}
		if w.contents() != before {
			t.Error("a wrong login of a visitor wrote something")
		}
		s, err := redeem.Password(t.Context(), "1", nil, strings.ToUpper(m.Email), credentials.NewSecret(" "+m.Secret.Reveal()+" "), "")
		if err != nil || s.Agent != nil || s.AgentKey() != "" || !s.AuthTime.Equal(w.clock.now()) || !slices.Equal(s.AMR, []string{"pwd"}) {
			t.Errorf("right: %+v, %v", s, err)
		}
		w.sound()
	})
}
