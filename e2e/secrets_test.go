package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestNoSecretIsLeft does everything that handles a secret, and then looks for
// each of them in the log, in the raw database, and in every answer but the
// one that had to hold it.
func TestNoSecretIsLeft(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		secrets := b.handleSecrets()
		running := b.database()
		b.stop()
		places := map[string]string{
			"the log":                           b.logs.String(),
			"the database while it was served":  running,
			"the database after it was stopped": b.database(),
		}
		// The search must see what is there, or finding nothing means nothing.
		for place, text := range places {
			if want := map[bool]string{true: `"level"`, false: acme.id}[place == "the log"]; !strings.Contains(text, want) {
				t.Errorf("%s (%d bytes) does not even hold %q", place, len(text), want)
			}
		}
		for name, secret := range secrets {
			for place, text := range places {
				if form := secret.in(text); form != "" {
					t.Errorf("%s is in %s (%s)", name, place, form)
				}
			}
			var answers []string
			for _, x := range b.tape.all() {
				if secret.in(x.text()) != "" {
					answers = append(answers, x.request)
				}
			}
			if len(answers) > secret.answers {
				t.Errorf("%s is in %d answers, want %d: %q", name, len(answers), secret.answers, answers)
			}
		}
	})
}

// secret is a value with the number of answers that may hold it.
type secret struct {
	value   string
	answers int
}

// in returns the form in which text holds the secret, or nothing. A PIN counts
// only where no digit stands beside it: six digits of a longer number are none.
func (s secret) in(text string) string {
	if digits.MatchString(s.value) {
		if regexp.MustCompile(`(^|[^0-9])` + s.value + `($|[^0-9])`).MatchString(text) {
			return "as it is"
		}
		return ""
	}
	for form, written := range map[string]string{
		"as it is":  s.value,
		"in base64": base64.RawStdEncoding.EncodeToString([]byte(s.value)),
		"in hex":    hex.EncodeToString([]byte(s.value)),
	} {
		// What stands before it decides how base64 ends: leave the last out.
		if form == "in base64" {
			written = written[:len(written)-2]
		}
		if strings.Contains(text, written) {
			return form
		}
	}
	return ""
}

// handleSecrets uses every kind of secret, rightly and wrongly, and returns
// all of them by name.
func (b *broker) handleSecrets() map[string]secret {
	b.t.Helper()
	found := map[string]secret{
		"the staff's password": {staffPassword, 0},
		"Sam's TOTP secret":    {b.env["SAM_TOTP"], 0},
	}
	for name, value := range b.env {
		found["the client secret "+name] = secret{value, 0}
	}
	pin := b.mint(mint{account: acme, policy: "support-pin", key: "once"})
	b.tryMint(mint{account: acme, policy: "support-pin", key: "once"})
	login := b.mint(mint{account: globex, policy: "temporary-login"})
	found["the PIN"] = secret{pin.PIN, 1}
	found["the temporary password"] = secret{login.Password, 1}

	b.attempt(agent(1), wrong(pin))
	mistaken := login
	mistaken.Email = "nobody@support.northwind.example"
	b.attempt(agent(1), mistaken)
	b.badLogin()
	b.collect(found, "the PIN's session", sam, pin)
	b.collect(found, "the login's session", dana, login)

	for _, where := range []account{acme, globex} {
		for _, path := range []string{"/credentials", "/sessions", "/record", "/record?format=jsonl"} {
			if answer := b.api(b.settings(), http.MethodGet, where.path()+path, nil); answer.status != http.StatusOK {
				b.t.Errorf("GET %s%s: %d %s", where.path(), path, answer.status, answer.body)
			}
		}
	}
	b.revoke(pin)
	b.revoke(login)
	return found
}

// collect signs in, uses the tokens rightly and wrongly, and adds them all.
func (b *broker) collect(found map[string]secret, what string, who person, c credential) {
	b.t.Helper()
	v, code := b.browser().signIn(b.docs(), who, c)
	got := v.exchange(code)
	b.wantAlive(what, got)
	answer := b.refresh(b.docs(), got.Refresh)
	b.refresh(b.metrics(), got.Refresh)
	var next tokens
	answer.decode(b.t, &next)
	v.tryExchange(code)
	b.userinfo(next.Access)
	// A code stands in one redirect, a token in the answer of one request.
	found["the code of "+what] = secret{code, 1}
	found["the access token of "+what] = secret{got.Access, 1}
	found["the ID token of "+what] = secret{got.ID, 1}
	found["the refresh token of "+what] = secret{got.Refresh, 1}
	found["the second access token of "+what] = secret{next.Access, 1}
	if next.Refresh != "" {
		found["the second refresh token of "+what] = secret{next.Refresh, 1}
	}
}

// badLogin types the right password where the username belongs.
func (b *broker) badLogin() {
	b.t.Helper()
	w := b.browser()
	w.open(b.authorize(b.docs()).url())
	w.submit(w.form("username", "password"), map[string]string{"username": "nobody", "password": staffPassword}, "")
	if !w.shows("username") {
		b.t.Errorf("an unknown person gets on: %s", w.page.text())
	}
}

// database returns every byte that the program has stored.
func (b *broker) database() string {
	b.t.Helper()
	path, sqlite := strings.CutPrefix(b.dsn, "sqlite:")
	if !sqlite {
		out, err := exec.Command(storetest.Program(b.t, "pg_dump"), "--dbname", b.dsn).Output()
		if err != nil {
			b.t.Fatalf("pg_dump: %v", err)
		}
		return string(out)
	}
	var all strings.Builder
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		bytes, err := os.ReadFile(path + suffix)
		if err != nil && (suffix == "" || !os.IsNotExist(err)) {
			b.t.Fatal(err)
		}
		all.Write(bytes)
	}
	return all.String()
}

func TestTheSearchForSecretsFinds(t *testing.T) {
	t.Parallel()
	const long = "correct-horse-battery-staple"
	for text, want := range map[string]bool{
		"a " + long + " b": true,
		base64.StdEncoding.EncodeToString([]byte(long)): true,
		hex.EncodeToString([]byte("x" + long)):          true,
		"correct-horse":                                 false,
	} {
		if got := (secret{value: long}).in(text) != ""; got != want {
			t.Errorf("%q: found %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]bool{`"pin":"123456"`: true, "123456": true, "9123456": false, "1234567": false} {
		if got := (secret{value: "123456"}).in(text) != ""; got != want {
			t.Errorf("%q: found %v, want %v", text, got, want)
		}
	}
}
