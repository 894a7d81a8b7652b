package provider_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
)

// grantUnderTest prepares a request that would be answered with tokens, for
// documents.read and documents.write.
type grantUnderTest struct {
	name   string
	opened bool // there is a session before the request is sent
	ready  func(d *desk) (client string, f url.Values)
}

func allGrants() []grantUnderTest {
	const asked = "documents.read documents.write" // openid alone would be left over, and is nothing that is lent
	session := func(d *desk) credentials.Session { return d.open("short", "documents.read", "documents.write") }
	return []grantUnderTest{
		{"code", true, func(d *desk) (string, url.Values) {
			return "docs", d.exchange("docs", d.code("docs", session(d), "scope", asked))
		}},
		{"refresh", true, func(d *desk) (string, url.Values) {
			got := d.tokens("docs", session(d), "scope", asked)
			return "docs", form("grant_type", "refresh_token", "refresh_token", got.text("refresh_token"))
		}},
		{"refresh after an exchange", true, func(d *desk) (string, url.Values) {
			got := d.granted("console", d.byPIN(d.mint("short", "documents.read", "documents.write")))
			return "console", form("grant_type", "refresh_token", "refresh_token", got.text("refresh_token"))
		}},
		{"PIN", false, func(d *desk) (string, url.Values) {
			return "console", d.byPIN(d.mint("short", "documents.read", "documents.write"))
		}},
		{"PIN sent again", true, func(d *desk) (string, url.Values) {
			f := d.byPIN(d.mint("short", "documents.read", "documents.write"))
			d.granted("console", f)
			return "console", f
		}},
		{"access token", true, func(d *desk) (string, url.Values) {
			got := d.tokens("docs", session(d), "scope", asked)
			return "docs-back", d.byToken(got.text("access_token"), "audience", consoleAPI)
		}},
	}
}

// change is something that happens between the preparation and the request.
type change struct {
	name   string
	before bool // it needs no session
	do     func(d *desk)
}

func ends() []change {
	ctx := context.Background()
	owner := credentials.Mark{Who: "owner", ID: "olivia"}
	agents := func(d *desk) []string {
		return []string{credentials.Person(d.corp.URL, "sam"), credentials.Person("https://sso.example", "sam")}
	}
	return []change{
		{"everything was revoked", true, func(d *desk) { must(d, d.store.Revoke(ctx, "acme", "", owner)) }},
		{"the credential was revoked", true, func(d *desk) {
			all, err := d.store.Credentials(ctx, "acme", credentials.Page{Limit: 1})
			must(d, err)
			must(d, d.store.Revoke(ctx, "acme", all[0].ID, owner))
		}},
		{"the agent signed out", false, func(d *desk) {
			err := d.p.Sessions.End(ctx, d.sessions()[0].ID, credentials.CauseSignedOut, credentials.Mark{Who: "agent"})
			must(d, err)
		}},
		{"the agent was suspended", true, func(d *desk) {
			stranger := form("grant_type", grantExchange, "subject_token_type", typePIN, "subject_token", "nobody:000000", "actor_token", d.actor(nil), "actor_token_type", typeID)
			d.refused("to be known", "console", stranger, "invalid_grant")
			for _, id := range agents(d) {
				err := d.store.Suspend(ctx, id, true, credentials.Mark{Who: "operator"})
				if err != nil && err != credentials.ErrNotFound { //nolint:errorlint // as it is returned
					d.Fatal(err)
				}
			}
		}},
		{"it was idle", false, func(d *desk) { d.pass(11 * time.Second) }},
		{"its time was over", false, func(d *desk) { d.pass(21 * time.Second) }},
		{"the credential had expired", true, func(d *desk) { d.pass(31 * time.Second) }},
		{"nothing may be lent any more", true, func(d *desk) { d.lend(func(*scopes.Scope) bool { return true }) }},
		{"the clients may have nothing any more", true, func(d *desk) {
			for _, c := range d.p.Clients {
				c.Scopes = scopes.Patterns{"settings.write"}
			}
		}},
		{"the client lost the grant", true, func(d *desk) {
			for _, c := range d.p.Clients {
				c.Grants = []string{"client_credentials"}
			}
		}},
		{"the client is gone", true, func(d *desk) {
			for id := range d.p.Clients {
				if id != "settings" {
					delete(d.p.Clients, id)
				}
			}
		}},
	}
}

// lend exchanges the catalogue for one in which some scopes are never lent.
func (d *desk) lend(never func(*scopes.Scope) bool) {
	list := d.p.Catalogue.All()
	for i := range list {
		if never(&list[i]) {
			list[i].Kind = scopes.Billing
		}
	}
	c, err := scopes.NewCatalogue(list, nil)
	must(d, err)
	d.p.Catalogue = c
}

func (d *desk) send(client string, f url.Values, secret string) reply {
	r := plainPost("/token", f)
	r.SetBasicAuth(client, secret)
	return d.serve(r)
}

// TestEveryGrantObeysEveryEnd: whatever has happened, no grant gives a token any
// more. The same preparation without it gives one, so nothing is refused for
// another reason.
func TestEveryGrantObeysEveryEnd(t *testing.T) {
	t.Parallel()
	for _, g := range allGrants() {
		for _, c := range append(ends(), change{"nothing", true, func(*desk) {}}) {
			if !g.opened && !c.before {
				continue
			}
			t.Run(g.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, withShort)
				d.minter.Policies = append(d.minter.Policies, short())
				client, f := g.ready(d)
				secret := d.p.Clients[client].Secret
				c.do(d)
				r := d.send(client, f, secret)
				if given := r.text("access_token") != ""; given != (c.name == "nothing") {
					t.Errorf("%d %s", r.Code, r.Body)
				}
				if r.Code >= http.StatusInternalServerError {
					t.Errorf("%d %s", r.Code, r.Body)
				}
			})
		}
	}
}

// TestEveryGrantNarrows: what the configuration takes away is in no token that is
// issued from then on.
func TestEveryGrantNarrows(t *testing.T) {
	t.Parallel()
	for _, g := range allGrants() {
		for name, take := range map[string]func(d *desk){
			"the clients may not have it": func(d *desk) {
				for _, c := range d.p.Clients {
					c.Scopes = scopes.Patterns{"documents.read"}
				}
			},
			"it is never lent": func(d *desk) { d.lend(func(s *scopes.Scope) bool { return s.Name == "documents.write" }) },
		} {
			t.Run(g.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, withShort)
				d.minter.Policies = append(d.minter.Policies, short())
				client, f := g.ready(d)
				take(d)
				r := d.granted(client, f)
				claims := d.claims(r.text("access_token"), keys.ForAccess, keys.TypAccess)
				got := strings.Fields(claims["scope"].(string))
				if slices.Contains(got, "documents.write") || !slices.Contains(got, "documents.read") || r.text("scope") != claims["scope"] {
					t.Errorf("scopes %v", got)
				}
			})
		}
	}
}

// short is a PIN whose session is over long before its tokens.
func short() credentials.Policy {
	return credentials.Policy{ID: "short", Kind: credentials.PIN, Digits: 6, Uses: 1, Tries: 5, Session: 20 * time.Second, Idle: 10 * time.Second,
		RedeemWithin: []time.Duration{30 * time.Second}, RedeemDefault: 30 * time.Second, Scopes: []string{"documents.read", "documents.write"}}
}

// withShort lets codes live longer than such a session.
func withShort(p *provider.Provider) { p.Code = 5 * time.Minute }
