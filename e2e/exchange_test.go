package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	tokenTypes    = "urn:ietf:params:oauth:token-type:"
	typePIN       = "urn:valetkey:params:oauth:token-type:support-pin"
	consoleAPI    = "https://console.northwind.example/api"
)

// redeemAt is what a support console sends: what the caller reads out, and who
// its agent is.
func redeemAt(c credential, pin, actor string, more ...string) url.Values {
	form := url.Values{"grant_type": {exchangeGrant}, "subject_token_type": {typePIN}, "subject_token": {c.Handle + ":" + pin},
		"actor_token": {actor}, "actor_token_type": {tokenTypes + "id_token"}, "reason": {"ticket 4711"}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// TestASupportConsoleRedeems without a browser of ours: by token exchange (RFC
// 8693), with the agent's own ID token; and reaches the product's API.
func TestASupportConsoleRedeems(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := startCompany(t, dsn, "15m")
		pin := b.pin("support-pin")
		dana := b.idToken("dana", "console")
		ask := func(form url.Values) exchange {
			t.Helper()
			return b.post(b.metadata().Token, b.console(), form)
		}
		for name, actor := range map[string]string{
			"a colleague who may not give support":  b.idToken("otto", "console"),
			"a token issued to another client":      b.idToken("dana", "payroll"),
			"a token that was changed":              changed(t, dana),
			"what is no token":                      "x.y.z",
			"a token that the broker issued itself": b.apiToken(b.console()),
		} {
			if answer := ask(redeemAt(pin, pin.PIN, actor)); answer.status != http.StatusBadRequest || answer.field("error") != "invalid_request" {
				t.Errorf("%s as actor_token: %d %s, want 400 invalid_request", name, answer.status, answer.body)
			}
		}
		nobody := pin
		nobody.Handle = "nobody"
		unknown, mistyped := ask(redeemAt(nobody, pin.PIN, dana)), ask(redeemAt(pin, wrong(pin).PIN, dana))
		alike := strings.Replace(string(unknown.body), "4 tries", "3 tries", 1)
		if unknown.status != http.StatusBadRequest || unknown.field("error") != "invalid_grant" || mistyped.status != unknown.status || string(mistyped.body) != alike {
			t.Errorf("an unknown account: %d %s\na wrong PIN: %d %s", unknown.status, unknown.body, mistyped.status, mistyped.body)
		}

		form := redeemAt(pin, pin.PIN, dana, "scope", "openid documents.read billing.read")
		var got, again tokens
		first := ask(form)
		if first.status != http.StatusOK || first.field("issued_token_type") != tokenTypes+"access_token" {
			t.Fatalf("the exchange: %d %s", first.status, first.body)
		}
		first.decode(t, &got)
		ask(form).decode(t, &again)
		access, id := b.access(got), b.verify(got.ID, jose.EdDSA, "JWT")
		if access.lent() != "documents.read" || access.SID == "" || id.SID != access.SID || b.access(again).SID != access.SID {
			t.Errorf("the access token says %+v, the ID token %+v, sent again %+v", access, id, b.access(again))
		}
		if answer := ask(redeemAt(pin, pin.PIN, b.idToken("sam", "console"))); answer.field("error") != "invalid_grant" {
			t.Errorf("the same PIN by a colleague: %d %s, want invalid_grant", answer.status, answer.body)
		}

		// For the product's API the console exchanges its own token.
		onward := url.Values{"grant_type": {exchangeGrant}, "subject_token": {got.Access}, "subject_token_type": {tokenTypes + "access_token"}, "audience": {docsAudience}}
		var docs tokens
		ask(onward).decode(t, &docs)
		if said := b.access(docs); said.SID != access.SID || said.lent() != "documents.read" || docs.Refresh != "" || docs.ID != "" || !b.active(docs.Access) {
			t.Errorf("for the product's API: %+v", said)
		}
		if answer := b.api(b.docsAPI(), http.MethodPost, "/actions", act(access.SID, "started")); answer.status != http.StatusCreated {
			t.Errorf("an action there: %d %s, want 201", answer.status, answer.body)
		}
		if answer := b.post(b.metadata().Token, b.docs(), onward); answer.field("error") != "unauthorized_client" {
			t.Errorf("an app without the grant: %d %s", answer.status, answer.body)
		}

		b.revoke(pin)
		b.wantDead("the product's token after a revocation", docs)
		for name, form := range map[string]url.Values{
			"the exchange again": form, "the exchange onward": onward,
			"a refresh": {"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}},
		} {
			if answer := ask(form); answer.status != http.StatusBadRequest || answer.field("access_token") != "" {
				t.Errorf("%s after a revocation: %d %s, want 400", name, answer.status, answer.body)
			}
		}
		b.stop()
		for _, text := range []string{pin.PIN, dana, got.Access, got.Refresh} {
			if strings.Contains(b.logs.String(), text) {
				t.Error("a secret is in the log")
			}
		}
	})
}
