package e2e

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/testkit"
)

// company is where the people of an installation sign in: customers at
// zitadel's example server, staff at oidc-provider, and the customers of a
// partner at an issuer that does everything else differently.
type company struct {
	t                          testing.TB
	maxAge                     string // of a proof of the staff's, in the configuration's form
	customers, staff, partners string // issuers
	secret                     string // of every client there
	client                     string // the broker's, at the customers' issuer
}

// staffPeople are those who may give support, and one who may not.
var staffPeople = map[string]map[string]any{
	"dana": {"name": "Dana Reed", "email": "dana@northwind.example", "email_verified": true, "groups": []string{"support", "night"}},
	"sam":  {"name": "Sam Rivera", "email": "sam@northwind.example", "email_verified": true, "groups": []string{"support"}},
	"otto": {"name": "Otto Sales", "groups": []string{"sales"}},
}

// partnerPeople are customers of a partner. The second one's issuer claims an
// account that is not theirs.
var partnerPeople = map[string]map[string]any{
	"norma": {"name": "Norma Night", "account.id": "acct-norma", "https://northwind.example/role": "owner"},
	"mallo": {"name": "Mallory Claim", "account.id": acme.id, "https://northwind.example/role": "owner"},
}

// The support console signs staff in by itself. Nobody listens there.
const consoleCallback = "http://127.0.0.1:4714/callback"

// elsewhere is how owners and agents sign in, in the configuration's form.
const elsewhere = `  - id: customers
    name: Northwind account
    oidc: {issuer: "%[1]s", client_id: "%[2]s", client_secret: "%[3]s"}
    allow: {role: [owner, admin, user]}
    account: {id: account_id, name: account_name, handle: account_number}
    may:
      role:
        owner: [documents.read, documents.write, settings.write]
        user: [documents.read]
  - id: partners
    name: Partner account
    oidc:
      issuer: "%[4]s"
      client_id: partner-tenant
      client_secret: "%[3]s"
      scopes: [openid, profile, support]
      params: {tenant: northwind}
      claims_from: userinfo
    allow: {"https://northwind.example/role": [owner]}
    account: {id: account.id}
`

const elsewhereAgents = `  - id: corp
    name: Northwind SSO
    oidc: {issuer: "%[1]s", client_id: valetkey, client_secret: "%[2]s", scopes: [openid, profile, email, support]}
    allow: {groups: [support]}
    max_age: %[3]s
`

// startCompany serves an installation whose people sign in elsewhere.
func startCompany(t testing.TB, dsn, maxAge string) *broker {
	t.Helper()
	b := prepareFor(t, dsn, &company{t: t, maxAge: maxAge, secret: rand.Text() + rand.Text(), client: "valetkey-" + rand.Text()})
	if strings.HasPrefix(dsn, "postgres") {
		if out, err := b.command("secrets", "init", "--config", b.config()).CombinedOutput(); err != nil {
			t.Fatalf("valetkey secrets init: %v\n%s", err, out)
		}
	}
	b.serve()
	return b
}

// configured starts the issuers, once the broker's address is known, and
// returns how owners and agents sign in.
func (c *company) configured(b *broker) (owners, agents string) {
	if c.staff == "" {
		z := zitadelOnce()
		z.register(c.t, c.client, c.secret, b.issuer+"/support-access/sign-in/return/customers")
		c.customers = z.url
		c.staff = testkit.Issuer{
			Methods: []string{"client_secret_basic"}, IDTokenClaims: true, People: staffPeople,
			Clients: []testkit.IssuerClient{
				{ID: "valetkey", Secret: c.secret, Redirects: []string{b.issuer + "/sign-in/return/corp"}, Method: "client_secret_basic"},
				{ID: "console", Secret: c.secret, Redirects: []string{consoleCallback}, Method: "client_secret_basic"},
				{ID: "payroll", Secret: c.secret, Redirects: []string{consoleCallback}, Method: "client_secret_basic"},
			},
		}.Start(c.t)
		c.partners = testkit.Issuer{
			Methods: []string{"client_secret_post"}, People: partnerPeople,
			Clients: []testkit.IssuerClient{{ID: "partner-tenant", Secret: c.secret, Redirects: []string{b.issuer + "/support-access/sign-in/return/partners"}, Method: "client_secret_post"}},
		}.Start(c.t)
	}
	return fmt.Sprintf(elsewhere, c.customers, c.client, c.secret, c.partners), fmt.Sprintf(elsewhereAgents, c.staff, c.secret, c.maxAge)
}

// has reports whether an address is one of these issuers'.
func (c *company) has(address string) bool {
	if c == nil {
		return false
	}
	for _, issuer := range []string{c.customers, c.staff, c.partners} {
		if strings.HasPrefix(address, issuer+"/") {
			return true
		}
	}
	return false
}

// abroad reports whether the browser shows a page of an issuer.
func (w *browser) abroad() bool {
	return w.callback == nil && w.page.url != nil && w.b.company.has(w.page.url.String())
}

// prove fills in whatever pages the issuer shows, until it sends the browser
// back.
func (w *browser) prove(login string) {
	w.b.t.Helper()
	if !w.abroad() {
		w.b.t.Fatalf("nobody asks %s to sign in: callback %v, page %v says: %s", login, w.callback, w.page.url, w.page.text())
	}
	const pages = 3 // who, the leave to tell the broker, and one to spare
	for range pages {
		name := "login"
		if w.shows("username") {
			name = "username"
		}
		fill := map[string]string{name: login, "password": anyPassword}
		if !w.shows(name, "password") {
			fill = nil
		}
		if len(w.page.forms) == 0 {
			break
		}
		w.submit(w.page.forms[0], fill, "")
		if !w.abroad() {
			return
		}
	}
	w.b.t.Fatalf("%s cannot sign in at %s: %s", login, w.page.url, w.page.text())
}

// follow opens the link with these words.
func (w *browser) follow(words string) {
	w.b.t.Helper()
	to := w.page.link(words)
	if to == "" {
		w.b.t.Fatalf("no link says %q at %s: %s", words, w.page.url, w.page.text())
	}
	target, err := w.page.url.Parse(to)
	if err != nil {
		w.b.t.Fatal(err)
	}
	w.open(target.String())
}

// says wants words on the page.
func (w *browser) says(words ...string) {
	w.b.t.Helper()
	text := w.page.text()
	for _, want := range words {
		if !strings.Contains(text, want) {
			w.b.t.Errorf("%v (%d) does not say %q: %.3000s", w.page.url, w.page.status, want, text)
		}
	}
}
