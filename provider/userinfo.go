package provider

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// userinfo is what is truly known of the guest (OpenID Connect Core 1.0
// section 5.3). The email is the temporary one and never verified: it must not
// link the guest to anybody's account.
type userinfo struct {
	Email         string `json:"email,omitempty"`
	EmailVerified *bool  `json:"email_verified,omitempty"`
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
	c := p.Clients[claims.ClientID]
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
	out := userinfo{sessionClaims: p.claimsOf(session, c)}
	if session.Email != "" && slices.Contains(scope, "email") {
		no := false
		out.Email, out.EmailVerified = session.Email, &no
	}
	return op.NewResponse(out), nil
}
