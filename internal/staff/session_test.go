package staff

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestTheWholePath: who they are, what the customer gave them, what they are
// about to enter, and back to the app.
func TestTheWholePath(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b, v := h.browser(), h.app("docs")
	b.open(v)
	b.login("sam")
	b.redeem(acme, h.mint(acme, "support-pin"))
	for _, said := range []string{"Acme Corp", "AC-100", "Sam Rivera", "View documents", "Northwind docs", "ticket 4711"} {
		if !strings.Contains(b.Page.Text(), said) {
			t.Errorf("the summary does not say %q: %s", said, b.Page.Text())
		}
	}
	can, never, _ := strings.Cut(b.Page.Text(), "Never")
	if strings.Contains(can, "invoices") || !strings.Contains(never, "See invoices and cards") || strings.Contains(can, "Change settings") {
		t.Errorf("the summary says: %s", b.Page.Text())
	}
	b.Submit("enter")
	if b.Callback.Get("state") != "s" || b.Callback.Get("iss") != h.server.URL {
		t.Errorf("the app is called back with %v", b.Callback)
	}
	got := v.exchange(b)
	if got.Account.ID != "acme" || got.Act == nil || got.Act.Sub != "local:sam" {
		t.Errorf("the ID token says %+v", got)
	}
}

// TestSecondApp enters with the session that lives in the browser; another
// browser does not.
func TestSecondApp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	for _, params := range [][]string{nil, {"prompt", "none"}, {"login_hint", "ac-100"}, {"login_hint", " AC- 100"}} {
		v := h.app("files", params...)
		b.open(v)
		if got := v.exchange(b); got.SID != first.SID || got.AuthTime != first.AuthTime {
			t.Errorf("%v: %+v, want %+v", params, got, first)
		}
	}
	other := h.browser()
	other.open(h.app("files", "prompt", "none"))
	if other.Callback.Get("error") != "login_required" {
		t.Errorf("another browser gets %v", other.Callback)
	}
	other.open(h.app("files"))
	other.login("dana")
	if !other.Shows("pin") {
		t.Errorf("the same agent in another browser is not asked for a PIN: %s", other.Page.Text())
	}
}

// TestAnotherAgent in the same browser does not get the first one's session,
// and ends it by entering one of their own.
func TestAnotherAgent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	b.open(h.app("docs", "prompt", "login"))
	b.login("erin")
	if b.Callback != nil || !b.Shows("pin") {
		t.Fatalf("erin gets dana's session: %v %s", b.Callback, b.Page.Text())
	}
	for _, action := range []string{"/enter", "/cancel"} {
		_, fields := b.Form("pin")
		page := b.Page
		b.Visit(http.MethodPost, h.server.URL+action, fields)
		if b.Callback != nil {
			t.Errorf("erin's %s of dana's session calls the app back with %v", action, b.Callback)
		}
		b.Page = page
	}
	if s := h.session(first.SID); s.Ended() {
		t.Errorf("dana's session ended by %s before erin entered", s.Cause)
	}
	b.redeem(globex, h.mint(globex, "support-pin"))
	b.Submit("enter")
	if b.Callback.Get("code") == "" {
		t.Fatalf("erin does not get in: %v", b.Callback)
	}
	if s := h.session(first.SID); s.Cause != credentials.CauseSignedOut {
		t.Errorf("dana's session is still open beside erin's: %q", s.Cause)
	}
}

func (h *house) session(sid string) credentials.Session {
	h.t.Helper()
	s, err := h.store.Session(h.t.Context(), sid)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// TestOneSessionPerBrowser: with another account's credential the agent leaves
// the account they were in.
func TestOneSessionPerBrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	v := h.app("docs", "login_hint", globex.Handle)
	b.open(v)
	if !strings.Contains(b.Page.Text(), "You are already in Acme Corp") {
		t.Fatalf("the agent is not asked: %s", b.Page.Text())
	}
	b.Submit("/cancel")
	if s := h.session(first.SID); s.Cause != credentials.CauseCancelled {
		t.Errorf("the first session: %q", s.Cause)
	}
	if _, fields := b.Form("pin"); fields.Get("account") != globex.Handle {
		t.Fatalf("the agent cannot go on to the account they came for: callback %v, %s", b.Callback, b.Page.Text())
	}
	b.redeem(globex, h.mint(globex, "support-pin"))
	b.Submit("enter")
	if got := v.exchange(b); got.Account.ID != "globex" {
		t.Errorf("%+v", got)
	}
}

// TestGoOnInstead: who is asked whether to leave an account may stay in it.
func TestGoOnInstead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	v := h.app("files", "login_hint", globex.Handle)
	b.open(v)
	b.Submit("enter")
	if got := v.exchange(b); got.SID != first.SID {
		t.Errorf("%+v, want the session %s", got, first.SID)
	}
	b.open(h.app("files", "login_hint", globex.Handle, "prompt", "none"))
	if b.Callback.Get("error") != "login_required" {
		t.Errorf("without asking: %v, want login_required", b.Callback)
	}
}

// TestCancel ends what was opened and tells the app; so does sign-out, which
// also forgets the agent.
func TestCancel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs", "login_hint", "somebody else"))
	b.login("dana")
	b.redeem(acme, h.mint(acme, "support-pin"))
	b.Submit("/cancel")
	if b.Callback.Get("error") != "access_denied" || b.Callback.Get("state") != "s" {
		t.Errorf("the app is called back with %v (%s)", b.Callback, b.Page.Text())
	}
	h.wantAll(map[credentials.Cause]int{credentials.CauseCancelled: 1})
	if _, is := b.Cookies()["session"]; is {
		t.Error("the browser keeps the session's cookie")
	}
	first := b.signIn2(h, acme)
	b.open(h.app("docs", "login_hint", globex.Handle))
	b.Submit("/cancel")
	b.Submit("/sign-out")
	if !b.Shows("username") || b.Cookies()["agent"] != "" {
		t.Errorf("after signing out: %v %s", b.Cookies(), b.Page.Text())
	}
	if s := h.session(first.SID); !s.Ended() {
		t.Error("the session lives on")
	}
}

// signIn2 signs in an agent whom the browser knows already.
func (b *browser) signIn2(h *house, a credentials.Account) claims {
	b.T.Helper()
	v := h.app("docs")
	b.open(v)
	b.redeem(a, h.mint(a, "support-pin"))
	b.Submit("enter")
	return v.exchange(b)
}

// wantAll checks how the sessions of an account ended.
func (h *house) wantAll(want map[credentials.Cause]int) {
	h.t.Helper()
	all, err := h.store.Sessions(h.t.Context(), acme.ID, credentials.Page{Limit: 100})
	if err != nil {
		h.t.Fatal(err)
	}
	got := map[credentials.Cause]int{}
	for _, s := range all {
		got[s.Cause]++
	}
	if len(got) != len(want) {
		h.t.Errorf("sessions ended by %v, want %v", got, want)
	}
	for cause, n := range want {
		if got[cause] != n {
			h.t.Errorf("sessions ended by %v, want %v", got, want)
		}
	}
}

// TestSignOutEndsTheSession from the page that asks for the next account.
func TestSignOutEndsTheSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	b.login("dana")
	page := b.Page
	b.redeem(acme, h.mint(acme, "support-pin"))
	b.Page = page // the other tab
	b.Submit("/sign-out")
	h.wantAll(map[credentials.Cause]int{credentials.CauseSignedOut: 1})
	if !b.Shows("username") {
		t.Errorf("the browser still knows the agent: %s", b.Page.Text())
	}
	b.open(h.app("docs", "prompt", "none"))
	if b.Callback.Get("error") != "login_required" {
		t.Errorf("%v, want login_required", b.Callback)
	}
}

// TestResumeAfterIdle: the end of a session is the end, whatever the browser
// still holds.
func TestResumeAfterIdle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	h.clock.Add(9 * time.Minute)
	b.open(h.app("files"))
	if b.Callback.Get("code") == "" {
		t.Fatalf("a minute before the idle end: %s", b.Page.Text())
	}
	h.clock.Add(10 * time.Minute)
	b.open(h.app("files", "prompt", "none"))
	if b.Callback.Get("error") != "login_required" {
		t.Errorf("after the idle end: %v", b.Callback)
	}
	if s := h.session(first.SID); s.Cause != credentials.CauseIdle {
		t.Errorf("the session: %q, want idle", s.Cause)
	}
}

// TestTheSameFormTwice: a double click is one attempt with one session.
func TestTheSameFormTwice(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"support-pin", "temporary-login"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b, v := h.browser(), h.app("docs")
			b.open(v)
			b.login("dana")
			c := h.mint(acme, policy)
			action, fields := b.Form(map[bool]string{true: "pin", false: "email"}[c.Kind == credentials.PIN])
			fields.Set("account", acme.Handle)
			if c.Kind == credentials.PIN {
				fields.Set("pin", c.Secret.Reveal())
			} else {
				fields.Del("account")
				fields.Set("email", c.Email)
				fields.Set("password", c.Secret.Reveal())
			}
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if got := b.Send(http.MethodPost, action, fields); got.Status != http.StatusSeeOther {
						t.Errorf("%d %s", got.Status, got.Text())
					}
				})
			}
			all.Wait()
			h.wantAll(map[credentials.Cause]int{"": 1})
			b.Visit(http.MethodPost, action, fields)
			b.Submit("enter")
			v.exchange(b)
			h.wantAll(map[credentials.Cause]int{"": 1})
			if c.Kind == credentials.PIN {
				h.otherAttempts(b, action, fields)
			}
		})
	}
}

// otherAttempts: the same form with the same PIN, from another browser of the same
// agent or for another account, is not answered with what it has opened.
func (h *house) otherAttempts(b *browser, action string, fields url.Values) {
	h.t.Helper()
	other := h.browser()
	other.open(h.app("docs"))
	other.login("dana")
	at, theirs := other.Form("pin")
	for _, name := range []string{"form", "account", "pin"} {
		theirs.Set(name, fields.Get(name))
	}
	if got := other.Send(http.MethodPost, at, theirs); got.Status == http.StatusSeeOther {
		h.t.Error("another browser has the session")
	}
	fields.Set("account", "another")
	if got := b.Send(http.MethodPost, action, fields); got.Status == http.StatusSeeOther {
		h.t.Error("a form for another account has the session")
	}
}

// TestTheAgentIsToldWhoEndedIt: whoever is thrown out reads why, once, instead
// of an empty form without a word.
func TestTheAgentIsToldWhoEndedIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	if err := h.store.Revoke(t.Context(), acme.ID, "", credentials.Mark{Who: "owner"}); err != nil {
		t.Fatal(err)
	}
	const said = "The customer ended your access to Acme Corp"
	if b.open(h.app("docs")); !strings.Contains(b.Page.Text(), said) {
		t.Errorf("after a revocation: %s", b.Page.Text())
	}
	if b.open(h.app("docs")); strings.Contains(b.Page.Text(), said) {
		t.Error("it is said again")
	}
}
