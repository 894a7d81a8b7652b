package e2e

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// metadata is the part of the discovery document that the tests go by.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Introspection string   `json:"introspection_endpoint"`
	Userinfo      string   `json:"userinfo_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	PAR           string   `json:"pushed_authorization_request_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	Registration  string   `json:"registration_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	Grants        []string `json:"grant_types_supported"`
	Responses     []string `json:"response_types_supported"`
	Modes         []string `json:"response_modes_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectBy  []string `json:"introspection_endpoint_auth_methods_supported"`
	RevokeBy      []string `json:"revocation_endpoint_auth_methods_supported"`
	IDTokenAlgs   []string `json:"id_token_signing_alg_values_supported"`
	Scopes        []string `json:"scopes_supported"`
	Subjects      []string `json:"subject_types_supported"`
	Prompts       []string `json:"prompt_values_supported"`
	ISS           bool     `json:"authorization_response_iss_parameter_supported"`
	RequestObject bool     `json:"request_parameter_supported"`
	RequestURI    *bool    `json:"request_uri_parameter_supported"`
}

// metadata returns the discovery document, fetched once.
func (b *broker) metadata() metadata {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.metadataLocked()
}

func (b *broker) metadataLocked() metadata {
	b.t.Helper()
	if b.meta == nil {
		answer := b.get("/.well-known/openid-configuration", "")
		if answer.status != http.StatusOK {
			b.t.Fatalf("discovery: %d %s", answer.status, answer.body)
		}
		b.meta = &metadata{}
		answer.decode(b.t, b.meta)
	}
	return *b.meta
}

// claims is what an access or an ID token says; times are as in the token.
type claims struct {
	Issuer   string       `json:"iss"`
	Subject  string       `json:"sub"`
	Audience jwt.Audience `json:"aud"`
	Client   string       `json:"client_id"`
	Expires  int64        `json:"exp"`
	Issued   int64        `json:"iat"`
	AuthTime int64        `json:"auth_time"`
	ID       string       `json:"jti"`
	SID      string       `json:"sid"`
	Scope    string       `json:"scope"`
	ACR      string       `json:"acr"`
	AMR      []string     `json:"amr"`
	Nonce    string       `json:"nonce"`
	Verified any          `json:"email_verified"`
	Act      *struct {
		Subject string `json:"sub"`
		Issuer  string `json:"iss"`
		Name    string `json:"name"`
	} `json:"act"`
	Account *struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"account"`
	Support *struct {
		Credential string    `json:"credential"`
		Policy     string    `json:"policy"`
		Ticket     string    `json:"ticket"`
		Contact    any       `json:"contact"`
		EndsAt     time.Time `json:"ends_at"`
	} `json:"support"`
}

// has reports whether the token's scope includes one.
func (c claims) has(scope string) bool {
	for _, s := range strings.Fields(c.Scope) {
		if s == scope {
			return true
		}
	}
	return false
}

// lent is the token's scope without those that OpenID Connect itself defines.
func (c claims) lent() string {
	var scopes []string
	for _, s := range strings.Fields(c.Scope) {
		if !strings.Contains(" openid profile email phone address offline_access ", " "+s+" ") {
			scopes = append(scopes, s)
		}
	}
	return strings.Join(scopes, " ")
}

// verify checks a token's signature by the published keys, its algorithm and
// its type, and returns what it says.
func (b *broker) verify(token string, algorithm jose.SignatureAlgorithm, typ string) claims {
	b.t.Helper()
	var keys jose.JSONWebKeySet
	b.get(b.metadata().JWKS, "").decode(b.t, &keys)
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{algorithm})
	if err != nil {
		b.t.Fatalf("a token that is no %s JWT: %v", algorithm, err)
	}
	header := parsed.Headers[0]
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != "" && got != typ {
		b.t.Errorf("a token's typ is %q, want %q", got, typ)
	}
	found := keys.Key(header.KeyID)
	if header.KeyID == "" || len(found) != 1 {
		b.t.Fatalf("key %q is published %d times, want once", header.KeyID, len(found))
	}
	if !found[0].IsPublic() {
		b.t.Fatal("the JWKS publishes a private key")
	}
	var said claims
	if err := parsed.Claims(found[0].Key, &said); err != nil {
		b.t.Fatalf("a token's signature: %v", err)
	}
	return said
}

// access verifies an access token.
func (b *broker) access(got tokens) claims {
	b.t.Helper()
	return b.verify(got.Access, jose.ES256, "at+jwt")
}
