package browser

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey/internal/testkit"
)

// arrived waits until the app is called back.
func (b *tab) arrived(called <-chan url.Values) url.Values {
	b.t.Helper()
	select {
	case got := <-called:
		return got
	case <-time.After(patience):
		b.fail("waiting for the app", fmt.Errorf("it is not called back"))
	}
	return nil
}

// untilSummary goes as far as the button that enters.
func (b *tab) untilSummary(broker *broker, target string, i int) {
	b.t.Helper()
	account, handle := fmt.Sprint("acme", i), fmt.Sprint("AC-10", i)
	pin := broker.mint(account, handle)
	b.run("opening the sign-in", chromedp.Navigate(target), chromedp.WaitVisible(css(`input[name=username]`)))
	b.signIn(fmt.Sprint("sam", i))
	b.run("the PIN", fill(handle, pin), chromedp.WaitVisible(css(`button[name=enter]`)))
}

// TestFormPost: an app that wants its answer posted gets it from another site,
// by a script or by the button where there are none: a code after the last form
// and, silently, from the first page; an error too.
func TestFormPost(t *testing.T) {
	t.Parallel()
	b := startWith(t, "localhost", func(*broker) string { return fmt.Sprintf(here, owners(), people()) })
	browser := testkit.Chromium(t)
	for i, l := range []look{looks[0], looks[6]} {
		t.Run(l.name, func(t *testing.T) {
			tab := open(browser, t, l)
			answer := func(what string, called <-chan url.Values, step step) url.Values {
				t.Helper()
				if tab.run(what, step); !l.scripts {
					tab.run(what, chromedp.WaitVisible(css(`#form-post button`)))
					tab.check("form-post")
					tab.run(what, chromedp.Click(css(`#form-post button`)))
				}
				tab.run(what, chromedp.WaitVisible(css(`#app`)))
				got := tab.arrived(called)
				if got.Get("posted") != "application/x-www-form-urlencoded" || got.Get("iss") != b.issuer {
					t.Errorf("%s: the app is called back with %v", what, got)
				}
				tab.quiet(what)
				return got
			}
			target, called := b.authorize("response_mode", "form_post", "prompt", "none")
			if got := answer("a silent request", called, chromedp.Navigate(target)); got.Get("error") != "login_required" {
				t.Errorf("without a session: %v", got)
			}
			target, called = b.authorize("response_mode", "form_post")
			tab.untilSummary(b, target, i)
			if got := answer("entering", called, chromedp.Click(css(`button[name=enter]`))); got.Get("code") == "" {
				t.Errorf("no code: %v", got)
			}
			target, called = b.authorize("response_mode", "form_post", "prompt", "none")
			if got := answer("a silent request", called, chromedp.Navigate(target)); got.Get("code") == "" {
				t.Errorf("with a session: %v", got)
			}
		})
	}
}

// blocked sends the form that enters, changed by a script, and returns what the
// page's policy says to that.
const blocked = `new Promise((done) => {
  document.addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective + " " + e.blockedURI));
  const form = document.querySelector('form[action="/enter"]');
  %s;
  form.submit();
})`

// TestFormsLeadToTheRequestsAppAlone: the browser itself stops a form that is
// made to lead elsewhere, and the redirect that follows a form where it is not
// to this request's own app.
func TestFormsLeadToTheRequestsAppAlone(t *testing.T) {
	t.Parallel()
	b, browser := start(t), testkit.Chromium(t)
	tab := open(browser, t, looks[0])
	target, called := b.authorize()
	tab.untilSummary(b, target, 0)

	elsewhere, other := b.authorize("redirect_uri", b.elsewhere()+"/callback", "login_hint", "XX-900")
	beside := tab.beside()
	beside.run("the same app under another name", chromedp.Navigate(elsewhere), chromedp.WaitVisible(css(`button[name=enter]`)))
	request := ask(beside, "reading its form", chromedp.Evaluate[string](`document.querySelector('form[action="/enter"] [name=request]').value`))

	for what, change := range map[string]string{
		"a form that leads elsewhere": fmt.Sprintf(`form.action = %q`, b.elsewhere()+"/callback"),
		"a redirect to another app":   fmt.Sprintf(`form.querySelector("[name=request]").value = %q`, request),
	} {
		said := ask(tab, what, chromedp.Evaluate[string](fmt.Sprintf(blocked, change), chromedp.EvalAwaitPromise))
		if !strings.HasPrefix(said, "form-action ") {
			t.Errorf("%s: the browser says %q", what, said)
		}
		select {
		case got := <-other:
			t.Errorf("%s arrives: %v", what, got)
		default:
		}
		tab.run("the page again", chromedp.Reload(), chromedp.WaitVisible(css(`button[name=enter]`)))
	}
	tab.mu.Lock()
	tab.noise = nil // it has said what it stopped
	tab.mu.Unlock()
	tab.run("entering", chromedp.Click(css(`button[name=enter]`)), chromedp.WaitVisible(css(`#app`)))
	if got := tab.arrived(called); got.Get("code") == "" {
		t.Errorf("the app is called back with %v", got)
	}
	beside.run("entering there", chromedp.Click(css(`button[name=enter]`)), chromedp.WaitVisible(css(`#app`)))
	if got := beside.arrived(other); got.Get("code") == "" {
		t.Errorf("the app is called back there with %v", got)
	}
	tab.quiet("entering")
	beside.quiet("entering there")
}
