package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

func TestWhatIsRefusedAtMint(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		b.pin("support-pin") // acme is known from here on
		for name, c := range map[string]struct {
			mint   mint
			status int
		}{
			"billing is never lent":               {mint{account: acme, policy: "support-pin", scopes: []string{"billing.read"}}, 422},
			"deletion is never lent":              {mint{account: acme, policy: "support-pin", scopes: []string{"documents.read", "documents.delete"}}, 422},
			"credentials are never lent":          {mint{account: acme, policy: "support-pin", scopes: []string{"keys.write"}}, 422},
			"access is never lent":                {mint{account: acme, policy: "support-pin", scopes: []string{"people.write"}}, 422},
			"a pattern of never is never lent":    {mint{account: acme, policy: "support-pin", scopes: []string{"documents.export"}}, 422},
			"the policy does not lend it":         {mint{account: acme, policy: "support-pin", scopes: []string{"documents.write"}}, 422},
			"nobody knows this scope":             {mint{account: acme, policy: "support-pin", scopes: []string{"coffee.make"}}, 422},
			"nobody knows this policy":            {mint{account: acme, policy: "master-key"}, 422},
			"the handle is another account's":     {mint{account: account{id: "acct-other", name: "Other", handle: acme.handle}, policy: "support-pin"}, 409},
			"a user may not mint this":            {mint{account: acme, policy: "support-pin", owner: ash}, 403},
			"nobody of that role is an owner":     {mint{account: acme, policy: "two-day-pin", owner: owner{"u-9", "Eve", "eve@acme.example", "guest"}}, 403},
			"no claims where a policy asks":       {mint{account: acme, policy: "support-pin", extra: map[string]any{"owner": map[string]any{"sub": "u-1", "name": "Kim", "email": "kim@acme.example"}}}, 403},
			"a wish the broker does not know":     {mint{account: acme, policy: "support-pin", extra: map[string]any{"pin": "493817"}}, 422},
			"a validity where there is no choice": {mint{account: acme, policy: "support-pin", extra: map[string]any{"redeem_within": "30d"}}, 422},
		} {
			answer := b.tryMint(c.mint)
			if answer.status != c.status {
				t.Errorf("%s: %d %s, want %d", name, answer.status, answer.body, c.status)
			}
			if kind := answer.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") {
				t.Errorf("%s: Content-Type %q, want application/problem+json", name, kind)
			}
			if strings.Contains(string(answer.body), "493817") {
				t.Errorf("%s: the answer repeats the value posted: %s", name, answer.body)
			}
		}
	})
}

func TestWhoMayLendWhat(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		// An authorised user may lend viewing only, whatever the policy lends.
		answer := b.tryMint(mint{account: acme, policy: "temporary-login", owner: ash, scopes: []string{"documents.write"}})
		if answer.status != http.StatusUnprocessableEntity && answer.status != http.StatusForbidden {
			t.Errorf("a user lends documents.write: %d %s, want 422 or 403", answer.status, answer.body)
		}
		lent := b.mint(mint{account: acme, policy: "temporary-login", owner: kim, scopes: []string{"documents.read", "documents.write"}})
		if said := b.access(b.session(dana, lent)); said.lent() != "documents.read documents.write" && said.lent() != "documents.write documents.read" {
			t.Errorf("the owner's login gives %q, want both", said.lent())
		}
		// What an app does not ask for, it does not get.
		v, code := b.browser().signIn(b.docs(), agent(1), lent, "scope", "openid documents.write billing.read")
		if said := b.access(v.exchange(code)); said.lent() != "documents.write" {
			t.Errorf("an app that asks for documents.write gets %q", said.lent())
		}
	})
}

func TestASecretIsShownOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		again := mint{account: acme, policy: "support-pin", key: "click-1"}
		first := b.mint(again)
		repeat := b.tryMint(again)
		if repeat.status != http.StatusOK && repeat.status != http.StatusCreated {
			t.Errorf("the same Idempotency-Key: %d %s", repeat.status, repeat.body)
		}
		if repeat.field("id") != first.ID || repeat.field("pin") != "" {
			t.Errorf("the same Idempotency-Key answers credential %q with pin %q, want %q without",
				repeat.field("id"), repeat.field("pin"), first.ID)
		}
		other := again
		other.policy = "two-day-pin"
		if answer := b.tryMint(other); answer.status < 400 || answer.status > 499 {
			t.Errorf("the same Idempotency-Key for another wish: %d %s, want it refused", answer.status, answer.body)
		}
		for _, path := range []string{first.path(), acme.path() + "/credentials"} {
			answer := b.api(b.settings(), http.MethodGet, path, nil)
			if answer.status != http.StatusOK || !strings.Contains(string(answer.body), first.ID) {
				t.Errorf("GET %s: %d %s, want the credential", path, answer.status, answer.body)
			}
			if strings.Contains(string(answer.body), `"`+first.PIN+`"`) {
				t.Errorf("GET %s shows the PIN", path)
			}
		}
		if !b.attempt(dana, first) {
			t.Error("the PIN is refused after the repeated request")
		}
	})
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		got := b.session(dana, login)
		sid := b.access(got).SID
		listed := b.api(b.settings(), http.MethodGet, acme.path()+"/sessions", nil)
		if listed.status != http.StatusOK || !strings.Contains(string(listed.body), sid) || !strings.Contains(string(listed.body), dana.name) {
			t.Errorf("the account's sessions: %d %s, want %s of %s", listed.status, listed.body, sid, dana.name)
		}
		elsewhere := b.api(b.settings(), http.MethodDelete, globex.path()+"/sessions/"+sid, nil)
		if elsewhere.status != http.StatusNotFound {
			t.Errorf("ending it through another account: %d %s, want 404", elsewhere.status, elsewhere.body)
		}
		b.wantAlive("ended through another account", got)
		if answer := b.api(b.settings(), http.MethodDelete, acme.path()+"/sessions/"+sid, nil); answer.status != http.StatusNoContent {
			t.Fatalf("ending the session: %d %s, want 204", answer.status, answer.body)
		}
		b.wantDead("ending the session", got)
		if !b.attempt(agent(1), login) {
			t.Error("ending one visit must leave the login usable")
		}
	})
}
