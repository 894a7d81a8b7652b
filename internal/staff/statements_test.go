package staff

import (
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestWhatASignInCosts: all pages of a sign-in and its token request together, in
// commits and statements, on both engines. Which statements these are is listed
// beside them: TestStatementsOfASignIn of internal/store. One more makes every
// sign-in slower.
func TestWhatASignInCosts(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]func(testing.TB) string{"SQLite": storetest.SQLite, "PostgreSQL": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Read by each transaction, which PostgreSQL foresees; for the summary, which it
			// remembers; the end of a record, which goes with its entry there.
			read, shown, end := int64(2), int64(1), int64(1)
			if name == "PostgreSQL" {
				read, shown, end = 0, 0, 0
			}
			h := newHouseOn(t, dsn(t))
			cost := func(what string, commits, statements int64, visit func()) {
				t.Helper()
				c, s := h.store.Counts()
				visit()
				c2, s2 := h.store.Counts()
				if c2-c != commits || s2-s != statements {
					t.Errorf("%s: %d commits and %d statements, want %d and %d", what, c2-c, s2-s, commits, statements)
				}
			}
			login, known, pin := h.mint(acme, "holder-login"), h.mint(acme, "temporary-login"), h.mint(acme, "support-pin")
			cost("with a temporary login", 2, 13+2*read+shown, func() {
				b, v := h.browser(), h.app("docs")
				b.open(v)
				b.redeem(acme, login)
				b.Submit("enter")
				v.exchange(b)
			})
			b := h.browser()
			cost("showing who somebody is", 0, 2, func() {
				b.open(h.app("docs"))
				b.login("dana")
			})
			cost("of somebody who is known, with a temporary login", 2, 16+end+read+shown, func() {
				v := h.app("docs")
				b.open(v)
				b.redeem(acme, known)
				b.Submit("enter")
				v.exchange(b)
			})
			other := h.browser()
			other.open(h.app("docs"))
			other.login("erin")
			cost("of somebody who is known, with a PIN", 3, 31+end+read+shown, func() {
				v := h.app("docs")
				other.open(v)
				other.redeem(acme, pin)
				other.Submit("enter")
				v.exchange(other)
			})
		})
	}
}
