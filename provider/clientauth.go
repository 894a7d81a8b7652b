package provider

import (
	"context"
	"net/http"
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// VerifyClient implements op.Server. The grant is looked at here too, because
// the library's own answers are not those of RFC 6749 section 5.2.
func (s *server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	c, err := s.p.authenticate(ctx, r.Header, r.Form, r.Data)
	if err != nil {
		return nil, err
	}
	grant := r.Form.Get("grant_type")
	switch {
	case (grant == grantClient || grant == grantExchange) && c.Public:
		return nil, invalidClient("this grant type is for clients that prove who they are")
	case grant != "" && !c.has(grant):
		return nil, oidc.ErrUnauthorizedClient().WithDescription("this client may not use this grant type")
	case grant == grantClient && !targets(r.Form, s.p.apiAudience()), (grant == grantCode || grant == grantRefresh) && !targets(r.Form, c.Audience):
		return nil, errTarget()
	}
	return opClient{c}, nil
}

// authenticate decides which client this is, the same everywhere:
// client_secret_basic, client_secret_post, private_key_jwt, or a public client,
// which has nothing to prove here and proves itself by PKCE. Each client has one
// way, but for the two of a secret. Unknown clients and wrong secrets are told
// the same.
func (p *Provider) authenticate(ctx context.Context, h http.Header, form url.Values, cc *op.ClientCredentials) (*Client, error) {
	basic, secret, assertion := h.Get("Authorization") != "", form.Get("client_secret") != "", form.Has("client_assertion")
	switch {
	case basic && secret, basic && assertion, secret && assertion:
		return nil, oidc.ErrInvalidRequest().WithDescription("client authentication must not use more than one method")
	case assertion:
		return p.byAssertion(ctx, form)
	case form.Get("client_id") != "" && form.Get("client_id") != cc.ClientID:
		return nil, oidc.ErrInvalidRequest().WithDescription("client_id differs between header and body")
	}
	c := p.Clients[cc.ClientID]
	p.name(ctx, c)
	if c == nil {
		(&Client{Secret: "no client"}).proves(cc.ClientSecret)
		return nil, invalidClient("the client is not known or its secret is wrong")
	}
	if c.Public && cc.ClientSecret == "" || c.proves(cc.ClientSecret) {
		return c, nil
	}
	return nil, invalidClient("the client is not known or its secret is wrong")
}

// name has what is logged of a request name its client, which may yet have to
// prove it. What is not in the configuration is no name.
func (p *Provider) name(ctx context.Context, c *Client) {
	if c != nil {
		p.OfClient(ctx, c.ID)
	}
}
