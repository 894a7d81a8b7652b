package e2e

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// nodeClient is a client of an issuer on Node, by the names of RFC 7591.
type nodeClient struct {
	ID        string   `json:"client_id"`
	Secret    string   `json:"client_secret"`
	Redirects []string `json:"redirect_uris"`
	Method    string   `json:"token_endpoint_auth_method"`
}

// nodeIssuer is what the issuer on Node is given: see issuer.mjs.
type nodeIssuer struct {
	Methods       []string                  `json:"methods"`
	IDTokenClaims bool                      `json:"id_token_claims"`
	Clients       []nodeClient              `json:"clients"`
	People        map[string]map[string]any `json:"people"`
	Keys          jose.JSONWebKeySet        `json:"jwks"`
}

// nodeKeys are those that issuers on Node sign with.
var nodeKeys = sync.OnceValue(func() jose.JSONWebKeySet {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "r", Algorithm: "RS256", Use: "sig"}}}
})

// nodeIssuerFolder has oidc-provider, a certified OpenID Provider, and the
// script that runs it. The tests of connectors use the same.
const nodeIssuerFolder = "../internal/connectors/testdata/oidc-provider"

// startIssuer runs one on Node until the test is over, and returns its issuer.
func startIssuer(t testing.TB, n nodeIssuer) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(nodeIssuerFolder, "node_modules", "oidc-provider")); err != nil {
		t.Fatal("oidc-provider is not installed: run `make setup` and the tests again")
	}
	n.Keys = nodeKeys()
	argument, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "issuer.mjs", string(argument))
	cmd.Dir = nodeIssuerFolder
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
		t.Fatalf("starting node: %v: run `make setup` and the tests again", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	var said struct{ Issuer string }
	_ = out.(*os.File).SetReadDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &said)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("the issuer does not start: %v: %s", err, stderr.String())
	}
	return said.Issuer
}
