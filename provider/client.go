package provider

import (
	"crypto/subtle"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/scopes"
)

// Client is a relying app, or a back end that uses the API.
type Client struct {
	ID, Name     string
	Secret       string // empty for a public client
	Public       bool
	RedirectURIs []string
	AfterLogout  []string // post_logout_redirect_uris: where the browser may go after signing out
	Audience     string   // aud of its access tokens; what it acts for over the API
	Scopes       scopes.Patterns
	Grants       []string
	API          []string // scopes of the management API
	Subject      string   // guest | account | owner
	Claims       []string // of the agent, in act, besides sub and iss
	IDTokenAlg   string
	Origins      []string // browser origins allowed at token and userinfo
	NoPKCE       bool     // with a secret it may do without PKCE

	ActorAudience string            // aud of the agents' ID tokens that it may present
	Keys          []jose.JSONWebKey // by which it proves who it is; then it has no secret
	RequirePAR    bool              // its requests must be pushed
	RequireDPoP   bool              // its tokens must be bound to a key
}

// Grant types that this version issues for (RFC 6749, RFC 8693).
const (
	grantCode     = "authorization_code"
	grantRefresh  = "refresh_token"
	grantClient   = "client_credentials"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

func (c *Client) has(grant string) bool { return slices.Contains(c.Grants, grant) }

// proves reports whether the secret is the client's, in a time that does not
// tell how much of it was right.
func (c *Client) proves(secret string) bool {
	want, got := sumOf(c.Secret), sumOf(secret)
	return c.Secret != "" && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// opClient shows a client to the library. Only the grant types and the
// authentication method decide anything there.
type opClient struct{ *Client }

var _ op.Client = opClient{}

func (c opClient) GetID() string                       { return c.ID }
func (c opClient) RedirectURIs() []string              { return c.Client.RedirectURIs }
func (c opClient) PostLogoutRedirectURIs() []string    { return nil }
func (c opClient) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c opClient) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c opClient) LoginURL(string) string               { return "" }
func (c opClient) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (c opClient) IDTokenLifetime() time.Duration       { return 0 }
func (c opClient) DevMode() bool                        { return false }
func (c opClient) IsScopeAllowed(string) bool           { return false }
func (c opClient) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c opClient) ClockSkew() time.Duration             { return 0 }

func (c opClient) AuthMethod() oidc.AuthMethod {
	switch {
	case c.Public:
		return oidc.AuthMethodNone
	case len(c.Keys) > 0:
		return oidc.AuthMethodPrivateKeyJWT
	}
	return oidc.AuthMethodBasic
}

func (c opClient) GrantTypes() []oidc.GrantType {
	out := make([]oidc.GrantType, 0, len(c.Grants))
	for _, g := range c.Grants {
		out = append(out, oidc.GrantType(g))
	}
	return out
}

func (c opClient) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func([]string) []string { return nil }
}

func (c opClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func([]string) []string { return nil }
}
