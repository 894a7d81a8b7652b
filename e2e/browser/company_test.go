package browser

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey/internal/testkit"
)

// elsewhere is the configuration of people who sign in at the company's issuer.
const elsewhere = `owners:
  - id: customers
    name: Northwind account
    oidc: {issuer: "%[1]s", client_id: owners, client_secret: "%[2]s", scopes: [openid, profile, support]}
    allow: {"https://northwind.example/role": [owner]}
    account: {id: account.id}
agents:
  - id: corp
    name: Northwind SSO
    oidc: {issuer: "%[1]s", client_id: agents, client_secret: "%[2]s", scopes: [openid, profile, support]}
    allow: {groups: [support]}
`

// startElsewhere serves a broker whose people sign in at an issuer on Node. The
// two have different names, so that browsers judge them as different sites.
func startElsewhere(t *testing.T) *broker {
	t.Helper()
	return startWith(t, "localhost", func(b *broker) string {
		secret := rand.Text() + rand.Text()
		return fmt.Sprintf(elsewhere, companysIssuer(b.issuer, secret).Start(t), secret)
	})
}

// companysIssuer is one with one person who is both a customer and of the staff.
func companysIssuer(broker, secret string) testkit.Issuer {
	client := func(id, path string) testkit.IssuerClient {
		return testkit.IssuerClient{ID: id, Secret: secret, Redirects: []string{broker + path}, Method: "client_secret_basic"}
	}
	return testkit.Issuer{
		Methods: []string{"client_secret_basic"}, IDTokenClaims: true,
		Clients: []testkit.IssuerClient{client("owners", "/support-access/sign-in/return/customers"), client("agents", "/sign-in/return/corp")},
		People: map[string]map[string]any{"dana": {"name": "Dana Reed", "groups": []string{"support"},
			"account.id": "acme", "https://northwind.example/role": "owner"}},
	}
}

// TestThroughTheCompanysSignIn follows every redirect between the broker and an
// issuer on another site, which is where cookies and content security policies
// of browsers bite: there, back, out, and there again.
func TestThroughTheCompanysSignIn(t *testing.T) {
	t.Parallel()
	b, browser := startElsewhere(t), testkit.Chromium(t)
	for _, l := range []look{looks[0], looks[6]} {
		t.Run(l.name, func(t *testing.T) {
			owner := open(browser, t, l)
			owner.run("opening the owner's page", chromedp.Navigate(b.issuer+"/support-access"))
			owner.company("dana")
			owner.await("Nobody can get in")
			owner.check("company-owner")
			owner.run("signing out", chromedp.Click(css(`form[action="/support-access/sign-out"] button`)))
			owner.await("You are signed out")
			owner.check("company-owner-out")
			owner.run("and in again", chromedp.Click(css(`main a.button`)))
			owner.await("Nobody can get in") // the company still knows who it is
			owner.quiet("the owner's way out and in")

			agent := open(browser, t, l)
			target, called := b.authorize()
			agent.run("opening the sign-in", chromedp.Navigate(target))
			agent.company("dana")
			agent.run("signing out", chromedp.WaitVisible(css(`input[name=pin]`)), chromedp.Click(css(`form[action="/sign-out"] button`)))
			agent.await("Continue with Northwind SSO")
			agent.check("company-agent-out")
			agent.run("and in again", chromedp.Click(css(`ul.choices a`)), chromedp.WaitVisible(css(`input[name=pin]`)))
			agent.wants("Dana Reed")
			agent.check("company-agent")
			select {
			case got := <-called:
				t.Errorf("the app is called back with %v", got)
			default:
			}
		})
	}
}

// company signs somebody in at the company's own pages, which ask who it is and
// whether the broker may know.
func (b *tab) company(login string) {
	b.t.Helper()
	const send = `button[type=submit]`
	b.run("the company's sign-in", chromedp.WaitVisible(css(`input[name=login]`)), chromedp.SendKeys(css(`input[name=login]`), login),
		chromedp.SendKeys(css(`input[name=password]`), "any"), chromedp.Click(css(send)),
		chromedp.WaitVisible(css(`form:has(input[value=consent])`)))
	b.run("the company's leave", chromedp.Click(css(send)))
}

// quiet wants nothing in the console so far.
func (b *tab) quiet(what string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.noise) > 0 {
		b.t.Errorf("%s (%s) makes the browser say: %q", what, b.look.name, b.noise)
	}
	b.noise = nil
}
