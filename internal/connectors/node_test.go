package connectors

import (
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/testkit"
)

// oddSecret has what a form and a Basic header encode differently. HS256 needs
// 32 bytes of it.
const oddSecret = "p%20q+r:s&t=u/v \"w\" 0123456789abcdef"

// The methods of clients of a testkit.Issuer.
const (
	basic = "client_secret_basic"
	post  = "client_secret_post"
	none  = "none"
)

// client is a client with the name of how it authenticates.
func client(id, method string) testkit.IssuerClient {
	c := testkit.IssuerClient{ID: id, Redirects: []string{callback}, Method: method}
	if method != none {
		c.Secret = oddSecret
	}
	return c
}

// norma may give support at the issuer on Node; otto may not.
var nodePeople = map[string]map[string]any{
	"norma": {
		"name": "Norma Night", "preferred_username": "norma.n", "email": "norma@northwind.example", "email_verified": true,
		"groups": []string{"support", "night"}, "level": 9007199254740991,
		"https://northwind.example/role": "owner", "account.id": "acme", "account": map[string]any{"id": "globex"},
	},
	"otto": {"groups": []string{"sales"}},
}

// startNode runs an issuer until the test is over, and returns how agents sign
// in there, by its first client.
func startNode(t *testing.T, n testkit.Issuer) *OIDC {
	t.Helper()
	n.People = nodePeople
	return &OIDC{ID: "corp", Name: "Northwind SSO", Issuer: n.Start(t), ClientID: n.Clients[0].ID,
		ClientSecret: credentials.NewSecret(n.Clients[0].Secret), Scopes: []string{"openid", "profile", "email", "support"},
		RedirectURI: callback, Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}},
		MaxAge: 15 * time.Minute, Now: time.Now}
}

// as is the same issuer by another client of it.
func (o *OIDC) as(c testkit.IssuerClient) *OIDC {
	return &OIDC{ID: o.ID, Name: o.Name, Issuer: o.Issuer, ClientID: c.ID, ClientSecret: credentials.NewSecret(c.Secret), Scopes: o.Scopes,
		RedirectURI: o.RedirectURI, Allow: o.Allow, MaxAge: o.MaxAge, Now: o.Now}
}

// norma is at the issuer's pages.
func norma(t *testing.T) *browser { return newBrowser(t, "login", "norma", "password", "x") }
