package main

import (
	"fmt"
	"os"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
)

// rules is what the configuration means to package credentials.
type rules struct {
	catalogue *scopes.Catalogue
	policies  []credentials.Policy
	keys      clientKeys
}

// wireRules turns configuration into rules. What the rules refuse becomes a
// problem with the line of the configuration.
func wireRules(cfg *config.Config) (rules, config.Problems) {
	var problems config.Problems
	for _, c := range cfg.Clients {
		if c.Subject == "owner" && len(cfg.Owners) > 1 {
			problems = append(problems, cfg.Problem("clients["+c.ID+"].subject", "cannot be owner with several owners connectors: two of their people may have the same subject"))
		}
	}
	keys, more := wireKeys(cfg)
	problems = append(problems, more...)
	list := make([]scopes.Scope, 0, len(cfg.Scopes))
	for _, s := range cfg.Scopes {
		list = append(list, scopes.Scope{Name: s.Name, Label: s.Label, Kind: scopes.Kind(s.Kind)})
	}
	catalogue, err := scopes.NewCatalogue(list, cfg.Never)
	if err != nil {
		return rules{}, append(problems, cfg.Problem("scopes", "%s", err))
	}
	out := rules{catalogue: catalogue, keys: keys}
	if logo := string(cfg.Brand.Logo); logo != "" {
		if _, err := os.Stat(logo); err != nil { // support must not stop for want of a picture
			cfg.Warnings = append(cfg.Warnings, cfg.Problem("brand.logo", "cannot be read, so pages go without it; name an image file, or remove it"))
		}
	}
	for _, p := range cfg.Policies {
		policy := wirePolicy(p)
		before := len(problems)
		for i, name := range p.Scopes {
			if !catalogue.Lendable(name) {
				problems = append(problems, cfg.Problem(fmt.Sprintf("policies.%s.scopes[%d]", p.ID, i), "is never lent: its kind, or the never list, forbids it; take it out of the policy"))
			}
		}
		if len(problems) > before {
			continue
		}
		if err := policy.Check(catalogue); err != nil {
			problems = append(problems, cfg.Problem("policies."+p.ID, "%s", err))
		}
		out.policies = append(out.policies, policy)
	}
	return out, problems
}

func wirePolicy(p config.Policy) credentials.Policy {
	return credentials.Policy{
		ID: p.ID, Name: p.Name, Kind: credentials.Kind(p.Kind), Mint: wireClaims(p.Mint), Digits: p.Digits,
		RedeemWithin: p.RedeemWithin.Choices, RedeemDefault: p.RedeemWithin.Default,
		Uses: p.Uses.N, Tries: p.Tries, Session: p.Session, Idle: p.Idle, Scopes: p.Scopes,
		ContactBound: p.Contact == "bound", EmailDomain: p.EmailDomain, Holder: p.Agent == "holder",
	}
}

func wireClaims(list config.ClaimRules) []credentials.ClaimRule {
	out := make([]credentials.ClaimRule, 0, len(list))
	for _, r := range list {
		out = append(out, credentials.ClaimRule{Claim: r.Claim, Values: r.Values})
	}
	return out
}

func wireMay(list config.MayRules) []credentials.MayRule {
	out := make([]credentials.MayRule, 0, len(list))
	for _, r := range list {
		out = append(out, credentials.MayRule{Claim: r.Claim, Value: r.Value, Scopes: r.Scopes})
	}
	return out
}

func wireClients(cfg *config.Config, keys clientKeys) map[string]*provider.Client {
	out := make(map[string]*provider.Client, len(cfg.Clients))
	for _, c := range cfg.Clients {
		out[c.ID] = &provider.Client{
			ID: c.ID, Name: c.Name, Secret: c.Secret.Reveal(), Public: c.Public, RedirectURIs: c.RedirectURIs,
			AfterLogout: c.PostLogoutRedirectURIs,
			Audience:    c.Audience, Scopes: scopes.Patterns(c.Scopes), Grants: c.Grants, API: c.API,
			Subject: c.Subject, Claims: c.Claims, IDTokenAlg: c.IDTokenAlg, Origins: c.Origins, NoPKCE: !c.Require.PKCE,
			ActorAudience: c.ActorAudience,
			Keys:          keys[c.ID], RequirePAR: c.Require.PAR, RequireDPoP: c.Require.DPoP,
		}
	}
	return out
}

// storeOptions is how every command opens the database: whoever ends a session
// must know which apps are to be told, and for how long.
func storeOptions(cfg *config.Config, secrets *keys.Secrets) store.Options {
	o := store.Options{DSN: dsn(cfg.Database), Secrets: secrets, Pooled: cfg.DatabaseDirect != cfg.Database,
		Access: cfg.Tokens.Access, Clients: make(map[string]store.Client, len(cfg.Clients)), Now: now}
	for _, c := range cfg.Clients {
		o.Clients[c.ID] = store.Client{Enforces: credentials.Enforces(c.Enforces), Logout: c.BackchannelLogoutURI != ""}
	}
	return o
}

// now is the clock of the whole program.
func now() time.Time { return time.Now() }
