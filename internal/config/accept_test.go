package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What must go on loading: forms that a stricter reading would refuse.
func TestAccepted(t *testing.T) {
	t.Parallel()
	uris := `    redirect_uris: ["https://docs.northwind.example/callback"]`
	for name, edit := range map[string][2]string{
		"no drain":               {"listen: 127.0.0.1:8400", "listen: 127.0.0.1:8400\ndrain: 0s"},
		"every address":          {"listen: 127.0.0.1:8400", "listen: :8400\nmetrics: '[::1]:9100'"},
		"absolute SQLite":        {"sqlite:valetkey.db", "sqlite:/var/lib/valetkey.db"},
		"PostgreSQL by socket":   {"sqlite:valetkey.db", "postgres:///valetkey?host=/run/postgresql"},
		"PostgreSQL and direct":  {"sqlite:valetkey.db", "postgresql://u@h/v\ndatabase_direct: postgres://u@h:5433/v"},
		"empty optional keys":    {"listen: 127.0.0.1:8400", "listen: 127.0.0.1:8400\ndatabase_direct: ''\nmetrics: ''\nnever: []\ntrusted_proxies: []"},
		"idle as long as token":  {"    idle: 15m", "    idle: 5m"},
		"idle as long as all":    {"    idle: 15m", "    idle: 1h"},
		"weak PIN":               {"    idle: 15m", "    idle: 15m\n    digits: 4\n    weak_pin: accepted\n    contact: bound"},
		"uses of a password":     {"    idle: 30m", "    idle: 30m\n    uses: 3"},
		"holder":                 {"    idle: 30m", "    idle: 30m\n    agent: holder"},
		"http on loopback":       {uris, "    redirect_uris: ['http://127.0.0.1:3000/cb', 'http://localhost/cb', 'http://[::1]:1/cb']"},
		"public, own scheme":     {"    secret: \"${DOCS_SECRET}\"\n" + uris, "    public: true\n    redirect_uris: ['com.example.app:/cb']"},
		"public said to be not":  {uris, uris + "\n    public: false"},
		"standard client scopes": {`    scopes: ["documents.*"]`, "    scopes: [openid, offline_access, documents.read, '*']"},
		"origins":                {uris, uris + "\n    origins: ['https://a.example', 'http://localhost:3000']"},
		"JSON":                   {"brand:\n  product: Northwind Docs\n  support: Northwind Support", `brand: {"product": "Northwind Docs", "support": "Northwind Support"}`},
		"lower-case base32":      {"JBSWY3DPEHPK3PXP", "jbswy3dpehpk3pxp"},
		"account from claims": {"  - id: customers\n    local:\n      - username: olga\n        password_hash: " + testHash + "\n        account: {id: acct-1, handle: 0012}",
			"  - id: customers\n    account: {id: tenant}\n    local:\n      - username: olga\n        password_hash: " + testHash + "\n        claims: {tenant: acct-1}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(base, edit[0]) {
				t.Fatalf("base has no %q", edit[0])
			}
			c := mustParse(t, strings.Replace(base, edit[0], edit[1], 1))
			if id := c.Owners[0].Local[0].Account.ID; id != "acct-1" {
				t.Errorf("account = %q", id)
			}
		})
	}
}

func TestByteOrderMarkIsNoKey(t *testing.T) {
	t.Parallel()
	if c := mustParse(t, "\ufeff"+base); c.Owners[0].Local[0].Account.ID != "acct-1" {
		t.Errorf("owners = %+v", c.Owners)
	}
}

func TestAgentsAreOptionalWhereHoldersEnter(t *testing.T) {
	t.Parallel()
	text := strings.Replace(base, between("agents:", "scopes:\n"), "", 1)
	text = strings.Replace(text, text[strings.Index(text, "  two-day:"):strings.Index(text, "  login:")], "", 1)
	if c := mustParse(t, strings.Replace(text, "    idle: 30m", "    idle: 30m\n    agent: holder", 1)); len(c.Agents) != 0 {
		t.Errorf("agents = %+v", c.Agents)
	}
}

func TestMayAndMintKeepTheirOrder(t *testing.T) {
	t.Parallel()
	c := mustParse(t, strings.NewReplacer(
		"  - id: customers\n", "  - id: customers\n    may: {role: {user: [documents.read], owner: ['documents.*']}, https://a.example/tier: {gold: documents.write}}\n",
		"    idle: 15m", "    idle: 15m\n    mint: {role: [owner, admin], active: true}",
	).Replace(base))
	wantMay := MayRules{
		{"role", "user", []string{"documents.read"}},
		{"role", "owner", []string{"documents.*"}},
		{"https://a.example/tier", "gold", []string{"documents.write"}},
	}
	if diff := cmp.Diff(wantMay, c.Owners[0].May); diff != "" || !c.Owners[0].MayPresent {
		t.Errorf("may (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ClaimRules{{"role", []string{"owner", "admin"}}, {"active", []string{"true"}}}, c.Policies[0].Mint); diff != "" {
		t.Errorf("mint (-want +got):\n%s", diff)
	}
}

// A may without rules lends nothing, which is not the same as no may.
func TestEmptyMayIsPresent(t *testing.T) {
	t.Parallel()
	c := mustParse(t, strings.Replace(base, "  - id: customers\n", "  - id: customers\n    may: {}\n", 1))
	if o := c.Owners[0]; !o.MayPresent || len(o.May) != 0 {
		t.Errorf("may = %v, present %v", o.May, o.MayPresent)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(
		"    allow: {groups: support}\n", "",
		"        totp: JBSWY3DPEHPK3PXP\n", "",
		"agents:\n", "agents:\n  - id: corp\n    allow: {groups: support}\n    oidc: {issuer: 'https://i.example/', client_id: c}\n",
		"id: staff", "id: customers",
	).Replace(base)
	var got []string
	for _, w := range mustParse(t, text).Warnings {
		got = append(got, strings.TrimPrefix(w.String(), "/etc/valetkey/v.yaml:"))
	}
	want := []string{
		"9: owners[customers]: has no allow, so everyone listed may sign in; add allow to say who may",
		"11: owners[customers].local[olga]: signs in with a password alone; add totp",
		"18: agents[customers]: has no allow, so everyone listed may sign in; add allow to say who may",
		"18: agents[customers].id: is also the id of an owners connector, so an owner and an agent of the same username have the same subject; choose another id",
		"20: agents[customers].local[sam]: signs in with a password alone; add totp",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLaterFeaturesWarn: what this version lacks and refuses by itself is a
// warning, so that one file can serve several versions.
func TestLaterFeaturesWarn(t *testing.T) {
	t.Parallel()
	const secret = "    secret: \"${DOCS_SECRET}\"\n"
	for lines, key := range map[string]string{
		"    secret: short\n":                                   "clients[docs].secret",
		secret + "    require: {pkce: false}\n":                 "clients[docs].require.pkce",
		secret + "    ssf_push_uris: ['https://a.example/e']\n": "clients[docs].ssf_push_uris",
		secret + "    enforces: guard\n":                        "clients[docs].enforces",
		secret + "    grants: [authorization_code, 'urn:ietf:params:oauth:grant-type:token-exchange']\n": "clients[docs].grants",
	} {
		found := false
		for _, w := range mustParse(t, strings.Replace(base, secret, lines, 1)).Warnings {
			found = found || w.Key == key
		}
		if !found {
			t.Errorf("no warning about %s", key)
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond,
		"1d2h3m4s5ms": 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond, "3650d": longestDuration, "0s": 0,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "-5m", "+5m", "1.5h", "5 m", "5M", "1h1h", "1s1m", "999999999d", "3650d1s", "9999999999s", "1w", "1us"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
}
