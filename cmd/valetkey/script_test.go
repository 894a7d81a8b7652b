package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/valetkey/valetkey/credentials"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"valetkey": main})
}

// TestScripts runs the program as operators do; see testdata/script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			return os.WriteFile(filepath.Join(env.WorkDir, "valetkey.yaml"), []byte(smallConfig), 0o600)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"seed": seed, "mode": mode, "replace": replace, "used": exits(exitUsage), "failed": exits(exitFailed),
		},
	})
}

// smallConfig is the least that a broker with one policy needs.
const smallConfig = `issuer: https://access.northwind.example
listen: 127.0.0.1:0
database: sqlite:valetkey.db
secrets: valetkey.secrets
drain: 0s
brand: {product: Northwind Docs, support: Northwind Support}
owners:
  - id: customers
    oidc: {issuer: "https://id.northwind.example", client_id: valetkey}
    allow: {role: [owner, admin]}
    account: {id: account_id}
agents:
  - id: local
    local:
      - {username: sam, password_hash: "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", totp: JBSWY3DPEHPK3PXP}
scopes:
  documents.read: {label: View documents, kind: view}
  billing.read: {label: See invoices, kind: billing}
policies:
  support-pin: {name: Support PIN, kind: pin, mint: {role: [owner]}, digits: 6, redeem_within: 15m, uses: 1, tries: 5, session: 30m, idle: 10m, scopes: [documents.read]}
  temporary-login: {name: Temporary login, kind: password, email_domain: support.northwind.example, redeem_within: {choices: [1h, 4h], default: 4h}, uses: unlimited, session: 8h, idle: 30m, scopes: [documents.read]}
clients:
  - {id: docs, secret: 0123456789abcdef0123456789abcdef, redirect_uris: ["https://docs.northwind.example/callback"], audience: "https://docs.northwind.example/api", scopes: ["documents.*"], grants: [authorization_code], enforces: introspection}
`

// seed FILE does what a broker would: an owner mints, one agent redeems, and
// another one tries a wrong PIN.
func seed(ts *testscript.TestScript, _ bool, args []string) {
	cfg, r, err := loadRules(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := newBroker(context.Background(), cfg, r, slog.New(slog.DiscardHandler))
	ts.Check(err)
	defer b.store.Close()
	mint := &credentials.Minter{Store: b.store, Hasher: b.hasher, Catalogue: r.catalogue, Policies: r.policies}
	m, err := mint.Mint(context.Background(), credentials.MintRequest{
		Account: credentials.Account{ID: "acme", Connector: "customers", Name: "Acme Corp", Handle: "AC-100"}, Policy: "support-pin",
		Owner: credentials.Owner{Issuer: "https://id.northwind.example", Subject: "olivia", Name: "Olivia Owner", Claims: map[string][]string{"role": {"owner"}}},
	})
	ts.Check(err)
	redeem := &credentials.Redeemer{Store: b.store, Hasher: b.hasher}
	agent := func(name string) credentials.Agent {
		return credentials.Agent{Issuer: cfg.Issuer, Subject: "local:" + name, Name: name, Connector: "local", AuthTime: time.Now(), AMR: []string{"pwd"}}
	}
	_, err = redeem.PIN(context.Background(), credentials.NewID(), agent("sam"), "AC-100", m.Secret, "ticket 4711")
	ts.Check(err)
	if _, err = redeem.PIN(context.Background(), credentials.NewID(), agent("dana"), "AC-100", credentials.NewSecret("000000"), ""); err == nil {
		ts.Fatalf("a dead PIN opens something")
	}
	ts.Setenv("SAM", agent("sam").Key())
}

// mode FILE WANT checks a file's permissions.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := info.Mode().String(); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// replace FILE OLD NEW changes the first place in a file.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	changed := strings.Replace(string(text), args[1], args[2], 1)
	if changed == string(text) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, []byte(changed), 0o600))
}

// exits makes the commands used and failed, which run the program and want its exit code to be 2, and 1; on
// standard output there is nothing, on standard error something.
func exits(want int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		err := ts.Exec(args[0], args[1:]...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != want {
			ts.Fatalf("%v, want exit code %d", err, want)
		}
		if said := ts.ReadFile("stderr"); strings.TrimSpace(said) == "" {
			ts.Fatalf("nothing says why")
		}
	}
}
