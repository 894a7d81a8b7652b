package provider

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
)

// tokenResponse is RFC 6749 section 5.1 with OpenID Connect's ID token.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	Scope        string `json:"scope"`
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IssuedType   string `json:"issued_token_type,omitempty"` // RFC 8693 section 2.2.1
}

// newRefreshToken returns a refresh token of 256 random bits, and the hash by
// which it is kept.
func newRefreshToken() (token string, hash []byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, hashRefresh(token)
}

func hashRefresh(token string) []byte {
	sum := sumOf("valetkey refresh token\x00" + token)
	return sum[:]
}

// CodeExchange implements op.Server: a code becomes tokens, once.
func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	p, c := s.p, r.Client.(opClient).Client
	held, err := p.binding(r.Header, c)
	if err != nil {
		return nil, err
	}
	opened, ok := p.openCode(r.Data.Code, c.ID, r.Data.RedirectURI, r.Data.CodeVerifier)
	if !ok {
		return nil, oidc.ErrInvalidGrant().WithDescription("the code is not valid for this client, redirect_uri and code_verifier, or too old")
	}
	if opened.Key != "" && opened.Key != held.thumbprint() { // RFC 9449 section 10
		return nil, oidc.ErrInvalidGrant().WithDescription("the code is bound to a key; send a DPoP proof made with it")
	}
	// The configuration may lend less than when the code was made.
	scope := p.narrow(opened.Scope, opened.Scope, c)
	if len(scope) == 0 {
		return nil, oidc.ErrInvalidGrant().WithDescription("nothing of what the code was made for can be granted any more")
	}
	g := credentials.Grant{ID: opened.ID, Account: opened.Account, SID: opened.SID, Client: c.ID, Audience: c.Audience,
		Scope: strings.Join(scope, " "), TokenID: credentials.NewID(), Proof: held.use()}
	refresh := ""
	if c.has(grantRefresh) {
		var hash []byte
		refresh, hash = newRefreshToken()
		g.Refresh = &credentials.RefreshToken{Hash: hash, Account: g.Account, SID: g.SID, Client: c.ID, Audience: c.Audience, Scope: g.Scope, Key: held.thumbprint()}
	}
	session, err := p.Store.Issue(ctx, g)
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	return p.tokens(ctx, session, c, issued{
		scope: scope, id: g.TokenID, refresh: refresh, nonce: opened.Nonce, key: held.thumbprint(), claims: opened.Claims,
		openid: slices.Contains(scope, "openid"),
	})
}

// issued is what a grant has settled about its tokens.
type issued struct {
	scope          []string
	id             string // jti of the access token
	nonce, refresh string
	key            string    // thumbprint of the key that it is bound to; empty: none
	openid         bool      // whether an ID token is asked for
	claims         []string  // asked for in it
	kind           string    // issued_token_type of an exchange
	app            *Client   // whose audience it is for; nil: the client's own
	until          time.Time // it is over by then; zero: see expiry
}

// tokens signs what the grant has settled.
func (p *Provider) tokens(ctx context.Context, s credentials.Session, c *Client, g issued) (*op.Response, error) {
	now := p.Now()
	access, expires, err := p.accessToken(s, c, g, now)
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	out := tokenResponse{AccessToken: access, TokenType: tokenType(g.key), ExpiresIn: expires - now.Unix(),
		Scope: strings.Join(g.scope, " "), RefreshToken: g.refresh, IssuedType: g.kind}
	if g.openid {
		if out.IDToken, err = p.idToken(s, c, g, access, now); err != nil {
			return nil, p.publicError(ctx, err)
		}
	}
	return op.NewResponse(out), nil
}
