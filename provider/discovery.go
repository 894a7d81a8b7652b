package provider

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/valetkey/valetkey/internal/keys"
)

// metadata is OpenID Connect Discovery 1.0 section 3 and RFC 8414. It says only
// what is true; members that default to something we do not do are written out.
type metadata struct {
	Issuer                 string   `json:"issuer"`
	Authorization          string   `json:"authorization_endpoint"`
	Pushed                 string   `json:"pushed_authorization_request_endpoint"` // RFC 9126
	RequirePushed          bool     `json:"require_pushed_authorization_requests"`
	Token                  string   `json:"token_endpoint"`
	Introspection          string   `json:"introspection_endpoint"`
	Userinfo               string   `json:"userinfo_endpoint"`
	Revocation             string   `json:"revocation_endpoint"`
	EndSession             string   `json:"end_session_endpoint"`
	Keys                   string   `json:"jwks_uri"`
	Scopes                 []string `json:"scopes_supported"`
	ResponseTypes          []string `json:"response_types_supported"`
	ResponseModes          []string `json:"response_modes_supported"`
	Grants                 []string `json:"grant_types_supported"`
	ACR                    []string `json:"acr_values_supported"`
	SubjectTypes           []string `json:"subject_types_supported"`
	IDTokenAlgs            []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth              []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs          []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	IntrospectionAuth      []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgs  []string `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationAuth         []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs     []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	ProofAlgs              []string `json:"dpop_signing_alg_values_supported"` // RFC 9449
	ChallengeMethods       []string `json:"code_challenge_methods_supported"`
	Prompts                []string `json:"prompt_values_supported"`
	Locales                []string `json:"ui_locales_supported"` // the pages speak English
	Claims                 []string `json:"claims_supported"`
	IssParameter           bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	BackChannel            bool     `json:"backchannel_logout_supported"`
	BackChannelSID         bool     `json:"backchannel_logout_session_supported"`
	ClaimsParameter        bool     `json:"claims_parameter_supported"`
	RequestParameter       bool     `json:"request_parameter_supported"`
	RequestURIParameter    bool     `json:"request_uri_parameter_supported"`
	RequestURIRegistration bool     `json:"require_request_uri_registration"`
}

var allClaims = []string{
	"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "amr", "sid",
	"act", "account", "support", "name", "email", "email_verified",
}

func (p *Provider) discovery() metadata {
	proven, algs := p.clientMethods()
	m := metadata{
		Issuer: p.Issuer, Authorization: p.Issuer + pathAuthorize, Token: p.Issuer + pathToken,
		Introspection: p.Issuer + pathIntrospect, Userinfo: p.Issuer + pathUserinfo,
		Revocation: p.Issuer + pathRevoke, Keys: p.KeysURI(), EndSession: p.Issuer + pathLogout, BackChannel: true, BackChannelSID: true,
		Scopes: []string{"openid", "profile", "email"}, ResponseTypes: []string{"code"}, ResponseModes: []string{"query", "form_post"},
		ACR: allACR, SubjectTypes: []string{"public"},
		TokenAuth: proven, IntrospectionAuth: proven, RevocationAuth: proven,
		TokenAuthAlgs: algs, IntrospectionAuthAlgs: algs, RevocationAuthAlgs: algs,
		Pushed: p.Issuer + pathPAR, RequirePushed: !p.any(func(c *Client) bool { return c.has(grantCode) && !c.RequirePAR }),
		ProofAlgs:        keys.ForeignAlgs(),
		ChallengeMethods: []string{"S256"}, Prompts: prompts, Locales: []string{"en"},
		Claims: allClaims, IssParameter: true, ClaimsParameter: true,
	}
	m.Grants = p.grants()
	if slices.Contains(m.Grants, grantRefresh) {
		m.Scopes = append(m.Scopes, "offline_access")
	}
	if p.any(func(c *Client) bool { return c.Public }) {
		m.TokenAuth = append(slices.Clone(proven), "none")
		m.RevocationAuth = m.TokenAuth
	}
	for _, s := range p.Catalogue.All() {
		if p.Catalogue.Lendable(s.Name) && p.any(func(c *Client) bool { return c.Scopes.Match(s.Name) }) {
			m.Scopes = append(m.Scopes, s.Name)
		}
	}
	m.IDTokenAlgs = p.IDTokenAlgs()
	return m
}

// clientMethods are the ways in which clients prove who they are, and the
// algorithms of the one by keys.
func (p *Provider) clientMethods() (methods, algs []string) {
	byKey := p.any(func(c *Client) bool { return len(c.Keys) > 0 })
	if !byKey || p.any(func(c *Client) bool { return c.Secret != "" }) {
		methods = []string{"client_secret_basic", "client_secret_post"}
	}
	if byKey {
		methods, algs = append(methods, "private_key_jwt"), keys.ForeignAlgs()
	}
	return methods, algs
}

// grants are the grant types that some client has.
func (p *Provider) grants() (out []string) {
	for _, g := range []string{grantCode, grantRefresh, grantClient, grantExchange} {
		if p.any(func(c *Client) bool { return c.has(g) }) {
			out = append(out, g)
		}
	}
	return out
}

// IDTokenAlgs are the algorithms that some client's ID tokens are signed with.
func (p *Provider) IDTokenAlgs() []string {
	var out []string
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		if p.any(func(c *Client) bool { return (c.has(grantCode) || c.has(grantExchange)) && c.IDTokenAlg == alg }) {
			out = append(out, alg)
		}
	}
	return out
}

func (p *Provider) any(f func(*Client) bool) bool {
	for _, c := range p.Clients {
		if f(c) {
			return true
		}
	}
	return false
}

// metadata serves the path of RFC 8414 with the same document.
func (p *Provider) metadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(p.discovery())
}
