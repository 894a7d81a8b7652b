package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/config"
)

const keyedConfig = `issuer: https://access.northwind.example
listen: 127.0.0.1:8400
database: sqlite:valetkey.db
secrets: valetkey.secrets
brand: {product: Northwind Docs, support: Northwind Support}
agents: [{id: local, allow: {groups: [support]}, local: [{username: sam, password_hash: "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}]
scopes: {documents.read: {kind: view}}
policies: {pin: {kind: pin, redeem_within: 15m, session: 30m, idle: 10m, scopes: [documents.read]}}
clients:
  - id: bank
    redirect_uris: ["https://bank.example/cb"]
    scopes: [documents.read]
    require: {par: true, dpop: true}
%s
`

func publicKey(t *testing.T, kid string) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := (&jose.JSONWebKey{Key: k.Public(), KeyID: kid}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestKeysOfClients: written into the configuration or into a file beside it; what
// is wrong with one is told with its line and without the key.
func TestKeysOfClients(t *testing.T) {
	t.Parallel()
	one, two := publicKey(t, "one"), publicKey(t, "two")
	again := publicKey(t, "one")
	secret := strings.Replace(one, "{", `{"d":"SECRETMARK",`, 1)
	many := strings.TrimSuffix(strings.Repeat(strings.Replace(one, `"kid":"one",`, "", 1)+",", 21), ",")
	for name, tc := range map[string]struct {
		lines, file string
		keys        int
		says        string // with its line; empty: nothing is wrong
	}{
		"as JSON":           {"    jwks: {\"keys\":[" + one + "," + two + "]}", "", 2, ""},
		"as YAML":           {"    jwks:\n      keys:\n        - " + one, "", 1, ""},
		"a file":            {"    jwks_file: bank.jwks", `{"keys":[` + one + "," + two + `]}`, 2, ""},
		"two without kid":   {"    jwks: {keys: [" + publicKey(t, "") + "," + publicKey(t, "") + "]}", "", 2, ""},
		"the same kid":      {"    jwks:\n      keys:\n        - " + one + "\n        - " + again, "", 0, "17: clients[bank].jwks.keys[1]: key 2 has a kid that another key has too"},
		"a private key":     {"    jwks:\n      keys:\n        - " + two + "\n        - " + secret, "", 0, "17: clients[bank].jwks.keys[1]: key 2 holds d, a secret part"},
		"no key":            {"    jwks: {keys: [{kty: EC, crv: P-256, x: x, y: y}]}", "", 0, "14: clients[bank].jwks.keys[0]: key 1 is not a public key that can be used"},
		"a private file":    {"    jwks_file: bank.jwks", `{"keys":[` + secret + `]}`, 0, "14: clients[bank].jwks_file: key 1 holds d, a secret part"},
		"no file":           {"    jwks_file: other.jwks", "", 0, "14: clients[bank].jwks_file: cannot be read"},
		"a file of nothing": {"    jwks_file: bank.jwks", `{"keys":[]}`, 0, "14: clients[bank].jwks_file: is not a file with a JSON Web Key Set"},
		"a file of a key":   {"    jwks_file: bank.jwks", one, 0, "14: clients[bank].jwks_file: is not a file with a JSON Web Key Set"},
		"a file of text":    {"    jwks_file: bank.jwks", "SECRETMARK", 0, "14: clients[bank].jwks_file: is not a file with a JSON Web Key Set"},
		"a file of null":    {"    jwks_file: bank.jwks", `{"keys":[null]}`, 0, "14: clients[bank].jwks_file: key 1 is not a public key"},
		"too many":          {"    jwks: {keys: [" + many + "]}", "", 0, "14: clients[bank].jwks: holds 21 keys; keep at most 20"},
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, "valetkey.yaml")
		if err := os.WriteFile(path, []byte(fmt.Sprintf(keyedConfig, tc.lines)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "bank.jwks"), []byte(tc.file), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, r, err := loadRules(path)
		if tc.says == "" {
			if err != nil || len(r.keys["bank"]) != tc.keys {
				t.Errorf("%s: %d keys, %v", name, len(r.keys["bank"]), err)
				continue
			}
			c := wireClients(cfg, r.keys)["bank"]
			if len(c.Keys) != tc.keys || c.Secret != "" || !c.RequirePAR || !c.RequireDPoP {
				t.Errorf("%s: the client is %+v", name, c)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "SECRETMARK") || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNothingIsSaidOfKeysThatTheFileCannotHave beyond what config says.
func TestNothingIsSaidOfKeysThatTheFileCannotHave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "valetkey.yaml")
	if err := os.WriteFile(path, []byte(fmt.Sprintf(keyedConfig, "    jwks: {keys: [1]}")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := loadRules(path)
	problems, is := err.(config.Problems) //nolint:errorlint // as it is returned
	if !is || len(problems) != 1 || problems[0].Key != "clients[bank].jwks.keys[0]" {
		t.Errorf("%v", err)
	}
}
