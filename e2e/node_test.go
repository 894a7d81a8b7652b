package e2e

import (
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// nodeSays is the client's first line, nodeAfter its second.
type nodeSays struct {
	Server        string         `json:"server"`
	Claims        claims         `json:"claims"`
	Access        string         `json:"access_token"`
	ID            string         `json:"id_token"`
	Refresh       string         `json:"refresh_token"`
	Userinfo      map[string]any `json:"userinfo"`
	Introspection map[string]any `json:"introspection"`
	SilentSID     string         `json:"silent_sid"`
	Renewed       struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	} `json:"renewed"`
}

type nodeAfter struct {
	Userinfo, Silent, Refresh struct {
		OK      bool   `json:"ok"`
		Error   string `json:"error"`
		Status  int    `json:"status"`
		Message string `json:"message"`
	}
	Revoked       int            `json:"revoked"` // status; Python alone says it
	Introspection map[string]any `json:"introspection"`
}

// TestACertifiedClientSignsIn: a relying app that nobody here wrote needs no
// more than the issuer to sign in, and learns at once that it is over.
func TestACertifiedClientSignsIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		for i, c := range []struct{ auth, client, secret, alg, policy string }{
			{"basic", "docs", b.env["DOCS_SECRET"], "RS256", "support-pin"},
			{"post", "docs", b.env["DOCS_SECRET"], "RS256", "temporary-login"},
			{"none", "files", "", "ES256", "two-day-pin"},
		} {
			minted := b.mint(mint{account: acme, policy: c.policy})
			who := agent(i)
			if i == 0 {
				who = sam
			}
			given := map[string]string{
				"issuer": b.issuer, "client_id": c.client, "auth": c.auth, "id_token_alg": c.alg,
				"redirect_uri": b.nodeCallback(), "scope": everyScope,
				"username": who.username, "password": staffPassword, "reason": "ticket 4711",
			}
			if c.secret != "" {
				given["client_secret"] = c.secret
			}
			if who.totp != "" {
				given["totp"] = b.env[who.totp]
			}
			if minted.PIN != "" {
				given["account"], given["pin"] = minted.Handle, minted.PIN
			} else {
				given["email"], given["temporary_password"] = minted.Email, minted.Password
			}
			node := runNode(t, "signin.mjs", given)
			first := node.first(t)
			checkNode(t, b, first, c.client, who)
			b.revoke(minted)
			checkNodeAfter(t, node.second(t), c.auth)
		}
	})
}

func checkNode(t *testing.T, b *broker, got nodeSays, client string, who person) {
	t.Helper()
	said := b.access(tokens{Access: got.Access})
	if got.Server != b.issuer || said.Client != client || got.Claims.SID != said.SID || got.Claims.Subject != said.Subject {
		t.Errorf("the client at %s has %+v for the access token %+v", got.Server, got.Claims, said)
	}
	if got.Claims.Act == nil || got.Claims.Act.Subject != "local:"+who.username || got.Claims.Act.Name != who.name {
		t.Errorf("the client's act is %+v, want %s", got.Claims.Act, who.name)
	}
	if got.Userinfo["sub"] != said.Subject {
		t.Errorf("the client's userinfo is %v", got.Userinfo)
	}
	if got.SilentSID != said.SID {
		t.Errorf("prompt=none gives session %q, want %q", got.SilentSID, said.SID)
	}
	if client == "files" {
		return
	}
	if got.Introspection["active"] != true || got.Introspection["sid"] != said.SID {
		t.Errorf("the client's introspection is %v", got.Introspection)
	}
	// What nobody can use a copy of is not replaced.
	if got.Renewed.Access == "" || got.Renewed.Refresh == "" || (got.Renewed.Refresh == got.Refresh) != (client == "partner") {
		t.Error("the client's refresh gives no new pair of tokens")
	}
}

func checkNodeAfter(t *testing.T, got nodeAfter, auth string) {
	t.Helper()
	if got.Userinfo.OK || got.Userinfo.Status != 401 {
		t.Errorf("userinfo after the revocation: %+v, want 401", got.Userinfo)
	}
	if got.Silent.OK || got.Silent.Error != "login_required" {
		t.Errorf("prompt=none after the revocation: %+v, want login_required", got.Silent)
	}
	if auth == "none" {
		return
	}
	if len(got.Introspection) != 1 || got.Introspection["active"] != false {
		t.Errorf("introspection after the revocation: %v, want active: false alone", got.Introspection)
	}
	if got.Refresh.OK || got.Refresh.Error != "invalid_grant" {
		t.Errorf("refresh after the revocation: %+v, want invalid_grant", got.Refresh)
	}
}

// first waits for a client to have signed in.
func (s *script) first(t *testing.T) nodeSays {
	t.Helper()
	var said nodeSays
	s.read(t, &said)
	return said
}

// second tells a client that the credential is revoked.
func (s *script) second(t *testing.T) nodeAfter {
	t.Helper()
	var said nodeAfter
	s.ask(t, "revoked", &said)
	s.end(t)
	return said
}

// TestACertifiedClientSignsOut: its answer is posted to it, the address of signing
// out is made by openid-client, and the logout token that comes is read by jose.
func TestACertifiedClientSignsOut(t *testing.T) {
	t.Parallel()
	b, c := startCalled(t, storetest.SQLite(t))
	b.serve()
	pin, bye := b.pin("support-pin"), strings.Replace(b.nodeCallback(), "/callback", "/bye", 1)
	node := runNode(t, "signout.mjs", map[string]string{
		"issuer": b.issuer, "client_id": "docs", "client_secret": b.docs().secret, "redirect_uri": b.nodeCallback(), "bye": bye, "scope": everyScope,
		"username": dana.username, "password": staffPassword, "account": pin.Handle, "pin": pin.PIN, "reason": "ticket 4711",
	})
	var said struct {
		SID   string            `json:"sid"`
		Left  map[string]string `json:"left"`
		After any               `json:"after"`
	}
	node.read(t, &said)
	if len(said.Left) != 1 || said.Left["state"] != "gone & away" || said.After != 401.0 || said.SID == "" {
		t.Errorf("signing out: %+v", said)
	}
	var logout struct {
		SID    string                    `json:"sid"`
		Events map[string]map[string]any `json:"events"`
		Nonce  any                       `json:"nonce"`
	}
	node.ask(t, c.next(t, "docs").token, &logout)
	if logout.SID != said.SID || logout.Nonce != nil || logout.Events["http://schemas.openid.net/event/backchannel-logout"] == nil {
		t.Errorf("the logout token: %+v, want session %s", logout, said.SID)
	}
	node.end(t)
}
