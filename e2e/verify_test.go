package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestIsTheCallerWhoTheySay asks over the API, as a support console does, and
// on the agent's page. The PIN is used up, and nothing is opened.
func TestIsTheCallerWhoTheySay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := startCompany(t, dsn, "15m")
		olivia := b.asOwner("olivia")
		b.verifyOverTheAPI(olivia)
		b.verifyOnThePage(olivia)
		b.stop()
	})
}

// verification is the answer of the API.
type verification struct {
	Credential string `json:"credential"`
	Policy     string `json:"policy"`
	Contact    string `json:"contact"`
	MadeBy     string `json:"made_by"`
	Account    struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Handle string `json:"handle"`
	} `json:"account"`
	VerifiedAt time.Time `json:"verified_at"`
}

func (b *broker) verifyOverTheAPI(olivia *browser) {
	b.t.Helper()
	pin := olivia.generate("phone-pin")
	ask := func(actor, code, key string) exchange {
		b.t.Helper()
		return b.api(b.console(), http.MethodPost, "/verifications", map[string]any{
			"account_handle": pin.Handle, "pin": code, "actor_token": actor, "reason": "ticket 4711",
		}, "Idempotency-Key", key)
	}
	dana := b.idToken("dana", "console")
	for name, actor := range map[string]string{
		"one of a colleague who may not give support": b.idToken("otto", "console"),
		"one that was issued to another client":       b.idToken("dana", "payroll"),
		"one that the broker issued":                  b.anotherSession(olivia).ID,
		"one that was changed":                        changed(b.t, dana),
		"none":                                        "x.y.z",
	} {
		if answer := ask(actor, pin.PIN, rand.Text()); answer.status != http.StatusForbidden || strings.Contains(string(answer.body), pin.PIN) {
			b.t.Errorf("%s as actor_token: %d %s, want 403", name, answer.status, answer.body)
		}
	}
	if answer := ask(dana, wrong(pin).PIN, rand.Text()); answer.status != http.StatusUnprocessableEntity {
		b.t.Errorf("a wrong PIN: %d %s, want 422", answer.status, answer.body)
	}
	body := map[string]any{"account_handle": pin.Handle, "pin": pin.PIN, "actor_token": dana}
	if answer := b.api(b.settings(), http.MethodPost, "/verifications", body); answer.status != http.StatusForbidden {
		b.t.Errorf("a client that may not verify: %d %s, want 403", answer.status, answer.body)
	}

	// None of that has used it up.
	began, first := time.Now().Add(-time.Second), ask(dana, pin.PIN, "one call")
	if first.status != http.StatusOK {
		b.t.Fatalf("a verification: %d %s, want 200", first.status, first.body)
	}
	var said verification
	first.decode(b.t, &said)
	if said.Contact != "Olivia Owner" || said.Credential != pin.ID || said.Policy != "phone-pin" || said.Account.ID != acme.id ||
		said.Account.Handle != acme.handle || said.VerifiedAt.Before(began) || said.VerifiedAt.After(time.Now().Add(time.Second)) {
		b.t.Errorf("a verification says %s", first.body)
	}
	if again := ask(dana, pin.PIN, "one call"); again.status != http.StatusOK || string(again.body) != string(first.body) {
		b.t.Errorf("the same request again: %d %s, want the same answer", again.status, again.body)
	}
	if twice := ask(dana, pin.PIN, rand.Text()); twice.status != http.StatusUnprocessableEntity {
		b.t.Errorf("a second verification with one PIN: %d %s, want the 422 of any dead or wrong one", twice.status, twice.body)
	}
	if b.attemptSSO("sam", pin) {
		b.t.Error("a PIN that verified a caller opens a session")
	}
	olivia.look()
	olivia.says("Dana Reed checked who is calling", "ticket 4711")
	b.openedNothing(pin)
}

// openedNothing wants no session of a credential, not even an ended one.
func (b *broker) openedNothing(c credential) {
	b.t.Helper()
	var listed struct {
		Items []struct{ Credential string } `json:"items"`
	}
	answer := b.api(b.settings(), http.MethodGet, acme.path()+"/sessions", nil)
	answer.decode(b.t, &listed)
	for _, session := range listed.Items {
		if session.Credential == c.ID {
			b.t.Errorf("a verification opened a session: %s", answer.body)
		}
	}
	if len(listed.Items) == 0 {
		b.t.Error("the list of sessions does not even hold the one that was opened")
	}
}

func (b *broker) verifyOnThePage(olivia *browser) {
	b.t.Helper()
	pin := olivia.generate("phone-pin")
	w := b.browser()
	w.open(b.authorize(b.docs()).url())
	w.prove("dana")
	if !strings.Contains(string(w.page.body), `formaction="/verify"`) {
		b.t.Fatalf("no button only checks who is calling: %s", w.page.body)
	}
	check := func(code string) {
		f := w.form("account", "pin", "reason")
		f.action = &url.URL{Path: "/verify"}
		w.submit(f, map[string]string{"account": pin.Handle, "pin": code, "reason": "call 9"}, "")
	}
	check(wrong(pin).PIN)
	if w.page.status != http.StatusUnprocessableEntity || !w.shows("pin") {
		b.t.Fatalf("a wrong PIN: %d %s", w.page.status, w.page.text())
	}
	check(pin.PIN)
	answer := w.page
	w.says("Olivia Owner", acme.name, acme.handle, "call 9")
	if answer.status != http.StatusOK || w.callback != nil || w.shows("enter") {
		b.t.Fatalf("a verification on the page: %d %v %s", answer.status, w.callback, answer.text())
	}
	w.open(answer.url.String())
	w.says("Olivia Owner")
	if b.attemptSSO("sam", pin) {
		b.t.Error("a PIN that verified a caller opens a session")
	}
	// The answer says nothing in another browser, whoever is there, with their
	// own request or with the one that it came with.
	other := b.browser()
	other.open(b.authorize(b.docs()).url())
	other.prove("dana")
	own := answer.url.Query()
	own.Set("r", other.form("account", "pin").fields.Get("request"))
	for _, address := range []string{answer.url.String(), b.issuer + answer.url.Path + "?" + own.Encode()} {
		other.open(address)
		if strings.Contains(other.page.text(), "Olivia Owner") {
			b.t.Errorf("the answer is shown in another browser: %s", other.page.text())
		}
	}
	olivia.look()
	olivia.says("checked who is calling", "call 9")
	b.openedNothing(pin)
}

// anotherSession is one of somebody whom this does not concern.
func (b *broker) anotherSession(olivia *browser) tokens {
	b.t.Helper()
	olivia.look()
	login := olivia.generate("temporary-login")
	v, code := b.viaSSO("sam", login)
	got := v.exchange(code)
	olivia.look()
	olivia.press(supportAccess + "/end")
	b.wantDead("the visit that the owner ended", got)
	return got
}

// attemptSSO reports whether a credential opens a session for somebody.
func (b *broker) attemptSSO(login string, c credential) bool {
	b.t.Helper()
	w := b.browser()
	w.open(b.authorize(b.docs()).url())
	w.prove(login)
	w.redeem(c)
	return w.callback != nil || w.shows("enter")
}

// changed is a token with a claim that its issuer did not sign.
func changed(t interface{ Fatal(...any) }, token string) string {
	parts := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), `"sub":"dana"`, `"sub":"sam"`, 1)))
	return strings.Join(parts, ".")
}

// idToken signs somebody in at the staff's issuer for one of its other clients,
// as their support console does (OpenID Connect Core 1.0, section 3.1).
func (b *broker) idToken(login, client string) string {
	b.t.Helper()
	var endpoints struct {
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
	}
	w := b.browser()
	w.caller = b.company.staff
	w.open(b.company.staff + "/.well-known/openid-configuration")
	if err := json.Unmarshal(w.page.body, &endpoints); err != nil {
		b.t.Fatal(err)
	}
	verifier := rand.Text() + rand.Text()
	digest := sha256.Sum256([]byte(verifier))
	w.open(endpoints.Authorization + "?" + url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {consoleCallback}, "scope": {"openid profile support"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	w.prove(login)
	request := w.request(http.MethodPost, endpoints.Token, strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {w.callback.Get("code")}, "redirect_uri": {consoleCallback}, "code_verifier": {verifier},
	}.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, b.company.secret)
	answer := b.send(request)
	token := answer.field("id_token")
	if answer.status != http.StatusOK || token == "" {
		b.t.Fatalf("the staff's issuer: %d %s", answer.status, answer.body)
	}
	return token
}
