package owner

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/templates"
)

// TestVisitorsWriteNothing: whoever is not signed in cannot make the broker
// write, whatever they send. The first thing that is written is the use of a
// right code.
func TestVisitorsWriteNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	m, s := w.open()
	written := signintest.Watch(t, w.dsn)
	b := signintest.NewBrowser(t, w.server.URL, &w.tape)
	for _, path := range []string{"", "/live", "/record?before=9", "/record.jsonl", "/sign-in", "/sign-in?connector=customers", "/sign-in/return/customers?state=x&code=y"} {
		b.Get(templates.OwnerPath + path)
	}
	for _, path := range []string{"/credentials", "/revoke", "/end", "/sign-out"} {
		post(b, path, "form", "f", "policy", "support-pin", "scope.support-pin", "documents.read", "credential", m.ID, "sid", s.ID)
	}
	b.Get(templates.OwnerPath)
	form := b.Page
	for _, username := range []string{"olivia", "nobody", "vera"} {
		b.Page = form
		b.Submit("username", "username", username, "password", "wrong")
	}
	b.Page = form
	b.Submit("username", "username", "mallory", "password", signintest.Password)
	if b.Page.Status != http.StatusForbidden || !b.Page.Says("You are none of those.") {
		t.Errorf("somebody who may not: %d %s", b.Page.Status, b.Page.Text())
	}
	b.Page = form
	b.Submit("username", "username", "vera", "password", signintest.Password)
	code := b.Page
	b.Submit("code", "code", "000000x")
	b.Page = form
	b.Submit("username", "username", "olivia", "password", signintest.Password)
	b.Get(templates.OwnerPath + "/live")
	if written() {
		t.Error("the broker has written")
	}
	b.Page = code
	right, err := totp.GenerateCode(signintest.TOTP, w.clock.Now())
	w.must(err)
	if b.Submit("code", "code", right); !written() || !b.Page.Says("you are Vera") {
		t.Errorf("the use of a code is not written: this test sees nothing; %s", b.Page.Text())
	}
}

// TestSecretsAreInOneAnswer: no other answer, address, header, log entry or row
// has what an owner typed or was shown.
func TestSecretsAreInOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	secrets := map[string]string{"the password": signintest.Password, "the TOTP secret": signintest.TOTP}
	for _, policy := range []string{"support-pin", "temporary-login"} {
		b.Get(templates.OwnerPath)
		page := b.Page
		b.Submit("policy", "policy", policy)
		secrets["a PIN or login: "+policy] = pinOf(b) + words.FindString(b.Page.Text())
		b.Page = page
		b.Submit("policy", "policy", policy)
		if pinOf(b)+words.FindString(b.Page.Text()) != "" {
			t.Errorf("%s: sent again, the form shows it again", policy)
		}
	}
	_, err := w.use(w.made("acme")[0].Email, secrets["a PIN or login: temporary-login"])
	w.must(err)
	for _, verb := range []string{"Mint", "Revoke", "End", ""} {
		w.faults.Break(verb)
		b.Get(templates.OwnerPath)
		b.Submit("policy", "policy", "two-day-pin")
		if verb == "" {
			secrets["the last PIN"] = pinOf(b)
		} else if p := pinOf(b); p != "" {
			secrets["the PIN while "+verb+" fails"] = p
		}
		for _, path := range []string{"", "/live", "/record?before=9", "/record.jsonl"} {
			b.Get(templates.OwnerPath + path)
		}
		post(b, "/revoke")
	}
	fresh := signintest.NewBrowser(t, w.server.URL, &w.tape)
	fresh.Get(templates.OwnerPath)
	fresh.Submit("username", "username", "vera", "password", signintest.Password)
	code, err := totp.GenerateCode(signintest.TOTP, w.clock.Now())
	w.must(err)
	secrets["the code"] = code
	w.faults.Break("UseOTP")
	fresh.Submit("code", "code", code)
	w.store.Close()
	signintest.Leaks(t, secrets, &w.tape, w.log, w.dsn, "POST "+templates.OwnerPath+"/credentials")
}

// TestOwnersOfAnIssuer come to their page by it, and see of it what their claims
// name; a form that they send signed out leads nowhere by itself.
func TestOwnersOfAnIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	issuer := signintest.NewIssuer(t, w.clock.Now)
	w.pages.Door.Connectors = []connectors.Connector{&connectors.OIDC{ID: "customers", Name: "Northwind account", Issuer: issuer.URL, ClientID: "valetkey",
		ClientSecret: credentials.NewSecret("x"), Scopes: []string{"openid"}, RedirectURI: w.server.URL + signin.ReturnPath(w.pages.Door.Path, "customers"), Now: w.clock.Now,
		Allow: []credentials.ClaimRule{{Claim: "role", Values: []string{"owner", "user"}}}, Keep: []string{"role"},
		Account: connectors.AccountClaims{ID: "account_id", Name: "account_name", Handle: "account_number"}}}
	is := func(sub, role, account string) {
		issuer.Set(func(b *signintest.Behaviour) {
			b.Person = map[string]any{"sub": sub, "name": sub, "role": role, "account_id": account, "account_name": "Acme Inc", "account_number": 4821}
		})
	}
	is("olivia", "owner", "acme")
	b := signintest.NewBrowser(t, w.server.URL, &w.tape, issuer.URL)
	b.Get(templates.OwnerPath)
	b.Submit("policy", "policy", "support-pin")
	if !b.Page.Says("4821") || pinOf(b) == "" {
		t.Fatalf("%d %s", b.Page.Status, b.Page.Text())
	}
	_, s := w.open()
	asked := len(issuer.Asked())
	w.clock.Add(CookieIdle + time.Second)
	b.Submit("credential")
	if b.Page.Status != http.StatusForbidden || !b.Page.Says("nothing was done") || len(issuer.Asked()) != asked || !w.live(s) {
		t.Fatalf("signed out: %d %s", b.Page.Status, b.Page.Text())
	}
	b.Get(b.Links()["Continue with Northwind account"])
	b.Submit(templates.OwnerPath + "/revoke")
	if !b.Page.Says("Access is revoked") || w.live(s) {
		t.Errorf("signed in again: %d %s", b.Page.Status, b.Page.Text())
	}
	is("uma", "user", "acme")
	other := signintest.NewBrowser(t, w.server.URL, &w.tape, issuer.URL)
	other.Get(templates.OwnerPath)
	if !other.Page.Says("you are uma") || !other.Page.Says("Support PIN: people whose role is owner or admin can make it") {
		t.Errorf("uma: %s", other.Page.Text())
	}
	is("eve", "clerk", "acme")
	other = signintest.NewBrowser(t, w.server.URL, &w.tape, issuer.URL)
	if other.Get(templates.OwnerPath); other.Page.Status != http.StatusForbidden || other.Cookies()["owner"] != "" {
		t.Errorf("eve: %d %s", other.Page.Status, other.Page.Text())
	}
}

// TestAnotherConnectorsAccount: whoever claims it by a sign-in that it does not
// belong to is not let in at all.
func TestAnotherConnectorsAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	taken := acme
	taken.Connector = "partners"
	w.mintFor(taken, "two-day-pin")
	b := signintest.NewBrowser(t, w.server.URL, &w.tape)
	b.Get(templates.OwnerPath)
	b.Submit("username", "username", "olivia", "password", signintest.Password)
	if b.Page.Status != http.StatusForbidden || !b.Page.Says("another sign-in") || b.Cookies()["owner"] != "" {
		t.Errorf("%d %s, cookies %v", b.Page.Status, b.Page.Text(), b.Cookies())
	}
	if !strings.Contains(w.log.String(), "two owners connectors claim one account") {
		t.Errorf("the operator is not told: %s", w.log)
	}
}

// TestOwnersCookies: they are this browser's, and say nothing to whoever reads
// them.
func TestOwnersCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	thief := signintest.NewBrowser(t, w.server.URL, &w.tape)
	thief.Get(templates.OwnerPath)
	thief.SetCookie("owner", b.Cookies()["owner"])
	thief.SetCookie("owner-done", b.Cookies()["owner"])
	if thief.Get(templates.OwnerPath); !thief.Shows("username") {
		t.Errorf("a copied cookie gets in: %s", thief.Page.Text())
	}
	_, s := w.open()
	post(b, "/end", "sid", s.ID)
	before := b.Cookies()
	if before["owner-done"] != "" || !b.Page.Says("The visit is ended") {
		t.Errorf("it is kept for another time: %v; %s", before, b.Page.Text())
	}
	for name, value := range before {
		if text, _ := url.QueryUnescape(value); strings.Contains(text, "olivia") || strings.Contains(text, "acme") {
			t.Errorf("%s can be read: %s", name, value)
		}
	}
	b.Get(templates.OwnerPath + "/sign-in")
	if !b.Shows(templates.OwnerPath + "/sign-out") {
		t.Errorf("who is signed in is asked again: %s", b.Page.Text())
	}
}
