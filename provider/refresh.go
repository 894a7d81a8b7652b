package provider

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
)

// errScope says that a refresh asks for nothing that was granted.
var errScope = errors.New("nothing that was granted")

// RefreshToken implements op.Server (RFC 6749 section 6). Every use rotates the
// token, see credentials.RefreshGrace, unless nobody can use a copy: the client
// proves itself by a key, or the token is bound to one.
func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	p, c := s.p, r.Client.(opClient).Client
	held, err := p.binding(r.Header, c)
	if err != nil {
		return nil, err
	}
	token, hash := newRefreshToken()
	asked := strings.Fields(r.Form.Get("scope"))
	var scope []string
	use := credentials.Refreshing{
		Hash: hashRefresh(r.Data.RefreshToken), Client: c.ID, Next: hash, TokenID: credentials.NewID(),
		Proof: held.use(), Key: held.thumbprint(), Proven: !c.Public, Keep: len(c.Keys) > 0,
		Scope: func(granted string) (string, error) {
			had := strings.Fields(granted)
			scope = had
			if len(asked) > 0 {
				// Libraries repeat all that the app is configured to ask for, though
				// less was lent. What was not granted is left out, as at the sign-in.
				scope = slices.DeleteFunc(slices.Clone(asked), func(name string) bool { return !slices.Contains(had, name) })
			}
			if scope = p.narrow(scope, had, c); len(scope) == 0 {
				return "", errScope
			}
			return strings.Join(scope, " "), nil
		},
	}
	session, next, err := p.Store.Refresh(ctx, use)
	if errors.Is(err, errScope) {
		return nil, oidc.ErrInvalidScope().WithDescription("none of that was granted and can still be lent")
	}
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	if !bytes.Equal(next.Hash, hash) {
		token = "" // the one that was used stays good
	}
	return p.tokens(ctx, session, c, issued{
		scope: scope, id: use.TokenID, refresh: token, key: held.thumbprint(), openid: len(asked) > 0 && slices.Contains(scope, "openid"),
	})
}
