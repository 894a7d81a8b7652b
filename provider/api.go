package provider

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// apiAudience is the aud of tokens for the management API.
func (p *Provider) apiAudience() string { return p.Issuer + "/api" }

// apiClaims are the claims of such a token: no session, no act.
type apiClaims struct {
	Issuer   string        `json:"iss"`
	Subject  string        `json:"sub"`
	Audience string        `json:"aud"`
	ClientID string        `json:"client_id"`
	Expires  int64         `json:"exp"`
	Issued   int64         `json:"iat"`
	ID       string        `json:"jti"`
	Scope    string        `json:"scope"`
	Confirm  *confirmation `json:"cnf,omitempty"`
}

// ClientCredentialsExchange implements op.Server: a token for the management
// API, with what the client's api setting allows. Nothing of it is stored.
func (s *server) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	p, c := s.p, r.Client.(opClient).Client
	scope := c.API
	if asked := strings.Fields(r.Form.Get("scope")); len(asked) > 0 {
		scope = nil
		for _, name := range asked {
			if !slices.Contains(c.API, name) {
				return nil, oidc.ErrInvalidScope().WithDescription("this client may not have one of the scopes it asks for")
			}
			if !slices.Contains(scope, name) {
				scope = append(scope, name)
			}
		}
	}
	if len(scope) == 0 {
		return nil, oidc.ErrInvalidScope().WithDescription("this client has no scope of the API")
	}
	held, err := p.binding(r.Header, c)
	if err == nil {
		err = p.settle(ctx, held)
	}
	if err != nil {
		return nil, err
	}
	now := p.Now()
	joined := strings.Join(scope, " ")
	token, err := p.sign(keys.ForAccess, "ES256", keys.TypAccess, apiClaims{
		Issuer: p.Issuer, Subject: c.ID, Audience: p.apiAudience(), ClientID: c.ID,
		Expires: now.Add(p.Access).Unix(), Issued: now.Unix(), ID: credentials.NewID(), Scope: joined, Confirm: confirm(held.thumbprint()),
	})
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	return op.NewResponse(tokenResponse{AccessToken: token, TokenType: tokenType(held.thumbprint()), ExpiresIn: int64(p.Access.Seconds()), Scope: joined}), nil
}

// OpenAPI verifies a bearer token of the management API. A token of a support
// session is none. The scopes are those that the client still has.
func (p *Provider) OpenAPI(raw string) (c *Client, scope []string, expires time.Time, ok bool) {
	claims, ok := p.openAccess(raw)
	if !ok || claims.SID != "" || claims.Audience != p.apiAudience() {
		return nil, nil, time.Time{}, false
	}
	c = p.Clients[claims.ClientID]
	if c == nil {
		return nil, nil, time.Time{}, false
	}
	for _, name := range strings.Fields(claims.Scope) {
		if slices.Contains(c.API, name) {
			scope = append(scope, name)
		}
	}
	return c, scope, time.Unix(claims.Expires, 0), true
}
