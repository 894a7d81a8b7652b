package connectors

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/credentials"
)

// nodeClient is a client of an issuer on Node, by the names of RFC 7591.
type nodeClient struct {
	ID        string   `json:"client_id"`
	Secret    string   `json:"client_secret,omitempty"`
	Redirects []string `json:"redirect_uris"`
	Method    string   `json:"token_endpoint_auth_method"`
	Algorithm string   `json:"id_token_signed_response_alg,omitempty"`
}

// nodeIssuer is what testdata/oidc-provider/issuer.mjs is given.
type nodeIssuer struct {
	Methods       []string                  `json:"methods"`
	IDTokenClaims bool                      `json:"id_token_claims"`
	Clients       []nodeClient              `json:"clients"`
	People        map[string]map[string]any `json:"people"`
	Keys          jose.JSONWebKeySet        `json:"jwks"`
}

// nodeKeys are those that issuers on Node sign with.
var nodeKeys = sync.OnceValue(func() jose.JSONWebKeySet {
	rs256, err1 := rsa.GenerateKey(rand.Reader, 2048)
	es256, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: rs256, KeyID: "r", Algorithm: "RS256", Use: "sig"}, {Key: es256, KeyID: "e", Algorithm: "ES256", Use: "sig"}}}
})

// oddSecret has what a form and a Basic header encode differently. HS256 needs
// 32 bytes of it.
const oddSecret = "p%20q+r:s&t=u/v \"w\" 0123456789abcdef"

// The methods of clients of a nodeIssuer.
const (
	basic = "client_secret_basic"
	post  = "client_secret_post"
	none  = "none"
)

// client is a client with the name of how it authenticates.
func client(id, method string) nodeClient {
	c := nodeClient{ID: id, Redirects: []string{callback}, Method: method}
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
func startNode(t *testing.T, n nodeIssuer) *OIDC {
	t.Helper()
	if _, err := os.Stat("testdata/oidc-provider/node_modules/oidc-provider"); err != nil {
		t.Fatal("the issuer's packages are not installed: run `scripts/setup.sh test` and the tests again")
	}
	n.People, n.Keys = nodePeople, nodeKeys()
	argument, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "issuer.mjs", string(argument))
	cmd.Dir = "testdata/oidc-provider"
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe() // at whose end it ends, however these tests do
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting node: %v: run `scripts/setup.sh test` and the tests again", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	var said struct{ Issuer string }
	if err := out.(*os.File).SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &said)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("the issuer does not start: %v: %s", err, stderr.String())
	}
	return &OIDC{ID: "corp", Name: "Northwind SSO", Issuer: said.Issuer, ClientID: n.Clients[0].ID,
		ClientSecret: credentials.NewSecret(n.Clients[0].Secret), Scopes: []string{"openid", "profile", "email", "support"},
		RedirectURI: callback, Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}},
		MaxAge: 15 * time.Minute, Now: time.Now}
}

// as is the same issuer by another client of it.
func (o *OIDC) as(c nodeClient) *OIDC {
	return &OIDC{ID: o.ID, Name: o.Name, Issuer: o.Issuer, ClientID: c.ID, ClientSecret: credentials.NewSecret(c.Secret), Scopes: o.Scopes,
		RedirectURI: o.RedirectURI, Allow: o.Allow, MaxAge: o.MaxAge, Now: o.Now}
}

// norma is at the issuer's pages.
func norma(t *testing.T) *browser { return newBrowser(t, "login", "norma", "password", "x") }
