package e2e

import (
	"maps"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// partner proves itself by a key, and asks for nothing else that is unusual.
const partner = `
  - id: partner
    name: Northwind Partner
    jwks_file: bank.jwks
    redirect_uris: ["http://127.0.0.1:4714/callback"]
    audience: ` + docsAudience + `
    scopes: ["documents.*"]
    grants: [authorization_code, refresh_token]
    enforces: introspection
    id_token_alg: ES256
`

// TestAPythonAppSignsIn: Authlib, in each way that an app can prove itself, with
// the answer in the address and in a form that is posted.
func TestAPythonAppSignsIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := startWith(t, dsn, partner)
		for i, c := range []struct {
			auth, policy, alg string
			app               app
			more              map[string]any
		}{
			{"client_secret_basic", "support-pin", "RS256", b.docs(), map[string]any{"form_post": true}},
			{"client_secret_post", "temporary-login", "RS256", b.docs(), nil},
			{"none", "two-day-pin", "ES256", b.files(), nil},
			{"private_key_jwt", "temporary-login", "ES256", app{id: "partner", callback: "http://127.0.0.1:4714/callback"}, map[string]any{"key": bankKey()}},
		} {
			minted, who := b.mint(mint{account: acme, policy: c.policy}), agent(i)
			given := map[string]any{
				"issuer": b.issuer, "client_id": c.app.id, "auth": c.auth, "id_token_alg": c.alg, "redirect_uri": c.app.callback, "scope": everyScope,
				"username": who.username, "password": staffPassword, "reason": "ticket 4711",
			}
			maps.Copy(given, c.more)
			if c.app.secret != "" {
				given["client_secret"] = c.app.secret
			}
			if minted.PIN != "" {
				given["account"], given["pin"] = minted.Handle, minted.PIN
			} else {
				given["email"], given["temporary_password"] = minted.Email, minted.Password
			}
			py := runPython(t, "signin.py", given)
			checkNode(t, b, py.first(t), c.app.id, who)
			b.revoke(minted)
			after := py.second(t)
			checkNodeAfter(t, after, map[bool]string{true: "none"}[c.auth == "none"])
			if c.auth != "none" && after.Revoked != 200 {
				t.Errorf("%s: revoking what is over: %d", c.auth, after.Revoked)
			}
		}
	})
}
