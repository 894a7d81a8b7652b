package staff

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// TestInDoubtRefuse: when any verb of the store fails, the page says that
// nothing can be decided, shows nothing of the reason, and opens nothing; once
// the store is back the same form goes on.
func TestInDoubtRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb string
		upTo func(h *house, b *browser) // then do is sent, with the verb broken
		do   func(h *house, b *browser)
	}{
		{"UseOTP", atCode, func(h *house, b *browser) { b.Submit("code", "code", h.code()) }},
		{"Suspended", atSignIn, func(_ *house, b *browser) { b.Submit("username", "username", "dana", "password", staffPassword) }},
		{"Suspended", atRedeem, func(h *house, b *browser) { b.open(h.app("docs")) }},
		{"Reserve", atRedeem, func(h *house, b *browser) { b.redeem(acme, h.pin) }},
		{"Settle", atRedeem, func(h *house, b *browser) { b.redeem(acme, h.pin) }},
		{"Settle", atRedeem, func(h *house, b *browser) { b.Submit("pin", "account", acme.Handle, "pin", other(h.pin)) }},
		{"Login", atRedeem, func(h *house, b *browser) { b.redeem(acme, h.login) }},
		{"RedeemPassword", atRedeem, func(h *house, b *browser) { b.redeem(acme, h.login) }},
		{"Login", atSignIn, func(h *house, b *browser) { b.redeem(acme, h.login) }},
		{"Session", atSummary, func(_ *house, b *browser) { b.Submit("enter") }},
		{"Session", atSummary, func(_ *house, b *browser) { b.Submit("/cancel") }},
		{"Session", atSummary, func(h *house, b *browser) { b.open(h.app("files")) }},
		{"Session", atSummary, func(h *house, b *browser) { b.open(h.app("files", "prompt", "none")) }},
		{"End", atSummary, func(_ *house, b *browser) { b.Submit("/cancel") }},
		{"End", atRedeemAgain, func(_ *house, b *browser) { b.Submit("/sign-out") }},
		{"Touch", atSummary, func(h *house, b *browser) { b.open(h.app("files")) }},
		{"End", atIdle, func(h *house, b *browser) { b.open(h.app("files")) }},
	} {
		t.Run(c.verb, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.pin, h.login = h.mint(acme, "support-pin"), h.mint(acme, "temporary-login")
			b := h.browser()
			b.open(h.app("docs"))
			c.upTo(h, b)
			form, before := b.Page, b.Cookies()
			h.faults.Break(c.verb)
			c.do(h, b)
			h.faults.Mend()
			if h.faults.Failed() == 0 {
				t.Fatal("the verb was not used: nothing is tested")
			}
			if b.Page.Status != http.StatusServiceUnavailable || b.Callback != nil || !strings.Contains(b.Page.Text(), "cannot decide") {
				t.Errorf("%d, callback %v: %s", b.Page.Status, b.Callback, b.Page.Text())
			}
			for _, a := range h.tape.All() {
				if strings.Contains(a.Body, signintest.StoreMarker) || strings.Contains(a.Header.Get("Location"), signintest.StoreMarker) {
					t.Errorf("%s %s shows the reason: %s", a.Method, a.URL, a.Text())
				}
			}
			if !strings.Contains(h.log.String(), signintest.StoreMarker) {
				t.Error("the operator is not told the reason")
			}
			if after := b.Cookies(); after["session"] != before["session"] || before["agent"] != after["agent"] {
				t.Errorf("cookies %v became %v", before, after)
			}
			b.Page = form
			b.again()
			c.do(h, b)
			if b.Page.Status == http.StatusServiceUnavailable {
				t.Errorf("once the store is back: %s", b.Page.Text())
			}
		})
	}
}

// again gives the forms of the page another one-time id, as if it had been
// loaded anew: an attempt that was begun and not settled is spent.
func (b *browser) again() {
	if _, fields := b.Form("form"); fields.Get("form") != "" {
		b.Page.Body = strings.ReplaceAll(b.Page.Body, fields.Get("form"), credentials.NewID())
	}
}

func atSignIn(*house, *browser) {}

func atCode(_ *house, b *browser) {
	b.Submit("username", "username", "sam", "password", staffPassword)
}

func atRedeem(_ *house, b *browser) { b.login("dana") }

func atSummary(h *house, b *browser) {
	b.login("dana")
	b.redeem(acme, h.pin)
}

// atRedeemAgain is at the form that asks for a PIN, in the other tab.
func atRedeemAgain(h *house, b *browser) {
	b.login("dana")
	page := b.Page
	b.redeem(acme, h.pin)
	b.Page = page
}

// atIdle is after a session's end that nobody has looked at yet.
func atIdle(h *house, b *browser) {
	atSummary(h, b)
	b.Submit("enter")
	h.clock.Add(11 * time.Minute)
}

// TestTooManyAtOnce: a crowd is turned away with words of its own.
func TestTooManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	for {
		leave, err := h.handler.Redeemer.Hasher.Visit()
		if err != nil {
			break
		}
		defer leave()
	}
	b.Submit("username", "username", "dana", "password", staffPassword)
	if b.Page.Status != http.StatusServiceUnavailable || !strings.Contains(b.Page.Text(), "Too many people") {
		t.Errorf("%d %s", b.Page.Status, b.Page.Text())
	}
}
