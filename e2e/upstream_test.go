package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestBothSignInElsewhere is the whole story with everybody's own sign-in: the
// customer mints on the page, the agent comes by the company's SSO, the app's
// tokens name the agent as that SSO does, and the customer ends it.
func TestBothSignInElsewhere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := startCompany(t, dsn, "15m")
		b.lendAndTakeBack()
		b.refuseTheWrongPeople()
		b.oneConnectorAnAccount()
		b.repeatTheProof()
		b.stop()
	})
}

// lendAndTakeBack walks both roles.
func (b *broker) lendAndTakeBack() {
	b.t.Helper()
	owner := b.asOwner("olivia")
	owner.says(acme.name, acme.handle, "Olivia Owner", "Nobody can get in")
	pin := owner.generate("support-pin", "ticket", "")

	began := time.Now()
	agent := b.browser()
	v := b.authorize(b.docs())
	agent.open(v.url())
	agent.prove("dana")
	agent.redeem(pin)
	agent.says(acme.name, "Dana Reed", "View documents")
	got := v.exchange(agent.enter())
	said := b.access(got)
	if said.Act == nil || said.Act.Issuer != b.company.staff || said.Act.Subject != "dana" || said.Act.Name != "Dana Reed" {
		b.t.Errorf("act is %+v, want Dana of %s", said.Act, b.company.staff)
	}
	if said.AuthTime < began.Unix() || said.AuthTime > time.Now().Unix() || said.Account.ID != acme.id {
		b.t.Errorf("auth_time is %d and the account %+v", said.AuthTime, said.Account)
	}
	b.wantAlive("after entering", got)
	// A second look at the page that minted shows no secret, and mints nothing.
	owner.look()
	owner.says("Dana Reed is in your account", "Northwind Docs", "ticket 4711")
	if owner.page.element("secret") != "" || strings.Contains(string(owner.page.body), pin.PIN) {
		b.t.Errorf("the page shows the PIN again: %s", owner.page.text())
	}

	owner.press(supportAccess + "/revoke")
	owner.says("Nobody can get in", "ended the access of Dana Reed")
	b.wantDead("after the owner's revocation", got)
	silent := b.authorize(b.docs(), "prompt", "none")
	agent.open(silent.url())
	if agent.callback.Get("error") != "login_required" {
		b.t.Errorf("prompt=none after the revocation: %v, want login_required", agent.callback)
	}
	agent.open(b.authorize(b.docs()).url())
	agent.says("The customer ended your access to " + acme.name)
}

// refuseTheWrongPeople: being who one says is not being allowed.
func (b *broker) refuseTheWrongPeople() {
	b.t.Helper()
	otto := b.browser()
	otto.open(b.authorize(b.docs()).url())
	otto.prove("otto")
	if otto.page.status != http.StatusForbidden || otto.callback != nil || otto.shows("pin") {
		b.t.Errorf("an agent without the group: %d %v %s", otto.page.status, otto.callback, otto.page.text())
	}
	otto.open(b.authorize(b.docs()).url())
	if otto.shows("pin") {
		b.t.Error("an agent without the group is let in the second time")
	}

	for login, want := range map[string]string{
		"nobody": "", // a role that nobody lists
		"walter": "which account",
	} {
		w := b.browser()
		w.open(b.issuer + supportAccess)
		w.follow("Continue with Northwind account")
		w.prove(login)
		w.says(want)
		if _, shown := w.page.formTo(supportAccess + "/credentials"); w.page.status != http.StatusForbidden || shown {
			b.t.Errorf("%s at the owner's page: %d %s", login, w.page.status, w.page.text())
		}
		w.look()
		if strings.Contains(w.page.text(), acme.name) {
			b.t.Errorf("%s sees the account: %s", login, w.page.text())
		}
	}

	uma := b.asOwner("uma")
	uma.says("Support PIN: people whose role is owner or admin can make it.")
	mint, _ := uma.page.formTo(supportAccess + "/credentials")
	mint.fields.Set("scope.support-pin", "documents.read")
	uma.submit(mint, map[string]string{"policy": "support-pin"}, "")
	if uma.page.status < 400 || uma.page.element("secret") != "" {
		b.t.Errorf("a user makes a support-pin: %d %s", uma.page.status, uma.page.text())
	}
	uma.look()
	uma.says("Nobody can get in")
}

// oneConnectorAnAccount: an issuer that is configured for the first time, and
// does everything differently, works; but it cannot claim another's account.
func (b *broker) oneConnectorAnAccount() {
	b.t.Helper()
	norma := b.browser()
	norma.open(b.issuer + supportAccess)
	norma.follow("Continue with Partner account")
	norma.prove("norma")
	norma.says("acct-norma", "Norma Night", "Support PIN: people whose role is owner or admin can make it.")
	login := norma.generate("temporary-login")
	v, code := b.viaSSO("sam", login)
	if said := b.access(v.exchange(code)); said.Account.ID != "acct-norma" || said.Account.Name != "acct-norma" {
		b.t.Errorf("the account is %+v, want acct-norma", said.Account)
	}

	mallory := b.browser()
	mallory.open(b.issuer + supportAccess)
	mallory.follow("Continue with Partner account")
	mallory.prove("mallo")
	mallory.says("another sign-in")
	if mallory.page.status != http.StatusForbidden {
		b.t.Errorf("a second connector claims an account: %d %s", mallory.page.status, mallory.page.text())
	}
	mallory.look()
	if text := mallory.page.text(); strings.Contains(text, "Dana Reed") || strings.Contains(text, acme.name) {
		b.t.Errorf("the second connector's customer sees the account: %s", text)
	}
}

// viaSSO signs an agent in with a fresh browser and enters the docs app.
func (b *broker) viaSSO(login string, c credential) (visit, string) {
	b.t.Helper()
	w := b.browser()
	v := b.authorize(b.docs())
	w.open(v.url())
	w.prove(login)
	w.redeem(c)
	return v, w.enter()
}

// repeatTheProof: auth_time is the SSO's, not the broker's; who signed out of
// the broker alone is still signed in there; prompt=login has the SSO ask.
func (b *broker) repeatTheProof() {
	b.t.Helper()
	w := b.browser()
	began := time.Now()
	w.open(b.authorize(b.docs(), "max_age", "3600").url())
	w.prove("dana")
	proved := time.Now()
	w.press("/sign-out")
	if w.abroad() || w.shows("pin") {
		b.t.Fatalf("signing out signs in again: %s", w.page.text())
	}
	until(proved.Truncate(time.Second).Add(2 * time.Second))
	v := b.authorize(b.docs(), "max_age", "3600")
	w.open(v.url())
	if w.abroad() {
		b.t.Fatalf("the SSO asks although its session lives: %s", w.page.text())
	}
	w.redeem(b.asOwner("olivia").generate("support-pin"))
	first := b.access(v.exchange(w.enter()))
	if first.AuthTime < began.Unix() || first.AuthTime > proved.Unix() {
		b.t.Errorf("auth_time is %d, want that of the sign-in at the SSO, from %d to %d", first.AuthTime, began.Unix(), proved.Unix())
	}

	again := time.Now()
	v = b.authorize(b.docs(), "prompt", "login")
	w.open(v.url())
	w.prove("dana") // which fails where nobody asks
	if w.shows("pin") {
		b.t.Fatal("prompt=login spends a use: it asks for a PIN")
	}
	if w.shows("enter") {
		w.submit(w.form("enter"), nil, "enter")
	}
	second := b.access(v.exchange(w.callback.Get("code")))
	if second.SID != first.SID || second.AuthTime < again.Unix() {
		b.t.Errorf("prompt=login gives session %q at %d, want %q and a time from %d on", second.SID, second.AuthTime, first.SID, again.Unix())
	}
}

// TestASilentRenewalAsksWhereItMust: a proof that has become too old is renewed
// without a word while the SSO's own session lives, and with a word after.
func TestASilentRenewalAsksWhereItMust(t *testing.T) {
	t.Parallel()
	const maxAge = 2 * time.Second
	b := startCompany(t, storetest.SQLite(t), maxAge.String())
	w := b.browser()
	w.open(b.authorize(b.docs()).url())
	w.prove("dana")
	until(time.Now().Add(maxAge))
	w.open(b.authorize(b.docs()).url())
	if w.abroad() || !w.shows("account", "pin") {
		t.Fatalf("the renewal is not silent: %v %s", w.page.url, w.page.text())
	}
	if asked := b.askedOfStaff(); asked.Get("prompt") != "none" {
		t.Errorf("a proof that is too old is renewed by asking the SSO for %v, want prompt=none", asked)
	}

	w.open(b.company.staff + "/session/end") // at the SSO itself, by its own page
	leave := w.page.forms[0]
	leave.fields.Set("logout", "yes") // its button stands outside of the form
	w.submit(leave, nil, "")
	until(time.Now().Add(maxAge))
	w.open(b.authorize(b.docs()).url())
	w.prove("dana")
	if !w.shows("account", "pin") {
		t.Errorf("after a new sign-in: %v %s", w.page.url, w.page.text())
	}
}

// askedOfStaff is the last request that the broker sent somebody to the staff's
// issuer with.
func (b *broker) askedOfStaff() url.Values {
	b.t.Helper()
	seen := b.tape.all()
	for _, x := range slices.Backward(seen) {
		to, err := url.Parse(x.header.Get("Location"))
		if err == nil && strings.Contains(x.request, b.issuer) && strings.HasPrefix(to.String(), b.company.staff+"/") {
			return to.Query()
		}
	}
	b.t.Fatal("the broker sends nobody to the staff's issuer")
	return nil
}
