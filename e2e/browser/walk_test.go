package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/valetkey/valetkey/internal/testkit"
)

var looks = []look{
	{"wide-light", 1000, false, true},
	{"wide-dark", 1000, true, true},
	{"narrow-light", 360, false, true},
	{"narrow-dark", 360, true, true},
	{"tiny-light", 320, false, true},
	{"wide-light-plain", 1000, false, false},
	{"narrow-dark-plain", 360, true, false},
}

// TestWalk goes the whole way of an agent, a wrong PIN included, in every look.
// That the app is called back proves that the content security policy allows
// the redirect that follows the last form.
func TestWalk(t *testing.T) {
	t.Parallel()
	b, browser := start(t), testkit.Chromium(t)
	for i, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			tab := open(browser, t, l)
			account, handle := fmt.Sprint("acme", i), fmt.Sprint("AC-10", i)
			pin := b.mint(account, handle)
			target, called := b.authorize()
			tab.run("opening the sign-in", chromedp.Navigate(target), chromedp.WaitVisible(css(`input[name=username]`)))
			tab.check("sign-in")
			tab.signIn(fmt.Sprint("sam", i))
			tab.check("redeem")

			tab.run("a wrong PIN", fill(handle, wrong(pin)), chromedp.WaitVisible(css(`#pin-form-problem`)))
			tab.wants("That did not match", "4 tries")
			tab.check("redeem-wrong")

			tab.run("the right PIN", fill("", pin), chromedp.WaitVisible(css(`button[name=enter]`)))
			tab.wants("You are about to enter Acme Corporation", "View documents", "Delete documents", "ticket 4711")
			tab.check("summary")

			tab.run("entering", chromedp.Click(css(`button[name=enter]`)), chromedp.WaitVisible(css(`#app`)))
			select {
			case got := <-called:
				if got.Get("code") == "" || got.Get("iss") != b.issuer {
					t.Errorf("the app is called back with %v", got)
				}
			case <-time.After(patience):
				t.Error("the app is not called back")
			}
			tab.leaving(b)
			tab.another(b)
		})
	}
}

// leaving follows a link that might sign the agent out, and stays.
func (b *tab) leaving(broker *broker) {
	b.t.Helper()
	b.run("a link to sign out", chromedp.Navigate(broker.issuer+"/logout?client_id=gone&post_logout_redirect_uri=https://evil.example/"),
		chromedp.WaitVisible(css(`form[action="/logout/stay"] button`)))
	b.wants("End your access to Acme Corporation?", "Nothing has ended yet", "not registered")
	b.check("leave")
	b.run("staying", chromedp.Click(css(`form[action="/logout/stay"] button`)), chromedp.WaitVisible(css(`.result`)))
	b.wants("You are still in Acme Corporation")
	b.check("stayed")
}

// another asks for another account, and is asked what to do with this one.
func (b *tab) another(broker *broker) {
	b.t.Helper()
	target, called := broker.authorize("login_hint", "XX-900")
	b.run("asking for another account", chromedp.Navigate(target), chromedp.WaitVisible(css(`button[name=enter]`)))
	b.wants("You are already in Acme Corporation")
	b.check("already")
	b.run("ending it", chromedp.Click(css(`form[action="/cancel"] button`)), chromedp.WaitVisible(css(`input[name=pin]`)))
	if account := ask(b, "reading the form", chromedp.Value(css(`input[name=account]`))); account != "XX-900" {
		b.t.Errorf("the form for the other account has %q", account)
	}
	b.run("signing out", chromedp.Click(css(`form[action="/sign-out"] button`)), chromedp.WaitVisible(css(`input[name=username]`)))
	select {
	case got := <-called:
		b.t.Errorf("the app is called back with %v", got)
	default:
	}
}

// signIn goes through both factors.
func (b *tab) signIn(username string) {
	b.t.Helper()
	b.run("a wrong password", chromedp.SendKeys(css(`input[name=username]`), username), chromedp.SendKeys(css(`input[name=password]`), "wrong"),
		chromedp.Click(css(`form[action="/sign-in/local"] button`)), chromedp.WaitVisible(css(`#local-problem`)))
	b.check("sign-in-wrong")
	b.run("the password", chromedp.SendKeys(css(`input[name=password]`), staffPassword),
		chromedp.Click(css(`form[action="/sign-in/local"] button`)), chromedp.WaitVisible(css(`input[name=code]`)))
	b.check("code")
	code, err := totp.GenerateCode(totpSecret, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	b.run("the code", chromedp.SendKeys(css(`input[name=code]`), code),
		chromedp.Click(css(`form[action="/sign-in/code"] button`)), chromedp.WaitVisible(css(`input[name=pin]`)))
}

// fill types into the form for a PIN and sends it. Account and reason come back
// after a wrong one: then only the PIN is typed.
func fill(handle, pin string) step {
	form := `form:has(input[name=pin]) `
	typed := chromedp.SendKeys(css(form+`input[name=pin]`), pin)
	if handle != "" {
		typed = chromedp.Steps(chromedp.SendKeys(css(form+`input[name=account]`), handle), typed,
			chromedp.SendKeys(css(form+`input[name=reason]`), "ticket 4711"))
	}
	return chromedp.Steps(typed, chromedp.Click(css(form+`button`)))
}

func wrong(pin string) string { return string('0'+(pin[0]-'0'+1)%10) + pin[1:] }

// wants checks that the page says these things.
func (b *tab) wants(words ...string) {
	b.t.Helper()
	text := ask(b, "reading the page", chromedp.Text(css(`main`)))
	for _, word := range words {
		if !strings.Contains(text, word) {
			b.t.Errorf("the page does not say %q: %s", word, text)
		}
	}
}

// TestDeadEnds looks at the pages on which nothing goes on.
func TestDeadEnds(t *testing.T) {
	t.Parallel()
	b, browser := start(t), testkit.Chromium(t)
	for i, l := range looks[:4] {
		t.Run(l.name, func(t *testing.T) {
			tab := open(browser, t, l)
			tab.run("an unknown app", chromedp.Navigate(b.issuer+"/authorize?client_id=nobody"), chromedp.WaitVisible(css(`h1`)))
			tab.wants("The app is not known here")
			tab.check("failure")
			target, _ := b.authorize()
			tab.run("opening the sign-in", chromedp.Navigate(target), chromedp.WaitVisible(css(`input[name=username]`)))
			tab.signIn(fmt.Sprint("sam", i))
			for n := range 6 {
				tab.run("a wrong PIN", fill("XX-900", "000000"), chromedp.WaitVisible(css(`#pin-form-problem`)))
				if n < 5 {
					tab.run("the next form", chromedp.Navigate(target), chromedp.WaitVisible(css(`input[name=pin]`)))
				}
			}
			tab.wants("tries are used up", "You can try again at")
			tab.check("paused")
		})
	}
}
