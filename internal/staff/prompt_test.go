package staff

import (
	"net/http"
	"testing"
	"time"
)

// TestPromptLogin asks who the agent is again, keeps their session, spends no
// use, and the app is told of the new proof.
func TestPromptLogin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	for _, again := range [][]string{{"prompt", "login"}, {"max_age", "0"}, {"max_age", "60"}} {
		h.clock.Add(3 * time.Minute)
		v := h.app("docs", again...)
		b.open(v)
		if !b.Shows("username") {
			t.Fatalf("%v: the agent is not asked: %v %s", again, b.Callback, b.Page.Text())
		}
		// The other forms of this request do not lead around it.
		_, fields := b.Form("username")
		page := b.Page
		for _, action := range []string{"/enter", "/redeem"} {
			fields.Set("account", acme.Handle)
			fields.Set("pin", h.mint(acme, "support-pin").Secret.Reveal())
			b.Visit(http.MethodPost, h.server.URL+action, fields)
			if b.Callback != nil || !b.Shows("username") {
				t.Errorf("%v: %s leads around the question: %v %s", again, action, b.Callback, b.Page.Text())
			}
		}
		b.Page = page
		b.login("dana")
		got := v.exchange(b)
		if got.SID != first.SID || got.AuthTime != h.clock.Now().Unix() {
			t.Errorf("%v: session %s with a proof of %d; want %s and %d", again, got.SID, got.AuthTime, first.SID, h.clock.Now().Unix())
		}
	}
	b.open(h.app("docs", "prompt", "login"))
	b.login("dana")
	v := h.app("docs", "login_hint", globex.Handle, "max_age", "30")
	h.clock.Add(20 * time.Second)
	b.open(v)
	h.clock.Add(20 * time.Second)
	b.Submit("enter") // the proof became too old while the page was shown
	if b.Callback != nil || !b.Shows("username") {
		t.Fatalf("a proof older than max_age gets in: %v", b.Callback)
	}
	b.login("dana")
	b.Submit("enter")
	if got := v.exchange(b); got.SID != first.SID || got.AuthTime != h.clock.Now().Unix() {
		t.Errorf("going on in the session: %+v at %d", got, h.clock.Now().Unix())
	}
}

// TestMaxAgeBeforeRedeeming: a proof that has become too old for the request or
// for the connector is renewed first; nothing is used up.
func TestMaxAgeBeforeRedeeming(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, c := range map[string]struct {
		wait   time.Duration
		params []string
	}{
		"the connector's": {15*time.Minute + time.Second, nil},
		"the request's":   {61 * time.Second, []string{"max_age", "60"}},
	} {
		b, v := h.browser(), h.app("docs")
		b.open(v)
		b.login("dana")
		if c.params != nil { // a proof from before the request
			v = h.app("docs", c.params...)
			b.open(v)
		}
		form := b.Page
		if c.wait > 10*time.Minute { // longer than a request lives
			h.clock.Add(c.wait - time.Minute)
			b.open(v)
			form = b.Page
			h.clock.Add(time.Minute)
		} else {
			h.clock.Add(c.wait)
		}
		pin := h.mint(acme, "support-pin")
		b.Page = form
		b.redeem(acme, pin)
		if b.Page.Status != http.StatusUnprocessableEntity || !b.Shows("username") {
			t.Fatalf("%s: %d %s", name, b.Page.Status, b.Page.Text())
		}
		b.login("dana")
		b.redeem(acme, pin)
		b.Submit("enter")
		if got := v.exchange(b); got.AuthTime != h.clock.Now().Unix() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
