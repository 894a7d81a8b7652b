package testkit

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is an OpenID Provider on Node: oidc-provider, which is certified. Its
// members are what testdata/oidc-provider/issuer.mjs is given.
type Issuer struct {
	Methods       []string                  `json:"methods"`         // in which its clients may authenticate
	IDTokenClaims bool                      `json:"id_token_claims"` // all claims are in ID tokens, not at userinfo only
	Clients       []IssuerClient            `json:"clients"`
	People        map[string]map[string]any `json:"people"` // claims by login; any password is right
	Keys          jose.JSONWebKeySet        `json:"jwks"`   // private, RS256 and ES256 unless they are given
}

// IssuerClient is a client of an Issuer, by the names of RFC 7591.
type IssuerClient struct {
	ID        string   `json:"client_id"`
	Secret    string   `json:"client_secret,omitempty"`
	Redirects []string `json:"redirect_uris"`
	Method    string   `json:"token_endpoint_auth_method"`
	Algorithm string   `json:"id_token_signed_response_alg,omitempty"`
}

var issuerKeys = sync.OnceValue(func() jose.JSONWebKeySet {
	rs256, err1 := rsa.GenerateKey(rand.Reader, 2048)
	es256, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: rs256, KeyID: "r", Algorithm: "RS256", Use: "sig"}, {Key: es256, KeyID: "e", Algorithm: "ES256", Use: "sig"}}}
})

// startLimit bounds the wait for another program; it is no expectation of speed.
const startLimit = 2 * time.Minute

// Start runs it until the test is over, and returns its issuer identifier.
func (i Issuer) Start(t testing.TB) string {
	t.Helper()
	cmd, err := i.command()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err1 := cmd.StdinPipe() // at whose end it ends, however these tests do
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting node: %v: "+install, err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	var said struct{ Issuer string }
	err = out.(*os.File).SetReadDeadline(time.Now().Add(startLimit))
	if err == nil {
		err = json.NewDecoder(bufio.NewReader(out)).Decode(&said)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("the issuer does not start: %v: %s", err, stderr.String())
	}
	return said.Issuer
}

// command is how it is started.
func (i Issuer) command() (*exec.Cmd, error) {
	module, err := root()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(module, "internal", "testkit", "testdata", "oidc-provider")
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "oidc-provider")); err != nil {
		return nil, fmt.Errorf("oidc-provider is not installed: %s", install)
	}
	if len(i.Keys.Keys) == 0 {
		i.Keys = issuerKeys()
	}
	argument, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "issuer.mjs", string(argument)) //nolint:gosec // our own
	cmd.Dir = folder
	return cmd, nil
}
