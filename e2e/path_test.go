package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestThePath is the whole story once: a product mints, an agent with a second
// factor signs in, an app gets tokens that say everything, the owner revokes,
// and in the very next request each of the four doors is shut.
func TestThePath(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		pin := b.mint(mint{account: acme, policy: "support-pin", scopes: []string{"documents.read"}})
		w := b.browser()
		began := time.Now()
		v, code := w.signIn(b.docs(), sam, pin)
		got := v.exchange(code)

		access := b.access(got)
		id := b.verify(got.ID, jose.RS256, "")
		checkAccess(t, b, access, pin, began)
		checkIDToken(t, b, id, access, v)
		checkUserinfo(t, b, got, access)
		checkIntrospection(t, b, got, access)

		silent := b.authorize(b.docs(), "prompt", "none")
		w.open(silent.url())
		if w.callback.Get("code") == "" {
			t.Errorf("prompt=none during the session: %v, want a code", w.callback)
		}

		b.revoke(pin)
		b.wantDead("after the revocation", got)
		silent = b.authorize(b.docs(), "prompt", "none")
		w.open(silent.url())
		if w.callback.Get("error") != "login_required" || w.callback.Get("state") != silent.state {
			t.Errorf("prompt=none after the revocation: %v, want login_required", w.callback)
		}
		b.stop()
	})
}

func checkAccess(t *testing.T, b *broker, c claims, minted credential, began time.Time) {
	t.Helper()
	now := time.Now().Unix()
	for what, ok := range map[string]bool{
		"iss is the issuer":                  c.Issuer == b.issuer,
		"sub is a guest":                     strings.HasPrefix(c.Subject, "guest:") && len(c.Subject) > len("guest:"),
		"aud is the app's audience":          len(c.Audience) == 1 && c.Audience[0] == docsAudience,
		"client_id is the app":               c.Client == "docs",
		"iat is now":                         c.Issued >= began.Unix() && c.Issued <= now,
		"exp is at most tokens.access later": c.Expires > now && c.Expires <= c.Issued+300,
		"auth_time is the agent's sign-in":   c.AuthTime >= began.Unix() && c.AuthTime <= now,
		"jti and sid are there and differ":   c.ID != "" && c.SID != "" && c.ID != c.SID,
		"acr and amr are there":              c.ACR != "" && len(c.AMR) > 0,
		"scope has what was lent, no more":   c.lent() == "documents.read",
		"scope has openid":                   c.has("openid"),
		"act is there":                       c.Act != nil,
		"account is there":                   c.Account != nil,
		"support is there":                   c.Support != nil,
	} {
		if !ok {
			t.Errorf("access token: not so: %s: %+v", what, c)
		}
	}
	if c.Act == nil || c.Account == nil || c.Support == nil {
		t.FailNow()
	}
	if c.Act.Subject != "local:sam" || c.Act.Issuer != b.issuer || c.Act.Name != sam.name {
		t.Errorf("act is %+v, want Sam of the broker's own people", *c.Act)
	}
	if c.Account.ID != acme.id || c.Account.Name != acme.name {
		t.Errorf("account is %+v, want %+v", *c.Account, acme)
	}
	ends := c.Support.EndsAt
	if c.Support.Credential != minted.ID || c.Support.Policy != "support-pin" {
		t.Errorf("support is %+v, want credential %s of support-pin", *c.Support, minted.ID)
	}
	if ends.Location() != time.UTC || ends.Unix() < c.Expires || ends.After(time.Now().Add(30*time.Minute)) {
		t.Errorf("support.ends_at is %v: not UTC, before exp %d, or later than the session's 30 minutes", ends, c.Expires)
	}
}

func checkIDToken(t *testing.T, b *broker, id, access claims, v visit) {
	t.Helper()
	if id.Issuer != b.issuer || id.Subject != access.Subject || len(id.Audience) != 1 || id.Audience[0] != "docs" {
		t.Errorf("ID token is by %q, of %q, for %v", id.Issuer, id.Subject, id.Audience)
	}
	if id.Nonce != v.nonce {
		t.Errorf("ID token's nonce is %q, want %q", id.Nonce, v.nonce)
	}
	if id.SID != access.SID || id.AuthTime != access.AuthTime {
		t.Errorf("ID token's sid and auth_time are %q and %d, want %q and %d", id.SID, id.AuthTime, access.SID, access.AuthTime)
	}
	if id.Act == nil || id.Account == nil || id.Support == nil {
		t.Fatalf("ID token lacks act, account or support: %+v", id)
	}
	if *id.Act != *access.Act || *id.Account != *access.Account || id.Support.Credential != access.Support.Credential {
		t.Errorf("ID token and access token differ: %+v %+v %+v", *id.Act, *id.Account, *id.Support)
	}
	if id.Verified != nil && id.Verified != false {
		t.Errorf("a guest's email_verified is %v", id.Verified)
	}
	if id.Expires > id.Support.EndsAt.Unix() {
		t.Errorf("ID token expires at %d, after the session at %v", id.Expires, id.Support.EndsAt)
	}
}

func checkUserinfo(t *testing.T, b *broker, got tokens, access claims) {
	t.Helper()
	answer := b.userinfo(got.Access)
	if answer.status != http.StatusOK || answer.field("sub") != access.Subject {
		t.Errorf("userinfo: %d %s, want 200 and sub %s", answer.status, answer.body, access.Subject)
	}
	if cache := answer.header.Get("Cache-Control"); !strings.Contains(cache, "no-store") {
		t.Errorf("userinfo's Cache-Control is %q, want no-store", cache)
	}
}

func checkIntrospection(t *testing.T, b *broker, got tokens, access claims) {
	t.Helper()
	var said struct {
		claims
		Active bool `json:"active"`
	}
	answer := b.introspect(b.docs(), got.Access)
	answer.decode(t, &said)
	if answer.status != http.StatusOK || !said.Active {
		t.Fatalf("introspection: %d %s, want active", answer.status, answer.body)
	}
	if said.Subject != access.Subject || said.SID != access.SID || said.Scope != access.Scope ||
		said.Client != access.Client || said.Expires != access.Expires {
		t.Errorf("introspection says %s, the token %+v", answer.body, access)
	}
	// Another product's app learns nothing of this token.
	other := b.introspect(b.metrics(), got.Access)
	if other.status != http.StatusOK || strings.TrimSpace(string(other.body)) != `{"active":false}` {
		t.Errorf("introspection by another audience: %d %s, want exactly {\"active\":false}", other.status, other.body)
	}
}
