package e2e

import (
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestRefusalsDoNotTellWhy: five reasons why a PIN is refused, one answer.
func TestRefusalsDoNotTellWhy(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		empty := account{id: "acct-empty", name: "Empty Shelf", handle: "NW-3003"}
		b.revoke(b.mint(mint{account: empty, policy: "temporary-login"}))
		dead := b.mint(mint{account: globex, policy: "support-pin"})
		b.revoke(dead)
		expired := b.mint(mint{account: account{id: "acct-late", name: "Late Post", handle: "NW-4004"}, policy: "quick-pin"})
		until(expired.RedeemBy)
		live := b.pin("support-pin")

		var first page
		for i, c := range []struct{ why, handle, pin string }{
			{"a wrong PIN", live.Handle, wrong(live).PIN},
			{"an account nobody knows", "NW-9999", live.PIN},
			{"an account without a live PIN", empty.handle, live.PIN},
			{"a dead PIN", dead.Handle, dead.PIN},
			{"an expired PIN", expired.Handle, expired.PIN},
			{"another account's PIN", globex.handle, live.PIN},
		} {
			// Each by somebody else: what is left of an agent's own tries is told.
			who := agent(i)
			w := b.browser()
			w.open(b.authorize(b.docs()).url())
			w.login(who)
			w.enterPIN(c.handle, c.pin)
			if w.shows("enter") || w.callback != nil {
				t.Fatalf("%s opens a session", c.why)
			}
			got := w.page.neutral(t, who.name, who.username, c.handle)
			if i == 0 {
				first = w.page
				if !w.shows("account", "pin") {
					t.Errorf("after a wrong PIN there is no form to try again: %d %s", first.status, first.text())
				}
				continue
			}
			if want := first.neutral(t, agent(0).name, agent(0).username, live.Handle); w.page.status != first.status || got != want {
				t.Errorf("%s is told apart from a wrong PIN: status %d and %d\n%s\n---\n%s", c.why, w.page.status, first.status, got, want)
			}
			if len(w.page.header) != len(first.header) {
				t.Errorf("%s has other headers than a wrong PIN: %v and %v", c.why, w.page.header, first.header)
			}
		}
		if !b.attempt(agent(7), live) {
			t.Error("the right PIN is refused")
		}
	})
}

// TestWrongSignInsDoNotTellWhy is the same for the staff's own passwords.
func TestWrongSignInsDoNotTellWhy(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		try := func(username, password string) page {
			w := b.browser()
			w.open(b.authorize(b.docs()).url())
			w.submit(w.form("username", "password"), map[string]string{"username": username, "password": password}, "")
			if w.callback != nil {
				t.Errorf("a failed sign-in is a redirect to the app: %v", w.callback)
			}
			return w.page
		}
		known, unknown := try(dana.username, "not it"), try("nobody", "not it")
		if known.status != unknown.status || known.neutral(t, dana.username) != unknown.neutral(t, "nobody") {
			t.Errorf("a wrong password and an unknown person are told apart:\n%d %s\n---\n%d %s",
				known.status, known.neutral(t, dana.username), unknown.status, unknown.neutral(t, "nobody"))
		}
		withCode := try(sam.username, "not it")
		if withCode.neutral(t, sam.username) != known.neutral(t, dana.username) {
			t.Error("a person with a second factor is told apart before the password is right")
		}
	})
}
