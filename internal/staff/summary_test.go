package staff

import (
	"net/url"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestTheSummaryOfWhatHasEnded: what this node has ended is not shown any more;
// what another one has ended a moment ago may be, but nobody enters it.
func TestTheSummaryOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{"SQLite": storetest.SQLite(t), "PostgreSQL": storetest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouseOn(t, dsn)
			summary := func() *browser {
				b := h.browser()
				b.open(h.app("docs"))
				b.redeem(acme, h.mint(acme, "holder-login"))
				b.Get(b.Page.URL)
				if !b.Shows("enter") {
					t.Fatalf("no summary: %s", b.Page.Text())
				}
				return b
			}
			revoke := func(by *store.Store) {
				t.Helper()
				if err := by.Revoke(t.Context(), acme.ID, "", credentials.Mark{Who: "owner"}); err != nil {
					t.Fatal(err)
				}
			}
			b := summary()
			revoke(h.store)
			if b.Get(b.Page.URL); b.Shows("enter") {
				t.Errorf("after the end: %s", b.Page.Text())
			}

			other := h.store
			if name == "PostgreSQL" {
				other = h.anotherNode()
			}
			b = summary()
			revoke(other)
			page := b.Page.URL
			if b.Submit("enter"); b.Callback != nil || b.Shows("enter") {
				t.Errorf("it is entered after the end: %v %s", b.Callback, b.Page.Text())
			}
			h.clock.Add(2 * time.Second)
			if b.Get(page); b.Shows("enter") {
				t.Errorf("two seconds after the end: %s", b.Page.Text())
			}
		})
	}
}

// anotherNode is a store over the same database.
func (h *house) anotherNode() *store.Store {
	h.t.Helper()
	other, err := store.Open(h.t.Context(), store.Options{DSN: h.dsn, Secrets: h.secrets, Now: h.clock.Now, Log: h.handler.Log})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(other.Close)
	return other
}

// atSummary is a browser in which Dana has redeemed a PIN, and has not entered.
func (h *house) atSummary() *browser {
	b := h.browser()
	b.open(h.app("docs"))
	b.login("dana")
	b.redeem(acme, h.mint(acme, "support-pin"))
	return b
}

// TestTheSummaryIsOfThisBrowser: also where the session is known without a look, it
// is shown only where its agent is signed in, with a proof that is new enough.
func TestTheSummaryIsOfThisBrowser(t *testing.T) {
	t.Parallel()
	h := newHouseOn(t, storetest.Postgres(t))
	b := h.atSummary()
	page := b.Page.URL
	if b.Get(page); !b.Shows("enter") {
		t.Fatalf("no summary: %s", b.Page.Text())
	}
	before := b.Cookies()["agent"]
	b.SetCookie("agent", "")
	if b.Get(page); b.Shows("enter") {
		t.Errorf("nobody is signed in: %s", b.Page.Text())
	}
	b.open(h.app("files"))
	b.login("erin")
	if b.Get(page); b.Shows("enter") {
		t.Errorf("erin is signed in, in the same browser: %s", b.Page.Text())
	}
	b.SetCookie("agent", before)
	if b.Get(page); !b.Shows("enter") {
		t.Errorf("dana is signed in again: %s", b.Page.Text())
	}
	known := b.Cookies()
	b.SetCookie("browser", "")
	if b.Get(page); b.Shows("enter") {
		t.Errorf("another browser has the cookies: %s", b.Page.Text())
	}
	b.SetCookie("browser", known["browser"])
}

// TestTheSummaryWantsTheProofThatItsRequestWants: a session that was opened just now,
// for another request.
func TestTheSummaryWantsTheProofThatItsRequestWants(t *testing.T) {
	t.Parallel()
	h := newHouseOn(t, storetest.Postgres(t))
	b := h.atSummary()
	b.open(h.app("docs", "prompt", "login"))
	_, fields := b.Form("username")
	if b.Get("/summary?r=" + url.QueryEscape(fields.Get("request"))); b.Shows("enter") || !b.Shows("username") {
		t.Errorf("with a proof from before the request: %s", b.Page.Text())
	}
}
