package staff

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// TestVisitorsWriteNothing: whoever is not signed in cannot make the broker
// write, whatever they send; the first thing that is written is a try.
func TestVisitorsWriteNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	pin, login := h.mint(acme, "support-pin"), h.mint(acme, "temporary-login")
	written := signintest.Watch(t, h.dsn)
	b := h.browser()
	quiet := func(what string) {
		t.Helper()
		if written() {
			t.Errorf("%s makes the broker write", what)
		}
	}
	b.open(h.app("docs"))
	quiet("an authorization request")
	b.open(h.app("docs", "prompt", "none"))
	quiet("a silent one")
	b.Visit(http.MethodPost, h.server.URL+"/authorize", h.params("docs"))
	quiet("a posted one")
	b.Visit(http.MethodGet, h.server.URL+"/authorize?client_id=unknown", nil)
	quiet("a bad one")
	b.open(h.app("docs"))
	_, fields := b.Form("username")
	b.Visit(http.MethodGet, h.server.URL+"/sign-in?r="+url.QueryEscape(fields.Get("request")), nil)
	quiet("the sign-in page")
	form := b.Page
	for i := range 15 {
		b.Page = form
		b.Submit("username", "username", fmt.Sprint([]string{"dana", "nobody"}[i%2]), "password", "wrong")
	}
	quiet("wrong passwords of local people")
	b.Page = form
	b.Submit("username", "username", "sam", "password", staffPassword)
	quiet("half a sign-in")
	b.Submit("code", "code", "000000x")
	quiet("a wrong code")
	for _, password := range []string{"wrong", login.Secret.Reveal()} {
		b.Page = form
		b.Submit("email", "email", login.Email, "password", password)
	}
	b.Page = form
	b.Submit("email", "email", "nobody@support.northwind.example", "password", "wrong")
	quiet("wrong passwords of holders")
	fields.Set("account", acme.Handle)
	fields.Set("pin", pin.Secret.Reveal())
	for _, path := range []string{"/redeem", "/verify", "/enter", "/cancel", "/sign-out"} {
		b.Visit(http.MethodPost, h.server.URL+path, fields)
	}
	for _, path := range []string{"/summary", "/verified"} {
		b.Visit(http.MethodGet, h.server.URL+path+"?r="+url.QueryEscape(fields.Get("request")), nil)
	}
	quiet("forms that are for the staff")
	b.Page = form
	b.Submit("username", "username", "erin", "password", staffPassword)
	quiet("a sign-in without a second factor")
	b.Submit("pin", "account", "XX-900", "pin", "000000")
	if !written() {
		t.Error("a try of somebody who is signed in is not written: this test sees nothing")
	}
}

// params are those of an authorization request as a form.
func (h *house) params(client string) url.Values {
	u, _ := url.Parse(h.app(client).url)
	return u.Query()
}
