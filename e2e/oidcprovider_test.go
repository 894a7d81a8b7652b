package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
}

// nodeIssuerFolder has oidc-provider, a certified OpenID Provider, and the
// script that runs it. The tests of connectors use the same.
const nodeIssuerFolder = "../internal/connectors/testdata/oidc-provider"

// startIssuer runs one on Node until the test is over, and returns its issuer.
func startIssuer(t testing.TB, n nodeIssuer) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(nodeIssuerFolder, "node_modules", "oidc-provider")); err != nil {
		t.Fatal("oidc-provider is not installed: run `make setup` and the tests again")
	}
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &said)
	}
	if err != nil {
		_ = in.Close()
		_ = cmd.Wait()
		t.Fatalf("the issuer does not start: %v: %s", err, stderr.String())
	}
	return said.Issuer
}
