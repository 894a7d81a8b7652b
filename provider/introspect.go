package provider

import (
	"context"
	"errors"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
)

// inactive is the whole answer about a token that is not alive, or not the
// asking client's business.
type inactive struct {
	Active bool `json:"active"`
}

// active is RFC 7662 section 2.2.
type active struct {
	Active    bool          `json:"active"`
	TokenType string        `json:"token_type,omitempty"`
	Issuer    string        `json:"iss"`
	Audience  string        `json:"aud,omitempty"`
	ClientID  string        `json:"client_id"`
	Scope     string        `json:"scope"`
	Expires   int64         `json:"exp"`
	Issued    int64         `json:"iat,omitempty"`
	ID        string        `json:"jti,omitempty"`
	Confirm   *confirmation `json:"cnf,omitempty"`
	sessionClaims
}

// Introspect implements op.Server. The answer is never stale: the session is
// read now, and a session whose time has come is ended before the answer.
func (s *server) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	p := s.p
	c, err := p.authenticate(ctx, r.Header, r.Form, r.Data.ClientCredentials)
	if err != nil {
		return nil, err
	}
	answer, err := p.introspect(ctx, c, r.Data.Token)
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	return op.NewResponse(answer), nil
}

func (p *Provider) introspect(ctx context.Context, c *Client, token string) (any, error) {
	if !strings.Contains(token, ".") {
		return p.introspectRefresh(ctx, c, token)
	}
	claims, ok := p.openSession(token)
	if !ok || c.Audience == "" || claims.Audience != c.Audience {
		return inactive{}, nil
	}
	s, live, err := p.live(ctx, claims.SID)
	issuedTo := p.shownTo(claims)
	if err != nil || !live || issuedTo == nil {
		return inactive{}, err
	}
	return active{
		Active: true, TokenType: tokenType(claims.key()), Confirm: claims.Confirm, Issuer: p.Issuer, Audience: claims.Audience, ClientID: claims.ClientID, Scope: claims.Scope,
		Expires: claims.Expires, Issued: claims.Issued, ID: claims.ID, sessionClaims: p.claimsOf(s, issuedTo),
	}, nil
}

func (p *Provider) introspectRefresh(ctx context.Context, c *Client, token string) (any, error) {
	found, err := p.Store.RefreshToken(ctx, hashRefresh(token))
	if errors.Is(err, credentials.ErrNotFound) || err == nil && (found.Used || found.Client != c.ID) {
		return inactive{}, nil
	}
	if err != nil {
		return inactive{}, err
	}
	s, live, err := p.live(ctx, found.SID)
	if err != nil || !live {
		return inactive{}, err
	}
	return active{Active: true, Issuer: p.Issuer, ClientID: c.ID, Scope: found.Scope, Expires: s.EndsAt.Unix(), sessionClaims: p.claimsOf(s, c)}, nil
}

// live reads the session as it stands now.
func (p *Provider) live(ctx context.Context, sid string) (credentials.Session, bool, error) {
	s, err := p.Sessions.Live(ctx, sid)
	var ended *credentials.EndedError
	if errors.As(err, &ended) || errors.Is(err, credentials.ErrNotFound) {
		return s, false, nil
	}
	return s, err == nil, err
}
