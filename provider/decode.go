package provider

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// forms reads forms for the library. Its own decoder finds the fields by reflection,
// for each request anew and twice over, and takes names in any case.
type forms struct{}

// Decode implements the library's Decoder for the endpoints and grants that are
// served here.
func (forms) Decode(dst any, src map[string][]string) error {
	get := url.Values(src).Get
	switch d := dst.(type) {
	case *op.ClientCredentials:
		d.ClientID, d.ClientSecret = get("client_id"), get("client_secret")
		d.ClientAssertion, d.ClientAssertionType = get("client_assertion"), get("client_assertion_type")
	case *oidc.ClientCredentialsRequest: // whom it is from has been decided, and its scope is read from the form
		d.GrantType, d.Scope = oidc.GrantType(get("grant_type")), strings.Fields(get("scope"))
	case *oidc.AccessTokenRequest:
		d.Code, d.RedirectURI, d.CodeVerifier = get("code"), get("redirect_uri"), get("code_verifier")
	case *oidc.RefreshTokenRequest:
		d.RefreshToken, d.Scopes = get("refresh_token"), strings.Fields(get("scope"))
	case *oidc.TokenExchangeRequest:
		d.GrantType, d.Scopes = oidc.GrantType(get("grant_type")), strings.Fields(get("scope"))
		d.SubjectToken, d.SubjectTokenType = get("subject_token"), oidc.TokenType(get("subject_token_type"))
		d.ActorToken, d.ActorTokenType = get("actor_token"), oidc.TokenType(get("actor_token_type"))
		d.RequestedTokenType = oidc.TokenType(get("requested_token_type"))
		d.Resource, d.Audience = src["resource"], src["audience"]
	case *oidc.IntrospectionRequest:
		d.Token = get("token")
	case *oidc.RevocationRequest:
		d.Token, d.TokenTypeHint = get("token"), get("token_type_hint")
	case *oidc.UserInfoRequest:
		d.AccessToken = get("access_token")
	default:
		return fmt.Errorf("there is no form for %T", dst)
	}
	return nil
}
