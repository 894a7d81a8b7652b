package staff

import (
	"net/http"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// TestSecretsStayWhereTheyAreTyped: right or wrong, and whatever fails, no
// answer, address, header, log entry or file has them.
func TestSecretsStayWhereTheyAreTyped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.pin, h.login = h.mint(acme, "support-pin"), h.mint(acme, "temporary-login")
	typed := map[string]string{
		"the PIN": h.pin.Secret.Reveal(), "a wrong PIN": other(h.pin), "the temporary password": h.login.Secret.Reveal(),
		"a wrong temporary password": "wrong-temporary-password", "the staff's password": staffPassword,
		"a mistyped password": "mistyped-password", "the TOTP secret": samTOTP,
	}
	b := h.browser()
	b.open(h.app("docs"))
	b.Submit("username", "username", "dana", "password", typed["a mistyped password"])
	b.Submit("email", "email", h.login.Email, "password", typed["a wrong temporary password"])
	b.Submit("email", "email", h.login.Email, "password", h.login.Secret.Reveal())
	code := h.code()
	typed["the code"] = code
	for _, verb := range []string{"UseOTP", ""} {
		b.open(h.app("docs"))
		h.faults.Break(verb)
		b.login("sam")
	}
	form := b.Page
	for _, verb := range []string{"Reserve", "Settle", "Login", "RedeemPassword", "Suspended", ""} {
		h.faults.Break(verb)
		for _, f := range [][]string{
			{"email", "email", h.login.Email, "password", h.login.Secret.Reveal()},
			{"email", "email", h.login.Email, "password", typed["a wrong temporary password"]},
			{"pin", "account", acme.Handle, "pin", typed["a wrong PIN"]},
			{"pin", "account", acme.Handle, "pin", "wrong " + h.pin.Secret.Reveal()},
			{"/verify", "account", acme.Handle, "pin", typed["a wrong PIN"]},
			{"pin", "account", acme.Handle, "pin", h.pin.Secret.Reveal()},
		} {
			b.Page = form
			b.again()
			b.Submit(f[0], f[1:]...)
		}
	}
	asked := h.mint(globex, "support-pin")
	typed["the PIN of a caller"] = asked.Secret.Reveal()
	dana := h.atForm() // who has tries left
	dana.verify(globex, asked)
	if !strings.Contains(dana.Page.URL, "/verified") {
		t.Fatalf("nobody is verified: %d %s", dana.Page.Status, dana.Page.Text())
	}
	b.Page = form
	action, fields := b.Form("pin")
	fields.Set("pin", h.pin.Secret.Reveal())
	b.Send(http.MethodPost, action, fields, "Sec-Fetch-Site", "cross-site")
	fields.Set("request", "another")
	b.Send(http.MethodPost, action, fields)
	h.store.Close()
	signintest.Leaks(t, typed, &h.tape, h.log, h.dsn)
}
