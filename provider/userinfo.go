package provider

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// userinfo is what is truly known of whom sub names (OpenID Connect Core 1.0
// section 5.3).
type userinfo struct {
	standardClaims
	sessionClaims
}

// UserInfo implements op.Server.
func (s *server) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	p := s.p
	claims, ok := p.openSession(r.Data.AccessToken)
	if !ok {
		return nil, invalidToken()
	}
	held, err := p.holds(r.Header, r.Method, pathUserinfo, r.Data.AccessToken, claims.Confirm, presentationOf(ctx).dpop)
	if err != nil {
		return nil, atResource(ctx, err)
	}
	session, live, err := p.live(ctx, claims.SID)
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	c := p.shownTo(claims)
	if !live || c == nil {
		return nil, invalidToken()
	}
	scope := strings.Fields(claims.Scope)
	if !slices.Contains(scope, "openid") {
		return nil, op.NewStatusError((&oidc.Error{ErrorType: "insufficient_scope"}).WithDescription("the token was issued without openid"), http.StatusForbidden)
	}
	if err := p.settle(ctx, held); err != nil {
		return nil, atResource(ctx, err)
	}
	return op.NewResponse(userinfo{
		standardClaims: standardOf(session, c, func(claim string) bool { return slices.Contains(scope, scopeOfClaim[claim]) }),
		sessionClaims:  p.claimsOf(session, c),
	}), nil
}
