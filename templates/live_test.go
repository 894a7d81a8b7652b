package templates_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/templates"
)

// later sets the browser's clock forward, as a laptop's sleep does.
const later = `(() => { const real = Date.now, far = 20 * 60 * 1000; Date.now = () => real() + far; return true; })()`

// TestOwnersPageInABrowser runs the scripts under the policy of the pages.
func TestOwnersPageInABrowser(t *testing.T) {
	t.Parallel()
	from := testkit.Chromium(t)
	t.Run("follows what happens", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, templates.Access{Mint: ways(), Open: []templates.Lent{pin()}, Notice: templates.Notice{Text: "Done."}})
		b := h.open(from, t, true)
		b.says("[data-line]", "A PIN waits. Nobody is in")
		b.do(chromedp.SendKeys(chromedp.CSS(`#ticket`), "T-47"), chromedp.Focus(chromedp.CSS(`[data-key=revoke]`)))
		h.is(http.StatusOK, func(a *templates.Access) { a.Open, a.Visits = nil, []templates.Visit{dana("s1")} })
		b.says("[data-line]", "Dana Reed is in your account")
		b.says("[data-part=state]", "verified by Northwind SSO")
		for what, holds := range map[string]string{
			"the form that is being filled in is kept":       `document.querySelector("#ticket").value === "T-47"`,
			"the cursor stays on its button":                 `document.activeElement.dataset.key === "revoke"`,
			"a screen reader is told":                        `document.querySelector("[data-say]").textContent === "Dana Reed is in your account"`,
			"the window's title tells":                       `document.title.startsWith("Dana Reed is in your account")`,
			"what a click did before is told no more":        `!document.body.innerText.includes("Done.")`,
			"times are the reader's own":                     `!document.querySelector("[data-part=state]").innerText.includes("UTC")`,
			"clocks run":                                     `/\d+:\d\d left/.test(document.querySelector("[data-part=state]").innerText)`,
			"what can no longer be used is no longer listed": `!document.querySelector("[data-part=open]").children.length`,
		} {
			if !ask[bool](b, holds) {
				t.Errorf("not so: %s", what)
			}
		}
		h.is(http.StatusOK, func(a *templates.Access) { a.Visits = nil })
		b.says("[data-line]", "Nobody can get in")
		if !ask[bool](b, `document.activeElement === document.querySelector("[data-line]")`) {
			t.Error("with its button gone the cursor is lost")
		}
	})
	t.Run("says when it is not up to date", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, templates.Access{})
		b := h.open(from, t, true)
		h.is(http.StatusServiceUnavailable, func(*templates.Access) {})
		ask[bool](b, later)
		b.says("[data-stale]", "Not up to date since")
		b.until(`document.querySelector("[data-line]").dataset.at?.startsWith("At ") && document.title.startsWith("Not up to date")`)
		h.is(http.StatusOK, func(*templates.Access) {})
		b.until(`document.querySelector("[data-stale]").hidden && !document.querySelector("[data-line]").dataset.at && document.title.startsWith("Nobody")`)
	})
	t.Run("says when nobody is signed in any more", func(t *testing.T) {
		t.Parallel()
		for _, status := range []int{http.StatusUnauthorized, http.StatusSeeOther} {
			h := newHouse(t, templates.Access{})
			b := h.open(from, t, true)
			h.is(status, func(*templates.Access) {})
			b.says("[data-signed-out]", "You were signed out after 15 minutes")
			b.until(`document.querySelector("[data-line]").dataset.at && document.querySelector("[data-signed-out] a").href.endsWith("/support-access")`)
		}
	})
	t.Run("stands still under a finger", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, templates.Access{Open: []templates.Lent{pin()}})
		b := h.open(from, t, true)
		ask[bool](b, `(() => { const now = Date.now(); Date.now = () => now; dispatchEvent(new PointerEvent("pointerdown")); return true; })()`)
		h.is(http.StatusOK, func(a *templates.Access) { a.Open = nil })
		b.looked(h, 2)
		if !ask[bool](b, `document.querySelector("[data-line]").innerText.startsWith("A PIN waits")`) {
			t.Error("the page moves while a button is being pressed")
		}
		ask[bool](b, `dispatchEvent(new PointerEvent("pointerup"))`)
		b.says("[data-line]", "Nobody can get in")
	})
	t.Run("copies and keeps the secret", func(t *testing.T) {
		l := pin()
		h := newHouse(t, templates.Access{Mint: ways(), Open: []templates.Lent{l},
			Minted: &templates.Minted{Lent: l, Secret: "073915", Handle: "4821", Session: time.Hour, OneUse: true}})
		b := h.open(from, t, true)
		b.do(chromedp.Click(chromedp.CSS(`[data-copy]`)))
		b.says("[data-copy]", "PIN copied")
		if got := ask[string](b, `navigator.clipboard.readText()`); got != "073915" {
			t.Errorf("copied %q", got)
		}
		h.is(http.StatusOK, func(a *templates.Access) { a.Open[0].Wrong = 1 })
		b.says("[data-part=state]", "Somebody tried a wrong PIN")
		if !ask[bool](b, `document.querySelector("#secret").innerText === "073 915" && document.querySelector("[data-gone]").hidden`) {
			t.Error("the secret is gone although it can still be used")
		}
		h.is(http.StatusOK, func(a *templates.Access) { a.Open = nil })
		b.says("[data-gone]", "It was used or cancelled")
		if ask[bool](b, `document.querySelector("[data-minted]").innerText.includes("left to use it")`) {
			t.Error("what can no longer be used still has time left")
		}
		if !ask[bool](b, `!["Read both", "One use", "Cancel PIN"].some((words) => document.querySelector("[data-minted]").innerText.includes(words))`) {
			t.Error("the page tells how to use what can no longer be used")
		}
	})
	t.Run("does not call used what ran out", func(t *testing.T) {
		t.Parallel()
		l := pin()
		h := newHouse(t, templates.Access{Open: []templates.Lent{l},
			Minted: &templates.Minted{Lent: l, Secret: "073915", Handle: "4821", Session: time.Hour, OneUse: true}})
		b := h.open(from, t, true)
		h.is(http.StatusOK, func(a *templates.Access) { a.Open = nil })
		ask[bool](b, later)
		b.says("[data-line]", "Nobody can get in")
		b.says(".clock", "It can no longer be used. Make a new one")
		if !ask[bool](b, `document.querySelector("[data-gone]").hidden`) {
			t.Error("the owner is told that somebody used what nobody used")
		}
	})
	t.Run("copies both of a login", func(t *testing.T) { // after the PIN: there is one clipboard
		l := templates.Lent{ID: "c2", Name: "Temporary login", Email: "guest-1@support.example", MadeAt: time.Now(), RedeemBy: time.Now().Add(time.Hour)}
		h := newHouse(t, templates.Access{Open: []templates.Lent{l}, Minted: &templates.Minted{Lent: l, Secret: "k3m9x-2ab47"}})
		b := h.open(from, t, true)
		b.do(chromedp.Click(chromedp.CSS(`[data-copy]`)))
		b.says("[data-copy]", "Email and password copied")
		if got := ask[string](b, `navigator.clipboard.readText()`); got != "Email: guest-1@support.example\nPassword: k3m9x-2ab47" {
			t.Errorf("copied %q", got)
		}
		ask[bool](b, later+` && (() => { const before = Date.now; Date.now = () => before() + 3600e3; return true; })()`)
		b.says(".clock", "It can no longer be used")
		b.until(`document.querySelector("[data-say]").textContent.includes("no time left")`)
	})
	t.Run("shows the way that is chosen, without scripts", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, templates.Access{Mint: ways()})
		b := h.open(from, t, false)
		b.do(chromedp.Click(chromedp.CSS(`label[for=way-1]`)))
		text := ask[string](b, `document.querySelector(".mint").innerText`)
		if button := ask[string](b, `document.querySelector(".generate").innerText`); button != "Generate Two-day PIN" {
			t.Errorf("the button says %q", button)
		}
		if !ask[bool](b, `[0, 1, 2, 3].every((i) => (document.querySelector("#scope-" + i + "-0").offsetParent !== null) === (i === 1))`) {
			t.Errorf("the parts that show are not those of the chosen way: %s", text)
		}
		if !ask[bool](b, `document.querySelector("[data-copy]") === null && document.body.innerText.includes("Look again")`) {
			t.Error("without scripts nothing leads to a fresh page")
		}
	})
	t.Run("begins with the state and the button", func(t *testing.T) {
		t.Parallel()
		for _, a := range []templates.Access{{Mint: ways()}, {Mint: ways(), Open: []templates.Lent{pin()}}} {
			b := newHouse(t, a).open(from, t, true)
			if !ask[bool](b, `scrollY === 0 && document.querySelector(".generate").getBoundingClientRect().bottom <= innerHeight`) {
				t.Error("on a telephone the button is not on the first screen")
			}
		}
	})
}
