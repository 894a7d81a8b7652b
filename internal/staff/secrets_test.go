package staff

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
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
			{"pin", "account", acme.Handle, "pin", h.pin.Secret.Reveal()},
		} {
			b.Page = form
			b.again()
			b.Submit(f[0], f[1:]...)
		}
	}
	b.Page = form
	action, fields := b.Form("pin")
	fields.Set("pin", h.pin.Secret.Reveal())
	b.Send(http.MethodPost, action, fields, "Sec-Fetch-Site", "cross-site")
	fields.Set("request", "another")
	b.Send(http.MethodPost, action, fields)
	h.store.Close()
	h.searchFor(typed)
}

// searchFor looks for secrets in everything that was answered, logged, stored.
func (h *house) searchFor(typed map[string]string) {
	h.t.Helper()
	places := map[string]string{"the log": h.log.String()}
	path := strings.TrimPrefix(h.dsn, "sqlite:")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil && !os.IsNotExist(err) {
			h.t.Fatal(err)
		}
		places["the database"+suffix] = string(content)
	}
	for _, a := range h.tape.All() {
		var all strings.Builder
		_ = a.Header.Write(&all)
		where := "the answer to " + a.Method + " " + strings.SplitN(strings.TrimPrefix(a.URL, h.server.URL), "?", 2)[0]
		places[where] += all.String() + a.Body
		places["an address"] += a.URL + "\n"
	}
	for name, secret := range typed {
		for place, content := range places {
			for form, written := range map[string]string{"as it is": secret, "escaped": url.QueryEscape(secret),
				"in hex": hex.EncodeToString([]byte(secret)), "in base64": base64.RawStdEncoding.EncodeToString([]byte(secret))[:len(secret)]} {
				if contains(content, written) {
					h.t.Errorf("%s is in %s (%s)", name, place, form)
				}
			}
		}
	}
}

// contains finds digits only where none stand beside them: six digits of a
// longer number are no PIN.
func contains(content, secret string) bool {
	digit := func(at int) bool { return at >= 0 && at < len(content) && content[at] >= '0' && content[at] <= '9' }
	for from := 0; ; {
		at := strings.Index(content[from:], secret)
		if at < 0 {
			return false
		}
		at += from
		if strings.Trim(secret, "0123456789") != "" || !digit(at-1) && !digit(at+len(secret)) {
			return true
		}
		from = at + 1
	}
}
