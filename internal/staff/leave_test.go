package staff

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// leave goes to the end_session_endpoint with these parameters.
func (b *browser) leave(pairs ...string) {
	b.T.Helper()
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	b.Visit(http.MethodGet, b.h.server.URL+"/logout?"+q.Encode(), nil)
}

// at is where the browser came to, and what the page says.
func (b *browser) at() string {
	if b.Callback != nil {
		return "called back with " + b.Callback.Encode()
	}
	return b.Page.URL + ": " + b.Page.Text()
}

// TestTheAppSignsItsAgentOut: with the hint of this browser's session it ends
// at once, in every app; the agent's own sign-in stays.
func TestTheAppSignsItsAgentOut(t *testing.T) {
	t.Parallel()
	for name, expired := range map[string]time.Duration{"at once": 0, "with a hint that has expired": 6 * time.Minute} {
		h := newHouse(t)
		b := h.browser()
		first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
		v := h.app("files")
		b.open(v)
		v.exchange(b)
		h.clock.Add(expired)
		b.leave("id_token_hint", first.raw, "post_logout_redirect_uri", byes["docs"], "state", "s1")
		if b.Callback.Encode() != "state=s1" || h.session(first.SID).Cause != credentials.CauseSignedOut {
			t.Errorf("%s: %s, the session ended by %q", name, b.at(), h.session(first.SID).Cause)
		}
		if _, held := b.Cookies()["session"]; held {
			t.Errorf("%s: the browser still has the session's cookie", name)
		}
		for _, app := range []string{"docs", "files"} {
			if b.open(h.app(app, "prompt", "none")); b.Callback.Get("error") != "login_required" {
				t.Errorf("%s: %s still gets in: %v", name, app, b.Callback)
			}
		}
		if b.open(h.app("docs")); !b.Shows("pin") {
			t.Errorf("%s: the agent is not known any more: %s", name, b.at())
		}
		b.leave("id_token_hint", first.raw, "post_logout_redirect_uri", byes["docs"])
		if b.Callback == nil || len(b.Callback) != 0 {
			t.Errorf("%s: a second time: %s", name, b.at())
		}
	}
}

// TestAnAppMayPost: its form comes from another site.
func TestAnAppMayPost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	b.Visit(http.MethodPost, h.server.URL+"/logout", url.Values{"id_token_hint": {first.raw}, "post_logout_redirect_uri": {byes["docs"]}, "state": {"s2"}},
		"Sec-Fetch-Site", "cross-site", "Origin", "http://127.0.0.1:4711")
	if b.Callback.Get("state") != "s2" || !h.session(first.SID).Ended() {
		t.Errorf("%s", b.at())
	}
}

// TestWithoutAHintTheAgentIsAsked, whatever else the link says.
func TestWithoutAHintTheAgentIsAsked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	for name, pairs := range map[string][]string{
		"nothing":      nil,
		"a state":      {"state", "s"},
		"the app":      {"client_id", "docs", "post_logout_redirect_uri", byes["docs"]},
		"a wrong hint": {"id_token_hint", first.raw + "x", "client_id", "docs"},
	} {
		if b.leave(pairs...); b.Page.Status != http.StatusOK || !b.Page.Says("End your access to Acme Corp?") || h.session(first.SID).Ended() {
			t.Errorf("%s: %d %s", name, b.Page.Status, b.at())
		}
	}
	b.leave("client_id", "docs", "post_logout_redirect_uri", byes["docs"], "state", "s3")
	if !b.Page.Says("Northwind docs asks to sign you out.") {
		t.Errorf("who asks is not said: %s", b.at())
	}
	question := b.Page
	if b.Submit("/logout/stay"); !b.Page.Says("You are still in Acme Corp") || h.session(first.SID).Ended() {
		t.Errorf("staying: %s", b.at())
	}
	b.Page = question
	if b.Submit("/logout/confirm"); b.Callback.Get("state") != "s3" || h.session(first.SID).Cause != credentials.CauseSignedOut {
		t.Errorf("leaving: %s", b.at())
	}
	b.Page = question
	if b.Submit("/logout/stay"); !b.Page.Says("You are signed out") {
		t.Errorf("staying where nothing is left: %s", b.at())
	}
	if b.leave(); b.Page.Status != http.StatusOK || !b.Page.Says("You are signed out") || !b.Page.Says("still signed in to support here as Dana R.") || b.Shows("/logout/confirm") {
		t.Errorf("with nothing to end: %s", b.at())
	}
}

// TestAHintOfAnotherBrowser ends nothing by itself, here or there.
func TestAHintOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	there := h.browser()
	theirs := there.signIn(h.app("docs"), "erin", globex, h.mint(globex, "support-pin"))
	b := h.browser()
	mine := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	for name, who := range map[string]*browser{"in another session": b, "in none": h.browser()} {
		who.leave("id_token_hint", theirs.raw, "post_logout_redirect_uri", byes["docs"])
		if who.Callback != nil || !who.Page.Says("Globex?") || !who.Page.Says("opened in another browser") || h.session(theirs.SID).Ended() || h.session(mine.SID).Ended() {
			t.Errorf("%s: %s", name, who.at())
		}
		if who == b != who.Page.Says("Acme Corp and Globex") {
			t.Errorf("%s: %s", name, who.at())
		}
		page := who.Page
		if who.Submit("/logout/stay"); h.session(theirs.SID).Ended() || h.session(mine.SID).Ended() {
			t.Errorf("%s: staying ends it", name)
		}
		who.Page = page
	}
	if b.Submit("/logout/confirm"); !h.session(theirs.SID).Ended() || !h.session(mine.SID).Ended() || b.Callback == nil {
		t.Errorf("what the page said did not come true: %s", b.at())
	}

	theirs = h.browser().signIn(h.app("docs"), "erin", globex, h.mint(globex, "support-pin"))
	third := h.browser()
	third.leave("id_token_hint", theirs.raw)
	question := third.Page
	mine = third.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	third.Page = question
	third.Submit("/logout/confirm")
	if _, held := third.Cookies()["session"]; !h.session(theirs.SID).Ended() || h.session(mine.SID).Ended() || !held {
		t.Errorf("the session entered meanwhile: ended %v, its cookie is held %v", h.session(mine.SID).Ended(), held)
	}
}

// TestOnlyWhatThePageNamedEnds, and only where it was shown.
func TestOnlyWhatThePageNamedEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	b.leave("client_id", "docs")
	question := b.Page
	_, form := b.Form("/logout/confirm")

	other := h.browser()
	other.leave("client_id", "docs") // so that it has a secret of its own
	for name, f := range map[string]func(){
		"another browser": func() { other.Visit(http.MethodPost, h.server.URL+"/logout/confirm", form) },
		"no browser":      func() { h.browser().Visit(http.MethodPost, h.server.URL+"/logout/confirm", form) },
		"another site": func() {
			b.Visit(http.MethodPost, h.server.URL+"/logout/confirm", form, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
		},
		"no request": func() { b.Visit(http.MethodPost, h.server.URL+"/logout/confirm", url.Values{}) },
		"an address": func() { b.Visit(http.MethodGet, h.server.URL+"/logout/confirm?"+form.Encode(), nil) },
		"both":       func() { b.Visit(http.MethodPost, h.server.URL+"/logout/confirm?"+form.Encode(), form) },
		"the query of a request": func() {
			b.leave("r", form.Get("request"))
		},
	} {
		if f(); h.session(first.SID).Ended() {
			t.Fatalf("%s ends it", name)
		}
	}

	v := h.app("docs", "login_hint", globex.Handle)
	b.open(v)
	b.Submit("/cancel")
	b.redeem(globex, h.mint(globex, "support-pin"))
	b.Submit("enter")
	second := v.exchange(b)
	b.Page = question
	if b.Submit("/logout/confirm"); h.session(second.SID).Ended() {
		t.Error("the page named Acme Corp, and ended Globex")
	}
	if _, held := b.Cookies()["session"]; !held {
		t.Error("the browser has lost the session that goes on")
	}
	h.clock.Add(9 * time.Minute)
	b.open(h.app("docs", "prompt", "none")) // activity
	h.clock.Add(2 * time.Minute)
	b.Page = question
	if b.Submit("/logout/confirm"); b.Page.Status != http.StatusBadRequest || !b.Page.Says("You were not signed out") {
		t.Errorf("after eleven minutes: %s", b.at())
	}
}

// TestAnAddressThatIsNotRegistered is never gone to, and the page says what has
// become of the access.
func TestAnAddressThatIsNotRegistered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	evil := byes["docs"] + "/../evil"
	b.leave("client_id", "docs", "post_logout_redirect_uri", evil)
	if b.Page.Status != http.StatusBadRequest || !b.Page.Says("Nothing has ended yet") || !b.Page.Says("not registered") || h.session(first.SID).Ended() {
		t.Errorf("without a hint: %d %s", b.Page.Status, b.at())
	}
	if strings.Contains(b.Page.Header.Get("Content-Security-Policy"), "4711") {
		t.Error("the form may lead to the app")
	}
	b.leave("id_token_hint", first.raw, "post_logout_redirect_uri", evil, "state", "s")
	if b.Page.Status != http.StatusBadRequest || !b.Page.Says("Your access to Acme Corp has ended.") || !b.Page.Says("not registered") || !h.session(first.SID).Ended() {
		t.Errorf("with a hint: %d %s", b.Page.Status, b.at())
	}
	b.leave("post_logout_redirect_uri", byes["docs"]) // of which app?
	if b.Page.Status != http.StatusBadRequest || b.Callback != nil || !b.Page.Says("Nobody is in a customer’s account from this browser now.") {
		t.Errorf("without an app: %d %s", b.Page.Status, b.at())
	}
	b.leave("id_token_hint", first.raw, "client_id", "files")
	if b.Page.Status != http.StatusBadRequest || !b.Page.Says("You were not signed out") {
		t.Errorf("of two apps: %d %s", b.Page.Status, b.at())
	}
}

// TestAHolderSignsOut who has no sign-in of their own.
func TestAHolderSignsOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b, v := h.browser(), h.app("docs")
	b.open(v)
	b.redeem(acme, h.mint(acme, "holder-login"))
	b.Submit("enter")
	got := v.exchange(b)
	if b.leave("id_token_hint", got.raw); !h.session(got.SID).Ended() || !b.Page.Says("Your access to Acme Corp has ended") || b.Page.Says("signed in to support here") {
		t.Errorf("%s", b.at())
	}
}

// TestInDoubtNobodyIsToldThatTheyAreOut.
func TestInDoubtNobodyIsToldThatTheyAreOut(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(h *house){
		"it cannot be read":        func(h *house) { h.faults.Break("Session") },
		"it cannot be ended":       func(h *house) { h.faults.Break("End") },
		"nobody knows if it ended": func(h *house) { h.faults.BreakAfter("End") },
	} {
		h := newHouse(t)
		b := h.browser()
		first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
		b.leave("client_id", "docs", "post_logout_redirect_uri", byes["docs"])
		question := b.Page
		broken(h)
		for _, leave := range []func(){
			func() { b.leave("id_token_hint", first.raw, "post_logout_redirect_uri", byes["docs"]) },
			func() { b.Page = question; b.Submit("/logout/confirm") },
		} {
			if name == "nobody knows if it ended" && h.session(first.SID).Ended() {
				continue // it is known by now
			}
			leave()
			if b.Callback != nil || b.Page.Status != http.StatusServiceUnavailable || !b.Page.Says("You may still be signed in") || b.Page.Says("MARKER") {
				t.Errorf("%s: %s", name, b.at())
			}
			if _, held := b.Cookies()["session"]; !held {
				t.Errorf("%s: the browser forgot the session", name)
			}
		}
		h.faults.Mend()
		if b.leave("id_token_hint", first.raw, "post_logout_redirect_uri", byes["docs"]); b.Callback == nil || !h.session(first.SID).Ended() {
			t.Errorf("%s: again: %s", name, b.at())
		}
	}
}
