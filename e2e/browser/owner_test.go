package browser

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/valetkey/valetkey/internal/testkit"
)

// TestBothRoles has an owner and an agent at work at the same time, each in a
// browser of their own: lend, enter, watch, take back, in every look.
func TestBothRoles(t *testing.T) {
	t.Parallel()
	b, browser := start(t), testkit.Chromium(t)
	for i, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			owner, agent := open(browser, t, l), open(browser, t, l)
			owner.arrive(b, fmt.Sprint("olivia", i))
			owner.wants("Nobody can get in")
			owner.check("owner-empty")
			owner.firstScreen()
			pin := owner.generate("support-pin")
			owner.wants("A PIN waits", "482"+fmt.Sprint(i), "Never tell anyone your account password", "Did someone call you?")
			owner.check("owner-pin")

			target, _ := b.authorize()
			agent.prove(target, fmt.Sprint("sam", i))
			agent.run("the PIN", fill("482"+fmt.Sprint(i), pin), chromedp.WaitVisible(css(`button[name=enter]`)))
			agent.run("entering", chromedp.Click(css(`button[name=enter]`)), chromedp.WaitVisible(css(`#app`)))

			owner.follow("Sam Rivera is")
			owner.wants("in your account", "Northwind staff", "ticket 4711")
			owner.check("owner-visit")
			owner.run("revoking", chromedp.Click(css(`button[data-key=revoke]`)))
			owner.await("Access is revoked")
			owner.wants("Nobody can get in", "ended the access of Sam Rivera")
			owner.check("owner-revoked")

			target, _ = b.authorize()
			agent.run("the next click", chromedp.Navigate(target), chromedp.WaitVisible(css(`input[name=pin]`)))
			agent.wants("The customer ended your access to Acme Corporation")
			agent.check("ended")
			agent.verify(b, fmt.Sprint("own", i), "482"+fmt.Sprint(i))
		})
	}
}

// TestOwnersStates looks at what the owner's page has besides.
func TestOwnersStates(t *testing.T) {
	t.Parallel()
	b, browser := start(t), testkit.Chromium(t)
	open(browser, t, looks[0]).crowd(b, busy)
	for i, l := range looks[:5] {
		t.Run(l.name, func(t *testing.T) {
			owner := open(browser, t, l)
			owner.run("opening the page", chromedp.Navigate(b.issuer+"/support-access"), chromedp.WaitVisible(css(`input[name=username]`)))
			owner.check("owner-sign-in")
			owner.arrive(b, fmt.Sprint("olivia", i))
			owner.generate("temporary-login")
			owner.wants("Copy credentials", "@support.northwind.example")
			owner.check("owner-login")
			owner.run("cancelling it", chromedp.Click(css(`button[data-key^="cancel"]`)))
			owner.await("It is cancelled")
			owner.run("signing out", chromedp.Click(css(`form[action="/support-access/sign-out"] button`)))
			owner.await("You are signed out")
			owner.check("owner-signed-out")
			owner.arrive(b, fmt.Sprint("uma", i))
			owner.wants("Support PIN: people whose role is owner can make it")
			owner.check("owner-may-not")
			owner.run("signing out", chromedp.Click(css(`form[action="/support-access/sign-out"] button`)))
			owner.await("You are signed out")
			owner.busy(b)
		})
	}
}

// busy is the number of the account in which much goes on.
const busy = 11

// crowd opens two visits and leaves more of a record than fits a page.
func (b *tab) crowd(broker *broker, i int) {
	b.t.Helper()
	handle := fmt.Sprint("482", i)
	for range 52 {
		broker.mint(fmt.Sprint("own", i), handle)
	}
	b.arrive(broker, fmt.Sprint("olivia", i))
	b.generate("temporary-login")
	email, password := ask(b, "reading the email", chromedp.Text(css(`#secret-email`))), ask(b, "reading the password", chromedp.Text(css(`#secret`)))
	for n := range 2 {
		agent := open(b.root, b.t, b.look)
		target, _ := broker.authorize()
		agent.prove(target, fmt.Sprint("sam", 10+n))
		const form = `form:has(input[name=email]) `
		agent.run("the login", chromedp.Click(css(`summary`)), chromedp.SendKeys(css(form+`input[name=email]`), email),
			chromedp.SendKeys(css(form+`input[name=password]`), password), chromedp.SendKeys(css(form+`input[name=reason]`), "ticket 4711"),
			chromedp.Click(css(form+`button`)), chromedp.WaitVisible(css(`button[name=enter]`)))
	}
}

// busy looks at the page of that account, the older part of its record, and a
// form in which something is missing.
func (b *tab) busy(broker *broker) {
	b.t.Helper()
	b.arrive(broker, fmt.Sprint("olivia", busy))
	b.wants("in your account", "They can sign in again until", "What lets somebody in")
	const visits = `document.querySelectorAll('form[action="/support-access/end"]').length`
	if n := ask(b, "counting visits", chromedp.Evaluate[int](visits)); n != 2 {
		b.t.Errorf("%s: the page has %d visits, want 2", b.look.name, n)
	}
	b.check("owner-several")
	b.run("an older part", chromedp.Click(css(`a[data-key=older]`)))
	b.await("What happened before")
	b.wants("made a Support PIN")
	b.check("owner-record")
	b.run("back", chromedp.Navigate(broker.issuer+"/support-access"), chromedp.WaitVisible(css(`button.generate`)),
		chromedp.Click(css(`label:has(input[name="scope.support-pin"][value="documents.read"])`)),
		chromedp.Click(css(`button.generate`)), chromedp.WaitVisible(css(`#mint-problem`)))
	b.wants("Tick at least one")
	b.check("owner-error")
}

// arrive signs an owner in.
func (b *tab) arrive(broker *broker, username string) {
	b.t.Helper()
	b.run("opening the owner's page", chromedp.Navigate(broker.issuer+"/support-access"), chromedp.WaitVisible(css(`input[name=username]`)),
		chromedp.SendKeys(css(`input[name=username]`), username), chromedp.SendKeys(css(`input[name=password]`), staffPassword),
		chromedp.Click(css(`form[action="/support-access/sign-in/local"] button`)), chromedp.WaitVisible(css(`button.generate`)))
}

// firstScreen checks that a telephone shows the state and the button without
// scrolling.
func (b *tab) firstScreen() {
	b.t.Helper()
	if b.look.width > 500 {
		return
	}
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: b.look.width, Height: 640, DeviceScaleFactor: 1})
	const bottoms = `["[data-line]", "button.generate"].map(s => Math.round(document.querySelector(s).getBoundingClientRect().bottom))`
	for i, bottom := range ask(b, "measuring the first screen", chromedp.Evaluate[[]int](bottoms)) {
		if bottom > 640 || bottom <= 0 {
			b.t.Errorf("%s: part %d of the first screen ends at %d", b.look.name, i, bottom)
		}
	}
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: b.look.width, Height: 800, DeviceScaleFactor: 1})
}

var sixDigits = regexp.MustCompile(`\d{3}\s?\d{3}`)

// generate makes a credential by a policy, and returns a PIN's digits.
func (b *tab) generate(policy string) string {
	b.t.Helper()
	b.run("choosing "+policy, chromedp.Click(css(fmt.Sprintf(`label:has(input[name=policy][value=%q])`, policy))))
	b.run("generating", chromedp.Click(css(`button.generate`)), chromedp.WaitVisible(css(`#secret`)))
	shown := ask(b, "reading the secret", chromedp.Text(css(`#secret`)))
	return strings.Join(strings.Fields(sixDigits.FindString(shown)), "")
}

// prove goes through both factors of an agent.
func (b *tab) prove(target, username string) {
	b.t.Helper()
	b.run("signing in", chromedp.Navigate(target), chromedp.WaitVisible(css(`input[name=username]`)),
		chromedp.SendKeys(css(`input[name=username]`), username), chromedp.SendKeys(css(`input[name=password]`), staffPassword),
		chromedp.Click(css(`form[action="/sign-in/local"] button`)), chromedp.WaitVisible(css(`input[name=code]`)))
	code, err := totp.GenerateCode(totpSecret, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	b.run("the code", chromedp.SendKeys(css(`input[name=code]`), code),
		chromedp.Click(css(`form[action="/sign-in/code"] button`)), chromedp.WaitVisible(css(`input[name=pin]`)))
}

// verify checks who is calling, which uses the PIN up.
func (b *tab) verify(broker *broker, account, handle string) {
	b.t.Helper()
	pin := broker.mint(account, handle)
	b.run("checking who is calling", chromedp.SendKeys(css(`form:has(input[name=pin]) input[name=account]`), handle),
		chromedp.SendKeys(css(`input[name=pin]`), pin), chromedp.Click(css(`button[formaction="/verify"]`)))
	b.await("The caller speaks for Acme Corporation")
	b.wants("This PIN is used up; nothing was opened", handle)
	b.check("verified")
}

// follow waits until the page shows the words by itself, without being loaded
// again; without scripts the owner looks again.
func (b *tab) follow(words string) {
	b.t.Helper()
	if !b.look.scripts {
		b.run("looking again", chromedp.Click(css(`noscript a, a[data-key=again]`)))
		b.await(words)
		return
	}
	ask(b, "marking the page", chromedp.Evaluate[bool](`window.isTheSamePage = true`))
	b.await(words)
	if !ask(b, "looking for the mark", chromedp.Evaluate[bool](`window.isTheSamePage === true`)) {
		b.t.Errorf("%s: the page was loaded again to say %q", b.look.name, words)
	}
}

// await waits until the page has the words.
func (b *tab) await(words string) {
	b.t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		// Between two pages there is no text, which is no mistake.
		text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
		if err == nil && strings.Contains(text, words) {
			return
		}
		select {
		case <-again.C:
		case <-b.ctx.Done():
			b.t.Fatalf("%s: the page never says %q, but: %s", b.look.name, words, text)
		}
	}
}
