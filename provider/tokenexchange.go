package provider

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/scopes"
)

// typePIN is the subject_token_type of an account handle and PIN.
const typePIN oidc.TokenType = "urn:valetkey:params:oauth:token-type:support-pin" //nolint:gosec // a name

// The library refuses types that are not in its list, which is a variable of its
// own: it is extended once, before anything is served.
func init() { oidc.AllTokenTypes = append(oidc.AllTokenTypes, typePIN) }

// ErrActorToken is what [Provider.Actor] returns for an ID token that does not
// prove who the agent is. Any other error means that it could not be judged.
var ErrActorToken = errors.New("the agent's ID token is not valid")

// Bounds of what a subject_token may hold, in bytes.
const (
	maxHandle = 200
	maxPIN    = 40
)

type exchangeRequest = op.ClientRequest[oidc.TokenExchangeRequest]

// TokenExchange implements op.Server (RFC 8693): an account and PIN with the
// agent's ID token, or a live access token for another app. A subject_token or
// actor_token that is none is invalid_request (section 2.2.2); what the rules say
// about a PIN is invalid_grant.
func (s *server) TokenExchange(ctx context.Context, r *exchangeRequest) (*op.Response, error) {
	p, c := s.p, r.Client.(opClient).Client
	if t := r.Data.RequestedTokenType; t != "" && t != oidc.AccessTokenType {
		return nil, oidc.ErrInvalidRequest().WithDescription("requested_token_type can only be %s", oidc.AccessTokenType)
	}
	switch r.Data.SubjectTokenType {
	case typePIN:
		return p.exchangePIN(ctx, c, r)
	case oidc.AccessTokenType:
		return p.exchangeAccess(ctx, c, r)
	}
	return nil, oidc.ErrInvalidRequest().WithDescription("subject_token_type can be %s or %s", typePIN, oidc.AccessTokenType)
}

// exchangePIN redeems without a browser, by the rules, limits and record of the
// pages.
func (p *Provider) exchangePIN(ctx context.Context, c *Client, r *exchangeRequest) (*op.Response, error) {
	held, err := p.binding(r.Header, c)
	if err != nil {
		return nil, err
	}
	handle, pin, err := p.pinRequest(c, r.Data)
	if err != nil {
		return nil, err
	}
	agent, err := p.Actor(ctx, c.ActorAudience, r.Data.ActorToken)
	if errors.Is(err, ErrActorToken) {
		return nil, oidc.ErrInvalidRequest().WithDescription("the actor_token does not prove that one of the support staff asks; " +
			"send a valid ID token of the agent, at most 5 minutes old, for the actor_audience of this client")
	}
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	attempt := credentials.Attempt{ID: p.attempt(c, handle, pin, r.Data.ActorToken), Agent: agent, Client: c.ID}
	session, err := p.Redeemer.Open(ctx, attempt, handle, pin, r.Form.Get("reason"))
	if err != nil {
		return nil, p.notRedeemed(ctx, err)
	}
	requested := r.Data.Scopes
	if len(requested) == 0 {
		requested = session.Scopes
	}
	scope := p.narrow(requested, session.Scopes, c)
	if len(scope) == 0 {
		return nil, oidc.ErrInvalidScope().WithDescription("the customer lent none of the requested scopes")
	}
	g := credentials.Grant{ID: credentials.NewID(), Type: grantExchange, Account: session.Account.ID, SID: session.ID, Client: c.ID,
		Audience: c.Audience, Scope: strings.Join(scope, " "), TokenID: credentials.NewID(), Proof: held.use()}
	refresh := ""
	if c.has(grantRefresh) {
		var hash []byte
		refresh, hash = newRefreshToken()
		g.Refresh = &credentials.RefreshToken{Hash: hash, Account: g.Account, SID: g.SID, Client: c.ID, Audience: c.Audience, Scope: g.Scope, Key: held.thumbprint()}
	}
	if session, err = p.Store.Issue(ctx, g); err != nil {
		return nil, p.publicError(ctx, err)
	}
	return p.tokens(ctx, session, c, issued{scope: scope, id: g.TokenID, refresh: refresh, key: held.thumbprint(),
		openid: slices.Contains(scope, "openid"), kind: string(oidc.AccessTokenType)})
}

// pinRequest refuses, before anything is tried, what could come to nothing.
func (p *Provider) pinRequest(c *Client, in *oidc.TokenExchangeRequest) (handle string, pin credentials.Secret, err error) {
	subject := in.SubjectToken
	at := strings.LastIndexByte(subject, ':') // a handle may have colons
	switch {
	case c.ActorAudience == "":
		err = oidc.ErrUnauthorizedClient().WithDescription("this client has no actor_audience, so it cannot say who the agent is")
	case in.ActorToken == "" || in.ActorTokenType != oidc.IDTokenType:
		err = oidc.ErrInvalidRequest().WithDescription("actor_token is missing: the ID token of the agent, with actor_token_type %s", oidc.IDTokenType)
	case slices.ContainsFunc(audiencesOf(in), func(name string) bool { return name != c.Audience }):
		err = invalidTarget("a PIN is exchanged for the audience of this client; exchange its access token for another one")
	case len(in.Scopes) > 0 && len(p.Catalogue.Possible(in.Scopes, c.Scopes)) == 0:
		err = oidc.ErrInvalidScope().WithDescription("none of the requested scopes can be lent to this client")
	case at < 1 || at > maxHandle || at == len(subject)-1 || len(subject)-at > maxPIN:
		err = oidc.ErrInvalidRequest().WithDescription("subject_token is <account handle>:<PIN>")
	default:
		handle, pin = subject[:at], credentials.NewSecret(subject[at+1:])
	}
	return handle, pin, err
}

// attempt names the exchange, so that sending it again, with the same ID token of
// the agent, uses nothing up and gives the same session. The name is stored, so
// it is made with the installation's pepper.
func (p *Provider) attempt(c *Client, handle string, pin credentials.Secret, actorToken string) string {
	told := credentials.FoldHandle(handle) + "\x00" + credentials.FoldPIN(pin.Reveal()) + "\x00" + actorToken
	return base64.RawURLEncoding.EncodeToString(p.Redeemer.Hasher.Password("token exchange\x00"+c.ID, credentials.NewSecret(told)))
}

// notRedeemed tells why, as the pages tell the agent. Before a right PIN every
// cause looks the same.
func (p *Provider) notRedeemed(ctx context.Context, err error) error {
	var noMatch *credentials.NoMatch
	var paused *credentials.Paused
	var unusable *credentials.Unusable
	switch {
	case errors.As(err, &noMatch):
		return oidc.ErrInvalidGrant().WithDescription("%s", noMatch.Advice())
	case errors.As(err, &paused):
		return oidc.ErrInvalidGrant().WithDescription("Your tries are used up for now. Ask the customer for a new PIN and wait until %s.",
			paused.Until.UTC().Format("15:04 UTC"))
	case errors.As(err, &unusable):
		return oidc.ErrInvalidGrant().WithDescription("%s", unusable.Advice())
	case errors.Is(err, credentials.ErrTicket):
		return oidc.ErrInvalidGrant().WithDescription("The customer named a ticket for this access. Ask for it and send it as reason, as they have it.")
	case errors.Is(err, credentials.ErrSuspended):
		if err != credentials.ErrSuspended { //nolint:errorlint // joined with why it could not be written down
			p.Log.ErrorContext(ctx, "an agent's suspension could not be written down", "error", err)
		}
		return oidc.ErrInvalidGrant().WithDescription("Your support sign-in is suspended. Ask whoever runs your support tools to lift it.")
	}
	return p.publicError(ctx, err)
}

// exchangeAccess gives a client that was handed an access token, for its own
// audience, another one for another app's: for the same session and agent, with
// no more scopes, and over no later.
func (p *Provider) exchangeAccess(ctx context.Context, c *Client, r *exchangeRequest) (*op.Response, error) {
	held, err := p.binding(r.Header, c)
	if err != nil {
		return nil, err
	}
	was, ok := p.openSession(r.Data.SubjectToken)
	from := p.shownTo(was)
	if !ok || c.Audience == "" || was.Audience != c.Audience || from == nil {
		return nil, badSubject()
	}
	if was.key() != "" && was.key() != held.thumbprint() { // whoever was handed it does not hold its key
		return nil, oidc.ErrInvalidRequest().WithDescription("the subject_token is bound to a key; send a DPoP proof made with it")
	}
	if r.Data.ActorToken != "" {
		return nil, oidc.ErrInvalidRequest().WithDescription("an access token names the agent itself; send no actor_token with it")
	}
	app, err := p.target(c, r.Data)
	if err != nil {
		return nil, err
	}
	// The configuration may lend less than when the token was made.
	has := strings.Fields(was.Scope)
	has = slices.DeleteFunc(p.narrow(has, has, from), scopes.Standard) // they are about the app that the agent signed in to
	requested := r.Data.Scopes
	if len(requested) == 0 {
		requested = has
	}
	scope := slices.DeleteFunc(p.narrow(requested, has, app), scopes.Standard)
	if len(scope) == 0 {
		return nil, oidc.ErrInvalidScope().WithDescription("nothing of what is asked for is in the subject_token and can be lent to that app")
	}
	g := credentials.Grant{ID: credentials.NewID(), Type: grantExchange, Account: was.Account.ID, SID: was.SID, Client: app.ID, Through: c.ID,
		Audience: app.Audience, Scope: strings.Join(scope, " "), TokenID: credentials.NewID(), Proof: held.use()}
	session, err := p.Store.Issue(ctx, g)
	if ended := new(credentials.EndedError); errors.As(err, &ended) || errors.Is(err, credentials.ErrNotFound) {
		return nil, badSubject()
	}
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	return p.tokens(ctx, session, c, issued{scope: scope, id: g.TokenID, key: held.thumbprint(), app: app, until: time.Unix(was.Expires, 0), kind: string(oidc.AccessTokenType)})
}

func badSubject() error {
	return oidc.ErrInvalidRequest().WithDescription("the subject_token is not a live access token of a support session for the audience of this client")
}

// audiencesOf lists what the audience and resource parameters name.
func audiencesOf(in *oidc.TokenExchangeRequest) []string {
	out := append(slices.Clone(in.Resource), in.Audience...)
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(name string) bool { return name == "" })
}

// target finds the app that an access token is asked for.
func (p *Provider) target(c *Client, in *oidc.TokenExchangeRequest) (*Client, error) {
	names := audiencesOf(in)
	if len(names) != 1 {
		return nil, invalidTarget("say in audience which one app the token is for")
	}
	app := p.appOf(names[0])
	if app == nil || names[0] == c.Audience {
		return nil, invalidTarget("audience must be that of another app in the configuration")
	}
	return app, nil
}

// appOf finds the client whose settings hold for tokens of an audience that were
// not issued to a client of it: of several, one that people sign in to.
func (p *Provider) appOf(audience string) (app *Client) {
	rank := func(c *Client) string {
		if c.has(grantCode) {
			return "1 " + c.ID
		}
		return "2 " + c.ID
	}
	for _, c := range p.Clients {
		if c.Audience == audience && (app == nil || cmp.Less(rank(c), rank(app))) {
			app = c
		}
	}
	return app
}

// shownTo finds the client by whose settings a token says who the guest and the
// agent are; nil where it is configured no more.
func (p *Provider) shownTo(claims accessClaims) *Client {
	c := p.Clients[claims.ClientID]
	if c != nil && c.Audience != claims.Audience {
		return p.appOf(claims.Audience)
	}
	return c
}

// invalidTarget is RFC 8693 section 2.2.2.
func invalidTarget(text string) error {
	return op.NewStatusError(&oidc.Error{ErrorType: "invalid_target", Description: text}, http.StatusBadRequest)
}
