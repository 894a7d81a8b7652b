package api_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	people "github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin/signintest"
)

const verifications = "/api/v1/verifications"

// company is where the agents of these tests sign in.
func (w *world) company() *signintest.Issuer {
	w.Helper()
	issuer := signintest.NewIssuer(w, time.Now)
	w.corp = &people.OIDC{ID: "corp", Name: "Northwind SSO", Issuer: issuer.URL, ClientID: "valetkey", Now: time.Now,
		Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}}}
	return issuer
}

// ask is a verification by the issuer's person.
func ask(issuer *signintest.Issuer, pin string, changes ...any) map[string]any {
	body := map[string]any{"account_handle": "ACME-1", "pin": pin, "reason": "ticket 4711",
		"actor_token": issuer.Token("valetkey-console", time.Now(), nil)}
	for i := 0; i < len(changes); i += 2 {
		body[changes[i].(string)] = changes[i+1]
	}
	return body
}

// other is a PIN that is not this one.
func other(pin string) string { return string('0'+(pin[0]-'0'+1)%10) + pin[1:] }

// verified counts the callers that the account's record says were verified.
func (w *world) verified() (n int) {
	w.Helper()
	all, err := w.store.Record(w.Context(), "acme", credentials.RecordPage{Forward: true, Limit: 500})
	must(w, err)
	for _, e := range all {
		if e.Kind == credentials.RecordVerified {
			n++
		}
	}
	return n
}

// TestVerification: the reply names the caller; the PIN is used up by it and
// opens nothing.
func TestVerification(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		issuer := w.company()
		minted := w.want(w.call("settings", "POST", creds, mintBody("policy", "phone-pin", "ticket", "4711")), 201)
		pin := minted.text("pin")
		r := w.want(w.call("console", "POST", verifications, ask(issuer, " "+pin[:2]+"-"+pin[2:], "account_handle", "acme 1")), 200)
		account, _ := r.body["account"].(map[string]any)
		at, err := time.Parse(time.RFC3339, r.text("verified_at"))
		if r.text("credential") != minted.text("id") || r.text("policy") != "phone-pin" || r.text("contact") != "Olivia Owner" ||
			r.text("made_by") != "Olivia Owner" || r.text("ticket") != "4711" || account["id"] != "acme" || account["name"] != "Acme" ||
			account["handle"] != "ACME-1" || err != nil || time.Since(at) > time.Minute {
			t.Errorf("the reply is %s", r.Body)
		}
		sessions, err := w.store.Sessions(w.Context(), "acme", credentials.Page{Limit: 10})
		must(w, err)
		all, err := w.store.Record(w.Context(), "acme", credentials.RecordPage{Limit: 1})
		must(w, err)
		if last := all[0]; len(sessions) != 0 || last.Kind != credentials.RecordVerified || last.Facts["client"] != "console" ||
			last.Facts["agent_id"] != credentials.Person(issuer.URL, "sam") || last.About[0].Fields["agent"] != "Sam Rivera" {
			t.Errorf("%d sessions; the record has %+v", len(sessions), last)
		}
		again := w.want(w.call("console", "POST", verifications, ask(issuer, pin)), 422)
		if again.text("type") != "urn:valetkey:problem:no-match" {
			t.Errorf("a second time: %s", again.Body)
		}
	})
}

// TestNotVerified: before a right PIN every cause looks the same; after it the
// cause is told.
func TestNotVerified(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	issuer := w.company()
	agent := func(name string) string {
		return issuer.Token("valetkey-console", time.Now(), map[string]any{"sub": name})
	}
	pin := w.want(w.call("settings", "POST", creds, mintBody("policy", "open-pin", "ticket", "T-9")), 201).text("pin")
	revoked := w.want(w.call("settings", "POST", creds, mintBody("policy", "support-pin")), 201)
	w.want(w.call("settings", "DELETE", creds+"/"+revoked.text("id"), nil), 204)
	neutral := ""
	for name, changes := range map[string][]any{
		"a wrong PIN": {"pin", other(pin)}, "an unknown account": {"account_handle", "XX-9"}, "a dead PIN": {"pin", revoked.text("pin")},
		"no PIN": {"pin", "abcdef"}, "another length": {"pin", "12345678"},
	} {
		r := w.want(w.call("console", "POST", verifications, ask(issuer, pin, append(changes, "actor_token", agent(name))...)), 422)
		if neutral == "" {
			neutral = r.Body.String()
		}
		if r.Body.String() != neutral || r.text("type") != "urn:valetkey:problem:no-match" || r.body["tries_left"] != 4.0 {
			t.Errorf("%s: %s, another cause: %s", name, r.Body, neutral)
		}
	}
	r := w.want(w.call("console", "POST", verifications, ask(issuer, pin)), 422)
	if r.text("type") != "urn:valetkey:problem:ticket" || !strings.Contains(r.Body.String(), "body.reason") || strings.Contains(r.Body.String(), "T-9") {
		t.Errorf("without the ticket: %s", r.Body)
	}
	must(t, w.store.Suspend(t.Context(), credentials.Person(issuer.URL, "sam"), true, credentials.Mark{Who: "operator"}))
	r = w.want(w.call("console", "POST", verifications, ask(issuer, pin, "reason", "T-9")), 403)
	if r.text("type") != "urn:valetkey:problem:agent-suspended" || w.verified() != 0 {
		t.Errorf("a suspended agent: %s", r.Body)
	}
	w.want(w.call("console", "POST", verifications, ask(issuer, pin, "reason", "T-9", "actor_token", agent("dana"))), 200)
}

// TestVerificationLimits are the agent's own, wherever they try: the sign-in
// pages and each client share them.
func TestVerificationLimits(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	issuer := w.company()
	pin := w.want(w.call("settings", "POST", creds, mintBody("policy", "open-pin")), 201).text("pin")
	sam := credentials.Agent{Issuer: issuer.URL, Subject: "sam", Name: "Sam Rivera", Connector: "corp", AuthTime: time.Now()}
	for range 2 { // on the pages
		_, err := w.api.Redeemer.PIN(t.Context(), credentials.NewID(), sam, "XX-9", credentials.NewSecret(other(pin)), "")
		if no := (*credentials.NoMatch)(nil); !errors.As(err, &no) {
			t.Fatal(err)
		}
	}
	for i, client := range []string{"console", "second", "console"} {
		r := w.want(w.call(client, "POST", verifications, ask(issuer, other(pin), "account_handle", "XX-9")), 422)
		if r.body["tries_left"] != float64(2-i) {
			t.Errorf("try %d: %s", i, r.Body)
		}
	}
	r := w.want(w.call("console", "POST", verifications, ask(issuer, pin)), 429)
	if wait := r.Header().Get("Retry-After"); r.text("type") != "urn:valetkey:problem:tries-used-up" || wait == "" || wait == "0" || len(wait) > 3 {
		t.Errorf("used up: %s, Retry-After %q", r.Body, wait)
	}
	var paused *credentials.Paused
	if _, err := w.api.Redeemer.PIN(t.Context(), credentials.NewID(), sam, "ACME-1", credentials.NewSecret(pin), ""); !errors.As(err, &paused) {
		t.Errorf("on the pages: %v", err)
	}
	if w.verified() != 0 {
		t.Error("somebody was verified")
	}
}

// TestWhoMayVerify: the client needs the scope and an audience, the agent a
// fresh ID token of the company for it. Nothing is tried without.
func TestWhoMayVerify(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	issuer := w.company()
	elsewhere := signintest.NewIssuer(t, time.Now)
	pin := w.want(w.call("settings", "POST", creds, mintBody("policy", "open-pin")), 201).text("pin")
	token := func(audience string, at time.Time, changes map[string]any) string {
		return issuer.Token(audience, at, changes)
	}
	now := time.Now()
	for name, c := range map[string]struct {
		client, token string
		status        int
	}{
		"no scope":                  {"settings", token("valetkey-console", now, nil), 403},
		"no audience":               {"blind", token("valetkey-console", now, nil), 403},
		"no client":                 {"unknown", token("valetkey-console", now, nil), 401},
		"another audience":          {"console", token("valetkey", now, nil), 403},
		"several audiences":         {"console", token("", now, map[string]any{"aud": []string{"valetkey-console", "valetkey"}}), 403},
		"another issuer":            {"console", elsewhere.Token("valetkey-console", now, nil), 403},
		"another issuer's claim":    {"console", elsewhere.Token("valetkey-console", now, map[string]any{"iss": issuer.URL}), 403},
		"five minutes old":          {"console", token("valetkey-console", now.Add(-5*time.Minute-2*time.Second), nil), 403},
		"from the future":           {"console", token("valetkey-console", now.Add(time.Minute), nil), 403},
		"expired":                   {"console", token("valetkey-console", now, map[string]any{"exp": now.Unix()}), 403},
		"somebody of another group": {"console", token("valetkey-console", now, map[string]any{"groups": "sales"}), 403},
		"nobody":                    {"console", token("valetkey-console", now, map[string]any{"sub": ""}), 403},
		"a logout token":            {"console", token("valetkey-console", now, map[string]any{"events": map[string]any{}}), 403},
		"no token":                  {"console", "x", 403},
		"a million dots":            {"console", strings.Repeat(".", 8000), 403},
		"an endless token":          {"console", strings.Repeat("x", 9000), 422},
		"an empty token":            {"console", "", 422},
	} {
		r := w.call(c.client, "POST", verifications, ask(issuer, pin, "actor_token", c.token))
		if r.Code != c.status || c.token != "" && strings.Contains(r.Body.String(), c.token) && len(c.token) > 10 {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
	if r := w.call("blind", "POST", verifications, ask(issuer, pin, "actor_token", token("", now, nil))); r.text("type") != "urn:valetkey:problem:not-allowed" {
		t.Errorf("a client without an audience, by a token for nobody: %s", r.Body)
	}
	if all, err := w.store.Record(t.Context(), "acme", credentials.RecordPage{Limit: 10}); err != nil || len(all) != 1 {
		t.Errorf("the record has %v, %v; want the mint alone", all, err)
	}
	issuer.Set(func(b *signintest.Behaviour) { b.Down = true })
	w.corp = &people.OIDC{ID: "corp", Issuer: issuer.URL, Now: time.Now, Allow: w.corp.Allow} // that has discovered nothing yet
	r := w.want(w.call("console", "POST", verifications, ask(issuer, pin)), 503)
	if strings.Contains(r.Body.String(), signintest.Marker) || strings.Contains(r.Body.String(), issuer.URL) || !strings.Contains(w.log.String(), "discovered") {
		t.Errorf("the company is down: %s; the log has %s", r.Body, w.log)
	}
	issuer.Set(func(b *signintest.Behaviour) { b.Down = false })
	w.want(w.call("console", "POST", verifications, ask(issuer, pin)), 200)
}

// TestVerificationSentTwice: a key gives the same answer to the same request of
// the same agent; it vouches for no other PIN, agent or client.
func TestVerificationSentTwice(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		issuer := w.company()
		pin := w.want(w.call("settings", "POST", creds, mintBody("policy", "open-pin")), 201).text("pin")
		key := []string{"Idempotency-Key", "call-17"}
		var all sync.WaitGroup
		replies := make([]reply, 4)
		for i := range replies {
			all.Go(func() { replies[i] = w.call("console", "POST", verifications, ask(issuer, pin), key...) })
		}
		all.Wait()
		for _, r := range replies {
			if w.want(r, 200); r.Body.String() != replies[0].Body.String() {
				t.Errorf("%s, and %s", r.Body, replies[0].Body)
			}
		}
		w.want(w.call("console", "POST", verifications, ask(issuer, pin[:3]+" "+pin[3:], "account_handle", "acme-1"), key...), 200)
		w.want(w.call("console", "POST", verifications, ask(issuer, other(pin)), key...), 422)
		w.want(w.call("second", "POST", verifications, ask(issuer, pin), key...), 422)
		dana := issuer.Token("valetkey-console", time.Now(), map[string]any{"sub": "dana"})
		w.want(w.call("console", "POST", verifications, ask(issuer, pin, "actor_token", dana), key...), 422)
		w.want(w.call("console", "POST", verifications, ask(issuer, pin)), 422)
		if n := w.verified(); n != 1 {
			t.Errorf("verified %d times", n)
		}
	})
}

// TestVerificationInDoubt: a failing store verifies nobody; where nobody knows
// whether it did, the same request sent again gets the answer.
func TestVerificationInDoubt(t *testing.T) {
	t.Parallel()
	before, after := (*signintest.Faults).Break, (*signintest.Faults).BreakAfter
	for _, c := range []struct {
		verb   string
		breaks func(*signintest.Faults, string)
		done   int
		kind   string
	}{{"Reserve", before, 0, "unavailable"}, {"Settle", before, 0, "unavailable"}, {"Settle", after, 1, "unknown-result"}} {
		w := onSQLite(t)
		issuer := w.company()
		faults := &signintest.Faults{Store: w.store}
		w.api.Redeemer = &credentials.Redeemer{Store: faults, Hasher: w.api.Minter.Hasher}
		pin := w.want(w.call("settings", "POST", creds, mintBody("policy", "open-pin")), 201).text("pin")
		c.breaks(faults, c.verb)
		key := []string{"Idempotency-Key", "call-17"}
		r := w.want(w.call("console", "POST", verifications, ask(issuer, pin), key...), 503)
		if r.text("type") != "urn:valetkey:problem:"+c.kind || strings.Contains(r.Body.String(), signintest.StoreMarker) ||
			!strings.Contains(w.log.String(), signintest.StoreMarker) {
			t.Errorf("%s, %s: %s; the log has %s", c.verb, c.kind, r.Body, w.log)
		}
		if n := w.verified(); n != c.done {
			t.Errorf("%s, %s: verified %d times, want %d", c.verb, c.kind, n, c.done)
		}
		if faults.Mend(); c.done == 1 {
			w.want(w.call("console", "POST", verifications, ask(issuer, pin), key...), 200)
		}
	}
}

// TestSuspensionInDoubt: the refusal stands where it could not be written down,
// and the operator is told.
func TestSuspensionInDoubt(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	issuer := w.company()
	faults := &signintest.Faults{Store: w.store}
	w.api.Redeemer = &credentials.Redeemer{Store: faults, Hasher: w.api.Minter.Hasher}
	pin := w.want(w.call("settings", "POST", creds, mintBody("policy", "open-pin")), 201).text("pin")
	w.want(w.call("console", "POST", verifications, ask(issuer, other(pin))), 422) // so that the broker knows the agent
	must(t, w.store.Suspend(t.Context(), credentials.Person(issuer.URL, "sam"), true, credentials.Mark{Who: "operator"}))
	faults.Break("Suspend")
	r := w.want(w.call("console", "POST", verifications, ask(issuer, pin)), 403)
	if r.text("type") != "urn:valetkey:problem:agent-suspended" || strings.Contains(r.Body.String(), signintest.StoreMarker) ||
		!strings.Contains(w.log.String(), "could not be written down") || !strings.Contains(w.log.String(), signintest.StoreMarker) {
		t.Errorf("%s; the log has %s", r.Body, w.log)
	}
}

// TestNoEcho: whatever is wrong with a verification, no reply, log entry or row
// has the PIN or the token.
func TestNoEcho(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	issuer := w.company()
	pin := w.want(w.call("settings", "POST", creds, mintBody("policy", "open-pin")), 201).text("pin")
	token := issuer.Token("valetkey-console", time.Now(), nil)
	secrets := []string{pin, other(pin), token, "88776655443322110099887766554433221100998877"}
	var said strings.Builder
	send := func(client, path string, body any) {
		r := w.call(client, "POST", path, body, "Idempotency-Key", "call-17")
		_ = r.Header().Write(&said)
		said.WriteString(r.Body.String())
	}
	for _, client := range []string{"console", "blind", "settings", ""} {
		send(client, verifications, ask(issuer, other(pin), "actor_token", token))
		send(client, verifications, ask(issuer, secrets[3], "actor_token", token))
		send(client, verifications, map[string]any{"PIN": pin, "pin": 123456, token: pin})
		send(client, verifications, `{"pin": "`+pin)
		send(client, verifications+"?pin="+pin, ask(issuer, pin))
		send(client, verifications+"?actor_token="+token, ask(issuer, pin))
	}
	send("console", verifications, ask(issuer, pin, "actor_token", token))
	if w.verified() != 1 {
		t.Fatalf("nothing was verified: %s", said.String())
	}
	for _, secret := range secrets {
		if strings.Contains(said.String(), secret) {
			t.Errorf("a reply has %s", secret)
		}
	}
	w.store.Close()
	signintest.Leaks(t, map[string]string{"the PIN": pin, "a wrong PIN": other(pin), "the token": token}, &signintest.Tape{}, w.log, w.dsn)
}

// TestVerificationOfOthersAccounts: a client that speaks for one owners
// connector learns nothing of another's accounts, nor uses up their PINs.
func TestVerificationOfOthersAccounts(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		issuer := w.company()
		pin := w.want(w.call("settings", "POST", creds, mintBody("policy", "open-pin")), 201).text("pin")
		elsewhere := w.callers["console"]
		elsewhere.Owners = "partners"
		w.callers["elsewhere"] = elsewhere
		r := w.want(w.call("elsewhere", "POST", verifications, ask(issuer, pin)), 422)
		unknown := w.want(w.call("elsewhere", "POST", verifications, ask(issuer, pin, "account_handle", "XX-9")), 422)
		if r.text("type") != unknown.text("type") || w.verified() != 0 {
			t.Errorf("another connector's account: %s, an unknown one: %s", r.Body, unknown.Body)
		}
		w.want(w.call("console", "POST", verifications, ask(issuer, pin)), 200)
	})
}
