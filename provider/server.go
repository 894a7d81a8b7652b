package provider

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/scopes"
)

// The paths of the endpoints, below the issuer.
const (
	pathAuthorize  = "/authorize"
	pathPAR        = "/par"
	pathToken      = "/token"
	pathIntrospect = "/introspect"
	pathUserinfo   = "/userinfo"
	pathRevoke     = "/revoke"
	pathLogout     = "/logout"
	pathKeys       = "/jwks"
	pathMetadata   = "/.well-known/oauth-authorization-server" // RFC 8414
)

// Provider is the OpenID Provider. Every field is set before Mount.
type Provider struct {
	Issuer    string
	Clients   map[string]*Client
	Catalogue *scopes.Catalogue
	Store     credentials.Store
	Sessions  *credentials.Sessions
	Redeemer  *credentials.Redeemer
	Ring      *keys.Ring
	Requests  *keys.Sealer  // authorization requests
	Codes     *keys.Sealer  // authorization codes
	Pushes    *keys.Sealer  // pushed authorization requests
	Nonces    *keys.Sealer  // nonces of DPoP proofs; nil: proofs need none
	Access    time.Duration // lifetime of an access token, at most
	Code      time.Duration // lifetime of a code
	Now       func() time.Time
	Log       *slog.Logger

	// Browser returns the secret that binds a request to this browser, giving
	// it one when it has none.
	Browser func(w http.ResponseWriter, r *http.Request) string
	// Interact goes on with a valid request: the agent's pages. They come
	// back through Finish or Refuse.
	Interact func(w http.ResponseWriter, r *http.Request, a Request)
	// FormPost sends the browser to the request's redirect URI with a form of these
	// parameters (OAuth 2.0 Form Post Response Mode).
	FormPost func(w http.ResponseWriter, r *http.Request, a Request, params url.Values)
	// SignOut goes on with a request to sign out: the agent's pages. They come
	// back through SignedOut.
	SignOut func(w http.ResponseWriter, r *http.Request, a Logout)
	// Actor verifies an ID token of an agent, issued for this audience, that a client
	// presents. It is not asked while no client has token exchange.
	Actor func(ctx context.Context, audience, token string) (credentials.Agent, error)
	// OfClient tells the log of which client a request says that it is.
	OfClient func(ctx context.Context, id string)
	// Fail shows an error that must not be redirected.
	Fail func(w http.ResponseWriter, r *http.Request, status int, text string)

	opened opened // access tokens that were verified before
}

// Mount registers every endpoint.
func (p *Provider) Mount(r *mux.Router) {
	endpoints := op.Endpoints{
		Token:         op.NewEndpoint(pathToken),
		Introspection: op.NewEndpoint(pathIntrospect),
		Userinfo:      op.NewEndpoint(pathUserinfo),
		Revocation:    op.NewEndpoint(pathRevoke),
		JwksURI:       op.NewEndpoint(pathKeys),
	}
	h := op.RegisterServer(&server{p: p}, endpoints, op.WithServerCORSOptions(nil), op.WithDecoder(forms{}))
	h = p.guard(h)
	for _, path := range []string{pathToken, pathIntrospect, pathUserinfo, pathRevoke, pathKeys, oidc.DiscoveryEndpoint} {
		r.Handle(path, h)
	}
	r.Handle(pathMetadata, p.guard(http.HandlerFunc(p.metadata)))
	r.HandleFunc(pathAuthorize, p.authorize)
	r.Handle(pathPAR, p.guard(http.HandlerFunc(p.push)))
	r.HandleFunc(pathLogout, p.logout)
}

// KeysURI is where the keys are that everything here is signed with.
func (p *Provider) KeysURI() string { return p.Issuer + pathKeys }

// server is Provider as the library wants it. Methods that it leaves to
// UnimplementedServer are grants and endpoints that this version does not have.
type server struct {
	op.UnimplementedServer
	p *Provider
}

// Discovery implements op.Server.
func (s *server) Discovery(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	return op.NewResponse(s.p.discovery()), nil
}

// Keys implements op.Server.
func (s *server) Keys(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	return op.NewResponse(s.p.Ring.Public()), nil
}
