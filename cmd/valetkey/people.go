package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/api"
	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/templates"
)

// Where each population proves who they are.
const (
	agentDoor = "/sign-in"
	ownerDoor = templates.OwnerPath + "/sign-in"
)

// agentLife is how long a browser remembers who its agent is. To redeem, the
// proof must be newer than the connector's max_age, whatever this says.
const agentLife = 8 * time.Hour

// wireConnectors makes the ways in which owners and agents prove who they are.
func (b *broker) wireConnectors() {
	tries := &connectors.Tries{Now: now}
	for _, a := range b.cfg.Agents {
		if a.OIDC != nil {
			c := wireOIDC(b.cfg, a.Connector, agentDoor)
			c.MaxAge = a.MaxAge
			b.agents = append(b.agents, c)
			continue
		}
		local := b.wireLocal(a.Connector, tries)
		local.MaxAge = a.MaxAge
		for _, p := range a.Local {
			local.People = append(local.People, wirePerson(p))
		}
		b.agents = append(b.agents, local)
	}
	for _, o := range b.cfg.Owners {
		if o.OIDC != nil {
			c := wireOIDC(b.cfg, o.Connector, ownerDoor)
			c.Account = connectors.AccountClaims{ID: o.Account.ID, Name: o.Account.Name, Handle: o.Account.Handle}
			c.Keep = b.judged(o)
			b.owners = append(b.owners, c)
			continue
		}
		local := b.wireLocal(o.Connector, tries)
		for _, p := range o.Local {
			person := wirePerson(p.Person)
			person.Account = credentials.Account{ID: p.Account.ID, Name: p.Account.Name, Handle: p.Account.Handle}
			local.People = append(local.People, person)
		}
		b.owners = append(b.owners, local)
	}
}

// judged lists the claims of owners that rules beyond allow look at.
func (b *broker) judged(o config.OwnerConnector) (out []string) {
	for _, rule := range o.May {
		out = append(out, rule.Claim)
	}
	for _, p := range b.rules.policies {
		for _, rule := range p.Mint {
			out = append(out, rule.Claim)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (b *broker) wireLocal(c config.Connector, tries *connectors.Tries) *connectors.Local {
	return &connectors.Local{ID: c.ID, Name: c.Name, Issuer: b.cfg.Issuer, Allow: wireClaims(c.Allow),
		Hasher: b.hasher, Tries: tries, OTP: b.store, Now: now}
}

func wireOIDC(cfg *config.Config, c config.Connector, door string) *connectors.OIDC {
	return &connectors.OIDC{ID: c.ID, Name: c.Name, Issuer: c.OIDC.Issuer, ClientID: c.OIDC.ClientID,
		ClientSecret: credentials.NewSecret(c.OIDC.ClientSecret.Reveal()), Scopes: c.OIDC.Scopes, Params: c.OIDC.Params,
		UserInfo: c.OIDC.ClaimsFrom == "userinfo", RedirectURI: returnTo(cfg, door, c.ID), Allow: wireClaims(c.Allow), Now: now}
}

// returnTo is the redirect URI to register for a connector at its issuer.
func returnTo(cfg *config.Config, door, connector string) string {
	return cfg.Issuer + signin.ReturnPath(door, connector)
}

func wirePerson(p config.Person) connectors.Person {
	return connectors.Person{Username: p.Username, Name: p.Name, Email: p.Email, Claims: p.Claims,
		PasswordHash: p.PasswordHash.Reveal(), TOTP: p.TOTP.Reveal()}
}

// ownerToken verifies an ID token of an owner that a client presents.
func (b *broker) ownerToken(ctx context.Context, connector, audience, token string) (api.OwnerProof, error) {
	for _, c := range b.owners {
		if c, is := c.(*connectors.OIDC); is && c.ID == connector {
			claims, err := c.Verify(ctx, audience, token)
			if errors.Is(err, connectors.ErrIDToken) {
				err = fmt.Errorf("%w: %w", api.ErrOwnerToken, err)
			}
			return api.OwnerProof{Subject: claims.Subject, Account: claims.Account, Claims: claims.All}, err
		}
	}
	return api.OwnerProof{}, api.ErrOwnerToken
}

// exchangeActor is actorToken for token exchange.
func (b *broker) exchangeActor(ctx context.Context, audience, token string) (credentials.Agent, error) {
	agent, err := b.actorToken(ctx, audience, token)
	if errors.Is(err, api.ErrActorToken) {
		err = fmt.Errorf("%w: %w", provider.ErrActorToken, err)
	}
	return agent, err
}

// actorToken verifies an ID token of an agent that a client presents.
func (b *broker) actorToken(ctx context.Context, audience, token string) (credentials.Agent, error) {
	issuer := connectors.IssuerOf(token)
	for _, c := range b.agents {
		if c, is := c.(*connectors.OIDC); is && c.Issuer == issuer {
			p, err := c.Actor(ctx, audience, token)
			if errors.Is(err, connectors.ErrIDToken) || errors.Is(err, connectors.ErrNotAllowed) {
				err = fmt.Errorf("%w: %w", api.ErrActorToken, err)
			}
			return p.Agent(), err
		}
	}
	return credentials.Agent{}, api.ErrActorToken
}
