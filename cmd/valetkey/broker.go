package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/api"
	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/owner"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/internal/staff"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/revocation"
	"github.com/valetkey/valetkey/templates"
)

// broker is everything that serves, wired together.
type broker struct {
	cfg      *config.Config
	rules    rules
	secrets  *keys.Secrets
	store    *store.Store
	hasher   *credentials.Hasher
	sessions *credentials.Sessions
	pages    *web.Pages
	cookies  *web.Cookies
	provider *provider.Provider
	endings  *revocation.Log
	receipts *revocation.Receipts
	feed     *revocation.Feed
	signals  *revocation.SSF
	owners   []connectors.Connector
	agents   []connectors.Connector
	log      *slog.Logger
}

// newBroker opens the database and wires everything. The caller closes the
// store.
func newBroker(ctx context.Context, cfg *config.Config, r rules, log *slog.Logger) (*broker, error) {
	b := &broker{cfg: cfg, rules: r, log: log}
	var err error
	if b.pages, err = wirePages(cfg, log); err != nil {
		return nil, err
	}
	if b.secrets, err = loadSecrets(cfg); err != nil {
		return nil, err
	}
	auto := cfg.Migrate == "auto" || cfg.Database.SQLite != ""
	if auto && cfg.DatabaseDirect != cfg.Database {
		if _, err := store.Migrate(ctx, dsn(cfg.DatabaseDirect), true); err != nil {
			return nil, err
		}
		auto = false
	}
	o := storeOptions(cfg, b.secrets)
	o.Serve, o.Migrate, o.Log = true, auto, log
	if b.store, err = store.Open(ctx, o); err != nil {
		return nil, err
	}
	b.endings = revocation.NewLog(b.store, cfg.Poll, now, log)
	b.receipts = revocation.NewReceipts(b.store, b.endings, log)
	b.feed = revocation.NewFeed(b.endings, b.receipts, log)
	b.hasher = credentials.NewHasher(b.secrets.Pepper())
	b.wireConnectors()
	b.sessions = &credentials.Sessions{Store: b.store, Now: now}
	b.cookies = &web.Cookies{Sealer: b.secrets.Sealer("cookie"), Insecure: cfg.Insecure()}
	if b.provider, err = b.wireProvider(ctx); err != nil {
		b.store.Close()
		return nil, err
	}
	b.signals = b.wireSignals()
	return b, nil
}

func wirePages(cfg *config.Config, log *slog.Logger) (*web.Pages, error) {
	p := &web.Pages{Log: log}
	var err error
	if logo := string(cfg.Brand.Logo); logo != "" {
		if p.Logo, err = os.ReadFile(filepath.Clean(logo)); err != nil {
			p.Logo = nil // said so by a warning
		}
	}
	p.Set, err = templates.New(templates.Brand{Product: cfg.Brand.Product, Support: cfg.Brand.Support,
		Accent: cfg.Brand.Accent, Help: cfg.Brand.Help, Logo: p.Logo != nil})
	return p, err
}

func (b *broker) wireProvider(ctx context.Context) (*provider.Provider, error) {
	p := &provider.Provider{
		Issuer: b.cfg.Issuer, Clients: wireClients(b.cfg, b.rules.keys), Catalogue: b.rules.catalogue, Store: b.store, Sessions: b.sessions,
		Requests: b.secrets.Sealer("authorization request"), Codes: b.secrets.Sealer("authorization code"),
		Pushes: b.secrets.Sealer("pushed request"),
		Access: b.cfg.Tokens.Access, Code: b.cfg.Tokens.Code, Now: now, Log: b.log,
		Browser: b.cookies.Browser, OfClient: web.OfClient, Fail: b.pages.Fail, Redeemer: b.redeemer(), Actor: b.exchangeActor,
	}
	if b.cfg.Tokens.DPoPNonce {
		p.Nonces = b.secrets.Sealer("DPoP nonce")
	}
	p.FormPost = func(w http.ResponseWriter, r *http.Request, a provider.Request, params url.Values) {
		b.pages.FormPost(w, r, a.RedirectURI, p.Clients[a.Client].Name, params)
	}
	var err error
	p.Ring, err = b.store.Ring(ctx, b.idAlgs(p))
	return p, err
}

// idAlgs are the algorithms that need a key for ID tokens, for the logout tokens
// of apps that have none, or for security events, which are always RS256.
func (b *broker) idAlgs(p *provider.Provider) []string {
	out := p.IDTokenAlgs()
	for _, c := range b.cfg.Clients {
		if c.BackchannelLogoutURI != "" {
			out = append(out, c.IDTokenAlg)
		}
		if c.MayAPI("endings.read") || c.MayAPI("ssf.read") || c.MayAPI("ssf.manage") {
			out = append(out, "RS256")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// rotation is the job that keeps the signing keys.
func (b *broker) rotation() *store.Rotation {
	return &store.Rotation{Store: b.store, Ring: b.provider.Ring, Every: b.cfg.Keys.Rotate, IDAlgs: b.idAlgs(b.provider), OnChange: b.feed.Keys}
}

// router is the whole surface.
func (b *broker) router() *mux.Router {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	r.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	b.pages.Mount(r)
	agents := b.wireStaff()
	b.provider.Interact, b.provider.SignOut = agents.Begin, agents.SignOut
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the library announces every route
	b.provider.Mount(r)
	slog.SetDefault(b.log)
	agents.Mount(r)
	if len(b.owners) > 0 {
		b.wireOwner().Mount(r)
	}
	b.wireAPI().Mount(r)
	r.PathPrefix(credentials.StatusPath).Handler(b.wireStatusLists())
	signals := b.signals.Handler()
	r.Path(revocation.SSFMetadata).Handler(signals)
	r.PathPrefix(revocation.SSFPath).Handler(signals)
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b.pages.Fail(w, req, http.StatusNotFound, "There is nothing at this address.")
	})
	r.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b.pages.Fail(w, req, http.StatusMethodNotAllowed, "This address is not used that way.")
	})
	return r
}

// endUnknown ends the sessions of people who are not in the configuration any
// more: local people who were taken out, and everybody of a connector that was.
func (b *broker) endUnknown(ctx context.Context) error {
	return b.store.EndUnknown(ctx, func(a credentials.Agent) bool {
		for _, c := range b.agents {
			if c.About().ID != a.Connector {
				continue
			}
			if local, is := c.(*connectors.Local); is {
				return local.Still(connectors.Proof{Issuer: a.Issuer, Subject: a.Subject})
			}
			return c.(*connectors.OIDC).Issuer == a.Issuer
		}
		return false
	})
}

func (b *broker) wireStaff() *staff.Handler {
	return &staff.Handler{
		Provider: b.provider, Redeemer: b.redeemer(), Sessions: b.sessions,
		Store: b.store, Catalogue: b.rules.catalogue, Pages: b.pages, Cookies: b.cookies,
		Answers: b.secrets.Sealer("verification"), Now: now, Log: b.log, PolicyName: b.minter().PolicyName,
		Holder: slices.ContainsFunc(b.rules.policies, func(p credentials.Policy) bool { return p.Holder }),
		Door: &signin.Door{Cookie: "agent", Path: agentDoor, Connectors: b.agents, Life: agentLife, Pages: b.pages, Cookies: b.cookies,
			Proofs: b.secrets.Sealer("sign-in proof"), Trips: b.secrets.Sealer("sign-in trip"), Now: now, Log: b.log,
			Refused: "Your account is not one of those that may give support."},
	}
}

// wireLogouts is what calls apps back when a session has ended.
func (b *broker) wireLogouts(count func(outcome string)) *revocation.Logouts {
	l := &revocation.Logouts{Store: b.store, URIs: map[string]string{}, Token: b.provider.LogoutToken, Count: count, Now: now, Log: b.log,
		Wake: func() <-chan struct{} {
			_, changed := b.endings.View()
			return changed
		}}
	for _, c := range b.cfg.Clients {
		if c.BackchannelLogoutURI != "" {
			l.URIs[c.ID] = c.BackchannelLogoutURI
		}
	}
	return l
}

func (b *broker) wireOwner() *owner.Handler {
	pages := *b.pages
	pages.Set, pages.Live = b.pages.Set.Owners(), true
	h := &owner.Handler{
		Issuer: b.cfg.Issuer, Minter: b.minter(), Sessions: b.sessions, Reader: b.store, Catalogue: b.rules.catalogue,
		May: map[string]owner.May{}, Apps: map[string]string{}, Connectors: map[string]string{},
		Pages: &pages, Cookies: b.cookies, Now: now, Log: b.log,
		Door: &signin.Door{Cookie: "owner", Path: ownerDoor, Connectors: b.owners, Life: owner.CookieLife, Idle: owner.CookieIdle,
			Pages: &pages, Cookies: b.cookies, Proofs: b.secrets.Sealer("owner sign-in proof"), Trips: b.secrets.Sealer("owner sign-in trip"),
			Now: now, Log: b.log, Refused: "Your account is not one of those that may let support in."},
	}
	for _, o := range b.cfg.Owners {
		h.May[o.ID] = owner.May{Rules: wireMay(o.May), Limited: o.MayPresent}
	}
	for _, c := range b.cfg.Clients {
		h.Apps[c.ID] = c.Name
	}
	for _, a := range b.cfg.Agents {
		h.Connectors[a.ID] = a.Name
	}
	return h
}

func (b *broker) minter() *credentials.Minter {
	return &credentials.Minter{Store: b.store, Hasher: b.hasher, Catalogue: b.rules.catalogue, Policies: b.rules.policies}
}

func (b *broker) redeemer() *credentials.Redeemer {
	return &credentials.Redeemer{Store: b.store, Hasher: b.hasher}
}

func (b *broker) wireAPI() *api.Handler {
	h := &api.Handler{
		Minter:   b.minter(),
		Redeemer: b.redeemer(), Sessions: b.sessions, Store: b.store, Reader: b.store, Connectors: map[string]api.Connector{},
		Authenticate: b.apiCaller, Feed: b.feed, Cursors: b.secrets.Sealer("api cursor"), Now: now, Log: b.log,
	}
	for _, o := range b.cfg.Owners {
		c := api.Connector{ID: o.ID, Allow: wireClaims(o.Allow), May: wireMay(o.May), Limited: o.MayPresent}
		if o.OIDC != nil {
			c.Issuer = o.OIDC.Issuer
		}
		h.Connectors[o.ID] = c
	}
	h.OwnerToken, h.ActorToken = b.ownerToken, b.actorToken
	return h
}

func (b *broker) apiCaller(r *http.Request, token string, dpop bool) (api.Caller, error) {
	t, err := b.provider.OpenAPIRequest(r, token, dpop)
	var holder *provider.HolderError
	if err != nil && !errors.Is(err, provider.ErrAPIToken) && !errors.As(err, &holder) {
		return api.Caller{}, api.ErrUndecided // and has been logged
	}
	if err != nil {
		return api.Caller{}, err
	}
	caller := api.Caller{Client: t.Client.ID, Audience: t.Client.Audience, Scopes: t.Scope, Expires: t.Expires}
	for _, configured := range b.cfg.Clients {
		if configured.ID == t.Client.ID {
			caller.Owners, caller.OwnerProof, caller.OwnerAudience = configured.Owners, configured.OwnerProof, configured.OwnerAudience
			caller.ActorAudience = configured.ActorAudience
		}
	}
	return caller, nil
}
