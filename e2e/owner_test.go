package e2e

import (
	"net/http"
	"strings"
)

// supportAccess is the owner's page.
const supportAccess = "/support-access"

// asOwner signs a customer in and shows them their page.
func (b *broker) asOwner(login string) *browser {
	b.t.Helper()
	w := b.browser()
	w.open(b.issuer + supportAccess)
	w.follow("Continue with Northwind account")
	w.prove(login)
	if w.page.status != http.StatusOK || w.page.url.Path != supportAccess {
		b.t.Fatalf("%s does not reach the owner's page: %v %d %s", login, w.page.url, w.page.status, w.page.text())
	}
	return w
}

// look opens the owner's page again.
func (w *browser) look() {
	w.b.t.Helper()
	w.open(w.b.issuer + supportAccess)
}

// formTo returns the first form that is sent to a path, and false for none.
func (p page) formTo(path string) (form, bool) {
	for _, f := range p.forms {
		if f.action.Path == path {
			return f, true
		}
	}
	return form{}, false
}

// press sends the first form for a path as it came.
func (w *browser) press(path string) {
	w.b.t.Helper()
	f, ok := w.page.formTo(path)
	if !ok {
		w.b.t.Fatalf("no form is for %s at %s: %s", path, w.page.url, w.page.text())
	}
	w.submit(f, nil, "")
}

// generate mints on the owner's page and reads what it shows.
func (w *browser) generate(policy string, pairs ...string) credential {
	w.b.t.Helper()
	fill := map[string]string{"policy": policy}
	for i := 0; i+1 < len(pairs); i += 2 {
		fill[pairs[i]] = pairs[i+1]
	}
	f, ok := w.page.formTo(supportAccess + "/credentials")
	if !ok {
		w.b.t.Fatalf("nothing can be made at %s: %s", w.page.url, w.page.text())
	}
	w.submit(f, fill, "")
	c := credential{account: acme, Handle: acme.handle, Email: w.page.element("secret-email")}
	if secret := w.page.element("secret"); c.Email != "" {
		c.Password = secret
	} else {
		c.PIN = strings.ReplaceAll(secret, " ", "")
	}
	if cancel, ok := w.page.find("credential"); ok {
		c.ID = cancel.fields.Get("credential")
	}
	if w.page.status != http.StatusOK || c.ID == "" || c.PIN == "" && c.Password == "" {
		w.b.t.Fatalf("minting a %s shows no secret: %d %s", policy, w.page.status, w.page.text())
	}
	return c
}
