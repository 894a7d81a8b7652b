package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testHash = "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// base is the least that loads, one key a line so that tests can replace lines.
const base = `issuer: https://access.northwind.example
listen: 127.0.0.1:8400
database: sqlite:valetkey.db
secrets: valetkey.secrets
brand:
  product: Northwind Docs
  support: Northwind Support
owners:
  - id: customers
    local:
      - username: olga
        password_hash: ` + testHash + `
        account: {id: acct-1, handle: 0012}
agents:
  - id: staff
    allow: {groups: support}
    local:
      - username: sam
        claims: {groups: [support, tier2], level: 3}
        password_hash: ` + testHash + `
        totp: JBSWY3DPEHPK3PXP
scopes:
  documents.read: {label: View documents, kind: view}
  billing.read: {kind: billing}
  documents.write: {label: Edit documents, kind: change}
policies:
  two-day:
    kind: pin
    redeem_within: 1d12h
    session: 1h
    idle: 15m
    scopes: [documents.read]
  login:
    kind: password
    email_domain: support.northwind.example
    redeem_within: {choices: [1h, 7d], default: 7d}
    session: 8h
    idle: 30m
    scopes: [documents.read, documents.write]
clients:
  - id: docs
    secret: "${DOCS_SECRET}"
    redirect_uris: ["https://docs.northwind.example/callback"]
    scopes: ["documents.*"]
  - id: settings
    secret: settings-secret-0123456789
    grants: [client_credentials]
    api: [credentials.mint]
    owner_proof: trusted
`

var baseEnv = lookup(map[string]string{"DOCS_SECRET": "docs-secret-0123456789", "EMPTY": "", "NUL": "a\x00b", "DIGITS": "8", "BAD": "hunter2-marker"})

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("/etc/valetkey/v.yaml", []byte(text), baseEnv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseFillsDefaults(t *testing.T) {
	t.Parallel()
	c := mustParse(t, base)
	type top struct {
		DB, Direct           Path
		Secrets              Path
		Migrate              string
		Poll, Drain          time.Duration
		Access, Code, Rotate time.Duration
		LogFormat, LogLevel  string
		Metrics              string
		Insecure, MayPresent bool
	}
	got := top{c.Database.SQLite, c.DatabaseDirect.SQLite, c.Secrets, c.Migrate, c.Poll, c.Drain, c.Tokens.Access,
		c.Tokens.Code, c.Keys.Rotate, c.Log.Format, c.Log.Level, c.Metrics, c.Insecure(), c.Owners[0].MayPresent}
	want := top{"/etc/valetkey/valetkey.db", "/etc/valetkey/valetkey.db", "/etc/valetkey/valetkey.secrets", "auto",
		250 * time.Millisecond, 15 * time.Second, 5 * time.Minute, time.Minute, 30 * 24 * time.Hour, "text", "info", "", false, false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("top level (-want +got):\n%s", diff)
	}
	wantOwner := Account{ID: "acct-1", Name: "acct-1", Handle: "0012"}
	if diff := cmp.Diff(wantOwner, c.Owners[0].Local[0].Account); diff != "" {
		t.Errorf("owner's account (-want +got):\n%s", diff)
	}
	agent := c.Agents[0]
	if agent.MaxAge != 15*time.Minute || agent.Name != "staff" || agent.Local[0].Name != "sam" {
		t.Errorf("agent: %+v", agent)
	}
	if diff := cmp.Diff(ClaimRules{{"groups", []string{"support"}}}, agent.Allow); diff != "" {
		t.Errorf("a single value is a list of one (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Claims{"groups": {"support", "tier2"}, "level": {"3"}}, agent.Local[0].Claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestParseKeepsOrderAndPolicyDefaults(t *testing.T) {
	t.Parallel()
	c := mustParse(t, base)
	wantScopes := []Scope{
		{"documents.read", "View documents", "view"},
		{"billing.read", "billing.read", "billing"},
		{"documents.write", "Edit documents", "change"},
	}
	if diff := cmp.Diff(wantScopes, c.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	day := 24 * time.Hour
	wantPolicies := []Policy{{
		ID: "two-day", Name: "two-day", Kind: "pin", Digits: 6, Tries: 5, Uses: Uses{N: 1},
		RedeemWithin: RedeemWithin{[]time.Duration{36 * time.Hour}, 36 * time.Hour},
		Session:      time.Hour, Idle: 15 * time.Minute, Scopes: []string{"documents.read"}, Confirm: "never", Agent: "sso",
	}, {
		ID: "login", Name: "login", Kind: "password", EmailDomain: "support.northwind.example", Uses: Uses{Unlimited: true},
		RedeemWithin: RedeemWithin{[]time.Duration{time.Hour, 7 * day}, 7 * day},
		Session:      8 * time.Hour, Idle: 30 * time.Minute, Scopes: []string{"documents.read", "documents.write"}, Confirm: "never", Agent: "sso",
	}}
	if diff := cmp.Diff(wantPolicies, c.Policies); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
}

func TestParseClientDefaults(t *testing.T) {
	t.Parallel()
	c := mustParse(t, base)
	want := []Client{{
		ID: "docs", Name: "docs", Secret: "docs-secret-0123456789", RedirectURIs: []string{"https://docs.northwind.example/callback"},
		Audience: "docs", Scopes: []string{"documents.*"}, Grants: []string{GrantCode}, Owners: "customers", Enforces: "none",
		Subject: "guest", Claims: []string{"name"}, IDTokenAlg: "RS256", Require: Require{PKCE: true},
	}, {
		ID: "settings", Name: "settings", Secret: "settings-secret-0123456789", Grants: []string{GrantClient},
		API: []string{"credentials.mint"}, Owners: "customers", OwnerProof: "trusted", Enforces: "none",
		Subject: "guest", Claims: []string{"name"}, IDTokenAlg: "RS256", Require: Require{PKCE: true},
	}}
	if diff := cmp.Diff(want, c.Clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	if !c.Clients[1].Has(GrantClient) || c.Clients[1].Has(GrantCode) || !c.Clients[1].MayAPI("credentials.mint") || c.Clients[0].MayAPI("credentials.mint") {
		t.Error("Has and MayAPI disagree with the lists")
	}
}

func TestLineOf(t *testing.T) {
	t.Parallel()
	c := mustParse(t, base)
	line := func(part string) int {
		before, _, ok := strings.Cut(base, part)
		if !ok {
			t.Fatalf("no %q in base", part)
		}
		return 1 + strings.Count(before, "\n")
	}
	for key, want := range map[string]int{
		"issuer":                         1,
		"policies.two-day.idle":          line("    idle: 15m"),
		"policies.two-day.digits":        line("  two-day:"), // absent: the policy
		"policies.gone.digits":           line("policies:"),
		"clients[docs].redirect_uris[0]": line("    redirect_uris"),
		"agents[staff].local[sam].totp":  line("        totp"),
		"scopes.documents.read.kind":     line("  documents.read: {label"),
		"scopes.billing.read.label":      line("  billing.read: {kind"),
		"log.level":                      1,
		"":                               1,
	} {
		if got := c.LineOf(key); got != want {
			t.Errorf("LineOf(%q) = %d, want %d", key, got, want)
		}
	}
	p := c.Problem("policies.two-day.scopes[0]", "lends %s, which is never lent; remove it", "x")
	want := fmt.Sprintf("/etc/valetkey/v.yaml:%d: policies.two-day.scopes[0]: lends x, which is never lent; remove it", line("    scopes: [documents.read]\n  login"))
	if p.String() != want {
		t.Errorf("got  %s\nwant %s", p, want)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	c := mustParse(t, strings.Replace(base, "sqlite:valetkey.db", "postgres://u:pg-marker@db/valetkey", 1))
	if c.Database.Postgres.Reveal() != "postgres://u:pg-marker@db/valetkey" {
		t.Error("Reveal does not return the text")
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprintf("%v %+v %#v %v", *c, *c, *c, c.Clients), string(encoded)} {
		for _, secret := range []string{"docs-secret", "settings-secret", "pg-marker", "JBSWY3DPEHPK3PXP", "c2FsdHNhbHQ"} {
			if strings.Contains(out, secret) {
				t.Errorf("%s was printed", secret)
			}
		}
	}
}

func TestExpansion(t *testing.T) {
	t.Parallel()
	c := mustParse(t, strings.NewReplacer(
		"product: Northwind Docs", `product: "a $${DOCS_SECRET} $5 $ ${DIGITS}${DIGITS}"`,
		"support: Northwind Support", "support: |-\n    ${DIGITS} people",
		"    kind: pin\n", "    kind: pin\n    digits: ${DIGITS}\n",
	).Replace(base+"# ${NOT_SET} in a comment is no variable\n"))
	if want := "a ${DOCS_SECRET} $5 $ 88"; c.Brand.Product != want {
		t.Errorf("product = %q, want %q", c.Brand.Product, want)
	}
	if c.Brand.Support != "8 people" || c.Policies[0].Digits != 8 {
		t.Errorf("support = %q, digits = %d", c.Brand.Support, c.Policies[0].Digits)
	}
}

func TestInsecure(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost:8400", "127.0.0.1:8400", "[::1]:8400", "127.1.2.3"} {
		if c := mustParse(t, strings.Replace(base, "https://access.northwind.example", "http://"+host, 1)); !c.Insecure() {
			t.Errorf("http://%s is not insecure", host)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	path := filepath.Join(dir, "v.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(base, "${DOCS_SECRET}", "docs-secret-0123456789", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := Path(filepath.Join(dir, "valetkey.db")); c.Database.SQLite != want {
		t.Errorf("database = %s, want %s", c.Database.SQLite, want)
	}
}
