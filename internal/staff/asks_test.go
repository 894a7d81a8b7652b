package staff

import (
	"strings"
	"testing"
	"time"
)

// TestAShortMaxAge: a sign-in that the request has asked for is new enough for
// it, however long the form after it takes; the next request asks again.
func TestAShortMaxAge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	for i, age := range []string{"0", "1", "1"} {
		v := h.app("docs", "max_age", age)
		h.clock.Add(2 * time.Second)
		b.open(v)
		if !b.Shows("username") {
			t.Fatalf("max_age=%s: the agent is not asked: %v %s", age, b.Callback, b.Page.Text())
		}
		h.clock.Add(time.Minute)
		b.login("dana")
		at := h.clock.Now().Unix()
		if i == 0 {
			h.clock.Add(time.Minute)
			b.redeem(acme, h.mint(acme, "support-pin"))
			h.clock.Add(time.Minute)
			b.Submit("enter")
		}
		if got := v.exchange(b); got.AuthTime != at {
			t.Errorf("max_age=%s: a proof of %d, want %d", age, got.AuthTime, at)
		}
	}
}

// TestAppsCanWantTheAgentToLook: prompt=consent and select_account show what is
// about to be entered to an agent who is in already, who goes on or enters
// another account; silently there is nothing to look at.
func TestAppsCanWantTheAgentToLook(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	first := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	for _, prompt := range []string{"consent", "select_account", "consent select_account", "login consent"} {
		v := h.app("docs", "prompt", prompt)
		b.open(v)
		if strings.Contains(prompt, "login") {
			b.login("dana")
		}
		if b.Callback != nil || !b.Page.Says("You are already in "+acme.Name) {
			t.Fatalf("%s: %v %s", prompt, b.Callback, b.Page.Text())
		}
		b.Submit("enter")
		if got := v.exchange(b); got.SID != first.SID {
			t.Errorf("%s: another session", prompt)
		}
	}
	v := h.app("docs", "prompt", "select_account")
	b.open(v)
	b.Submit("/cancel")
	b.redeem(globex, h.mint(globex, "support-pin"))
	b.Submit("enter")
	if got := v.exchange(b); got.SID == first.SID || got.Account.ID != globex.ID {
		t.Errorf("choosing another account leads to %+v", got)
	}
}

// TestAnEssentialACRAsksForTheOtherCredential: an agent who is in by a PIN is
// shown so, and can end it and come in as the app wants.
func TestAnEssentialACRAsksForTheOtherCredential(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	const byPassword = `{"id_token":{"acr":{"essential":true,"value":"urn:valetkey:acr:agent+password"}}}`
	if b.open(h.app("docs", "claims", byPassword, "prompt", "none")); b.Callback.Get("error") != "login_required" {
		t.Errorf("silently: %v", b.Callback)
	}
	v := h.app("docs", "claims", byPassword)
	if b.open(v); b.Callback != nil || !b.Page.Says("You are already in") {
		t.Fatalf("%v %s", b.Callback, b.Page.Text())
	}
	b.Submit("/cancel")
	b.redeem(acme, h.mint(acme, "temporary-login"))
	b.Submit("enter")
	v.exchange(b)
}

// TestAHintOfAPINThatIsOver: the app is told before the agent spends another PIN
// on a session that the app does not mean; while the session lives, the hint
// leads to it.
func TestAHintOfAPINThatIsOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b, v := h.browser(), h.app("docs")
	b.open(v)
	b.login("dana")
	b.redeem(acme, h.mint(acme, "support-pin"))
	b.Submit("enter")
	hint := v.idToken(b)
	if b.open(h.app("docs", "id_token_hint", hint)); b.Callback.Get("code") == "" {
		t.Fatalf("while it lives: %v %s", b.Callback, b.Page.Text())
	}
	h.clock.Add(11 * time.Minute) // idle
	if b.open(h.app("docs", "id_token_hint", hint)); b.Callback.Get("error") != "login_required" {
		t.Errorf("after its end: %v %s", b.Callback, b.Page.Text())
	}
	if b.open(h.app("docs")); !b.Shows("pin") {
		t.Errorf("without the hint: %v %s", b.Callback, b.Page.Text())
	}
}
