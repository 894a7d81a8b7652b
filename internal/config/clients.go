package config

import "slices"

// Grant types by their registered names (RFC 6749, RFC 8693).
const (
	GrantCode     = "authorization_code"
	GrantRefresh  = "refresh_token"
	GrantClient   = "client_credentials"
	GrantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// Client is a relying app, or a back end that uses the management API. It
// proves who it is by exactly one of secret, jwks, jwks_file and public.
type Client struct {
	// ID is the client_id: lower-case letters, digits, dot, underscore, hyphen.
	ID string `key:"id" required:"the client_id of this app"`
	// Name is what owners and agents read. Default: the id.
	Name string `key:"name"`
	// Secret is the client_secret; fewer than 16 characters are a warning.
	Secret Secret `key:"secret"`
	// JWKS are the public keys by which the client proves who it is
	// (private_key_jwt): RSA, P-256 or Ed25519.
	JWKS JWKS `key:"jwks"`
	// JWKSFile names a file of such keys, as JSON. It is read at start.
	JWKSFile Path `key:"jwks_file"`
	// Public marks an app that cannot keep a secret and proves itself by PKCE.
	Public bool `key:"public" default:"false"`
	// RedirectURIs are where the browser may return, compared exactly.
	// Required for authorization_code.
	RedirectURIs []string `key:"redirect_uris"`
	// PostLogoutRedirectURIs are where the browser may go after signing out
	// (OpenID Connect RP-Initiated Logout), compared exactly. Default: none.
	PostLogoutRedirectURIs []string `key:"post_logout_redirect_uris"`
	// BackchannelLogoutURI is told of endings (OpenID Connect Back-Channel
	// Logout). Default: none.
	BackchannelLogoutURI string `key:"backchannel_logout_uri"`
	// Audience is the aud of this app's access tokens, and what the client
	// acts for over the API. Clients may share one. Default: the id where the
	// client has authorization_code or token exchange, else none.
	Audience string `key:"audience"`
	// Scopes are names or patterns, such as documents.*, that this app may be
	// given. Default: none.
	Scopes []string `key:"scopes"`
	// Grants are the OAuth grants this client may use.
	Grants []string `key:"grants" default:"authorization_code" oneof:"authorization_code refresh_token client_credentials urn:ietf:params:oauth:grant-type:token-exchange"`
	// API are the scopes of the management API; they need client_credentials.
	// Default: none.
	API []string `key:"api" oneof:"credentials.mint credentials.read credentials.revoke credentials.verify record.read actions.write endings.read ssf.read ssf.manage"`
	// Owners is the owners connector this client speaks for. Default: the only one.
	Owners string `key:"owners"`
	// OwnerProof must be chosen with credentials.mint: trusted, this back end
	// vouches for the owner; token, each mint carries an owner's ID token.
	OwnerProof string `key:"owner_proof" oneof:"trusted token"`
	// OwnerAudience is the aud of those ID tokens; required for token.
	OwnerAudience string `key:"owner_audience"`
	// Enforces is how this app learns of endings. The owner is told no more
	// than that. logout needs backchannel_logout_uri.
	Enforces string `key:"enforces" default:"none" oneof:"guard introspection logout none"`
	// SSFPushURIs are the only addresses to which this client may have security
	// events pushed (RFC 8935), compared exactly. Default: none, it polls.
	SSFPushURIs []string `key:"ssf_push_uris"`
	// Subject is whose sub this app sees.
	Subject string `key:"subject" default:"guest" oneof:"guest account owner"`
	// Claims are what this app learns of the agent, in act, besides sub and iss.
	Claims []string `key:"claims" default:"name" oneof:"name email"`
	// ActorAudience is the aud of the agents' ID tokens that this client may
	// present as actor_token, to verify callers and to redeem PINs by token
	// exchange. Default: none.
	ActorAudience string `key:"actor_audience"`
	// Origins are the browser origins allowed at token and userinfo. Default: none.
	Origins []string `key:"origins"`
	// IDTokenAlg signs this app's ID tokens; access tokens are always ES256.
	IDTokenAlg string `key:"id_token_alg" default:"RS256" oneof:"RS256 PS256 ES256 EdDSA"`
	// Require is what this app must use.
	Require Require `key:"require"`
}

// Require is what an app must use.
type Require struct {
	// PKCE demands a code_challenge with S256 (RFC 7636). A public app cannot do
	// without.
	PKCE bool `key:"pkce" default:"true"`
	// PAR demands pushed authorization requests (RFC 9126).
	PAR bool `key:"par" default:"false"`
	// DPoP demands sender-constrained tokens (RFC 9449). Without it they are
	// had by apps that send a proof.
	DPoP bool `key:"dpop" default:"false"`
}

// Has tells whether the client may use a grant, named as in the Grant constants.
func (c *Client) Has(grant string) bool { return slices.Contains(c.Grants, grant) }

// MayAPI tells whether the client has a scope of the management API.
func (c *Client) MayAPI(scope string) bool { return slices.Contains(c.API, scope) }
