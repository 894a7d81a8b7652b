package provider

import (
	"context"
	"errors"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
)

// Revocation implements op.Server (RFC 7009). A token that is taken back ends
// its session, everywhere: access tokens are checked offline by relying apps,
// which learn of endings and of nothing smaller. An unknown token is answered
// like one that was taken back.
func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	p, c := s.p, r.Client.(opClient).Client
	sid, client, err := p.ownerOf(ctx, r.Data.Token)
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	if sid == "" {
		if _, _, _, api := p.OpenAPI(r.Data.Token); api { // RFC 7009 section 2.2.1
			return nil, &oidc.Error{ErrorType: "unsupported_token_type", Description: "tokens of the management API expire by themselves"}
		}
		return op.NewResponse(nil), nil
	}
	if client != c.ID {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("the token was issued to another client")
	}
	err = p.Sessions.End(ctx, sid, credentials.CauseSignedOut, credentials.Mark{Who: "client", ID: c.ID})
	if err != nil && !errors.Is(err, credentials.ErrNotFound) {
		return nil, p.publicError(ctx, err)
	}
	return op.NewResponse(nil), nil
}

// ownerOf finds the session and client that a token belongs to; no session for
// an unknown one.
func (p *Provider) ownerOf(ctx context.Context, token string) (sid, client string, err error) {
	if strings.Contains(token, ".") {
		// An expired one still says which session is to end: an app that signs
		// out late must not be told that it did while the session lives.
		claims, _ := p.openIssued(token)
		return claims.SID, claims.ClientID, nil
	}
	found, err := p.Store.RefreshToken(ctx, hashRefresh(token))
	if errors.Is(err, credentials.ErrNotFound) {
		return "", "", nil
	}
	return found.SID, found.Client, err
}
