package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/valetkey/valetkey/internal/testkit"
)

// TestOwnersHands does what owners do with a page: reload it, copy from it, and
// work it without a mouse.
func TestOwnersHands(t *testing.T) {
	t.Parallel()
	b, chrome := start(t), testkit.Chromium(t)
	for i, l := range []look{looks[0], looks[6]} {
		t.Run("reload "+l.name, func(t *testing.T) { open(chrome, t, l).reloads(b, i) })
	}
	t.Run("copy", func(t *testing.T) { open(chrome, t, looks[0]).copies(b, 2) })
	t.Run("keyboard", func(t *testing.T) { open(chrome, t, looks[2]).keys(b, 3) })
	t.Run("one browser", func(t *testing.T) { open(chrome, t, looks[0]).shares(b, 4) })
}

// reloads: the page that showed a secret, asked for again, makes nothing and
// shows none.
func (b *tab) reloads(broker *broker, i int) {
	b.t.Helper()
	b.arrive(broker, fmt.Sprint("olivia", i))
	pin := b.generate("support-pin")
	b.run("reloading", chromedp.Reload())
	b.await("It cannot be shown again")
	if html := ask(b, "reading the page", chromedp.OuterHTML(css(`html`))); strings.Contains(html, pin) || strings.Contains(html, pin[:3]+" "+pin[3:]) {
		b.t.Errorf("%s: the reloaded page holds the PIN", b.look.name)
	}
	b.wants("A PIN waits", "still valid")
	b.check("owner-again")
	b.run("looking again", chromedp.Navigate(broker.issuer+"/support-access"), chromedp.WaitVisible(css(`button.generate`)))
	if made := strings.Count(ask(b, "reading the page", chromedp.Text(css(`main`))), "made a Support PIN"); made != 1 {
		b.t.Errorf("%s: the record tells of %d PINs after a reload, want 1", b.look.name, made)
	}
}

// copies: what is copied is what an agent's form takes.
func (b *tab) copies(broker *broker, i int) {
	b.t.Helper()
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	for _, permission := range []string{"clipboard-read", "clipboard-write"} {
		call(b, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: permission},
			Setting: browser.PermissionSettingGranted, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID})
	}
	copied := func(words, done string) string {
		b.t.Helper()
		if said := ask(b, "reading the button", chromedp.Text(css(`button[data-copy]`))); said != words {
			b.t.Errorf("the button says %q, want %q", said, words)
		}
		b.run("copying", chromedp.Click(css(`button[data-copy]`)))
		b.await(done)
		return ask(b, "reading the clipboard", chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
	}
	b.arrive(broker, fmt.Sprint("olivia", i))
	pin := b.generate("support-pin")
	if got := copied("Copy PIN", "PIN copied"); got != pin || len(pin) != 6 {
		b.t.Errorf("Copy PIN copies %q, want the six digits that are shown, %q", got, pin)
	}
	b.generate("temporary-login")
	email := ask(b, "reading the email", chromedp.Text(css(`#secret-email`)))
	password := ask(b, "reading the password", chromedp.Text(css(`#secret`)))
	if got := copied("Copy credentials", "copied"); !strings.Contains(got, email) || !strings.Contains(got, password) || email == "" || password == "" {
		b.t.Errorf("Copy credentials copies %q, want %q and %q", got, email, password)
	}
	b.quiet("copying")
}

// keys: everything that matters can be reached and pressed without a mouse.
func (b *tab) keys(broker *broker, i int) {
	b.t.Helper()
	b.arrive(broker, fmt.Sprint("olivia", i))
	b.reach(`input[name=policy]`)
	b.run("the next way", chromedp.KeyEvent(kb.ArrowDown))
	b.run("and back", chromedp.KeyEvent(kb.ArrowUp))
	b.reach(`button.generate`)
	b.press("generating", "Your Support PIN")
	b.wants("A PIN waits")
	b.reach(`button[data-key=revoke]`)
	b.press("revoking", "Nobody can get in")
	b.wants("took back the Support PIN")
	b.quiet("working by keyboard")
}

// reach presses Tab until an element has the focus that the selector names, and
// wants it to be seen there.
func (b *tab) reach(selector string) {
	b.t.Helper()
	const most = 60
	for range most {
		b.run("pressing Tab", chromedp.KeyEvent(kb.Tab))
		if ask(b, "asking for the focus", chromedp.Evaluate[bool](fmt.Sprintf(`document.activeElement.matches(%q)`, selector))) {
			const outlined = `getComputedStyle(document.activeElement).outlineStyle !== "none" || getComputedStyle(document.activeElement.closest("label") ?? document.activeElement).outlineStyle !== "none"`
			if !ask(b, "looking at the focus", chromedp.Evaluate[bool](outlined)) {
				b.t.Errorf("nobody sees that %s has the focus", selector)
			}
			return
		}
	}
	b.t.Fatalf("%d times Tab do not reach %s", most, selector)
}

// press presses Enter and waits for what it leads to.
func (b *tab) press(what, words string) {
	b.t.Helper()
	b.run(what, chromedp.KeyEvent(kb.Enter))
	b.await(words)
}

// shares has both roles in two tabs of one browser, as in a demonstration: the
// cookies of one do not disturb the other, and the owner's tab knows what
// happened when it is looked at again.
func (b *tab) shares(broker *broker, i int) {
	b.t.Helper()
	b.arrive(broker, fmt.Sprint("olivia", i))
	pin := b.generate("support-pin")
	agent := b.beside()
	target, _ := broker.authorize()
	agent.prove(target, fmt.Sprint("sam", i))
	agent.run("the PIN", fill(fmt.Sprint("482", i), pin), chromedp.WaitVisible(css(`button[name=enter]`)))
	agent.run("entering", chromedp.Click(css(`button[name=enter]`)), chromedp.WaitVisible(css(`#app`)))
	call(b, page.BringToFront, cdp.Empty{})
	b.follow("Sam Rivera is")
	b.wants("ticket 4711")
	b.run("revoking", chromedp.Click(css(`button[data-key=revoke]`)))
	b.await("Access is revoked")
	b.quiet("the owner's tab")

	target, _ = broker.authorize()
	agent.run("the next click", chromedp.Navigate(target), chromedp.WaitVisible(css(`input[name=pin]`)))
	agent.wants("The customer ended your access to Acme Corporation")
	agent.quiet("the agent's tab")
	b.run("the owner is still signed in", chromedp.Navigate(broker.issuer+"/support-access"), chromedp.WaitVisible(css(`button.generate`)))
}
