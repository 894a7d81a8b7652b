package config

import (
	"errors"
	"strings"
	"testing"
)

// bad is one thing wrong with base. The line that put marks with "#!" is the one
// that the problem must name; without a mark it is line 1.
type bad struct {
	name string
	from string // replaced once in base
	put  string
	key  string
	text string // part of the sentence
}

func (b bad) run(t *testing.T) {
	t.Helper()
	if !strings.Contains(base, b.from) {
		t.Fatalf("base has no %q", b.from)
	}
	text := strings.Replace(base, b.from, b.put, 1)
	line := 1
	if before, _, marked := strings.Cut(text, "#!"); marked {
		line += strings.Count(before, "\n")
	}
	_, err := Parse("v.yaml", []byte(text), baseEnv)
	var ps Problems
	if !errors.As(err, &ps) {
		t.Fatalf("got error %v, want problems", err)
	}
	for _, p := range ps {
		if p.Key == b.key && strings.Contains(p.Text, b.text) {
			if p.Line != line {
				t.Errorf("line %d, want %d: %s", p.Line, line, p)
			}
			if len(ps) > 1 {
				t.Errorf("one thing is wrong, so there should be one problem:\n%v", ps)
			}
			return
		}
	}
	t.Errorf("no problem of %q with %q in:\n%v", b.key, b.text, ps)
}

func runAll(t *testing.T, cases []bad) {
	for _, b := range cases {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			b.run(t)
		})
	}
}

func TestReadingProblems(t *testing.T) {
	t.Parallel()
	runAll(t, []bad{
		{"syntax", "listen: 127.0.0.1:8400", "listen: 'x #!\n", "", "is not valid YAML"},
		{"unknown key", "listen: 127.0.0.1:8400", "listen: 127.0.0.1:8400\npols: 1s #!", "pols", "did you mean poll?"},
		{"unknown key far from all", "listen: 127.0.0.1:8400", "listen: 127.0.0.1:8400\nsomething: 1s #!", "something", "see config.example.yaml"},
		{"value cut at a comma", "        totp: JBSWY3DPEHPK3PXP", "        totp: JBSWY3DPEHPK3PXP\n      - {username: p, totp: JBSWY3DPEHPK3PXP, password_hash: '" + testHash + "', name: a,t=3} #!", "agents[staff].local[p]", "put quotes around"},
		{"unknown key within", "    idle: 15m", "    idle: 15m\n    sesion: 1h #!", "policies.two-day.sesion", "did you mean session?"},
		{"swapped letters", "    idle: 15m", "    idle: 15m\n    digist: 6 #!", "policies.two-day.digist", "did you mean digits?"},
		{"repeated key", "    idle: 15m", "    idle: 15m\n    idle: 16m #!", "policies.two-day.idle", "is written twice, first on line 31"},
		{"repeated scope", "  billing.read: {kind: billing}", "  documents.read: {kind: view} #!", "scopes.documents.read", "is written twice"},
		{"missing key", "issuer: https://access.northwind.example\n", "", "issuer", "is missing; add it: the public URL"},
		{"missing nested key", "brand:\n  product: Northwind Docs\n  support: Northwind Support", "brand: #!\n  product: x", "brand.support", "is missing; add it: the name of your support team"},
		{"missing in a list", "  - id: docs\n    secret", "  - secret: x-secret-0123456789 #!\n    name", "clients[0].id", "is missing"},
		{"no value", "    session: 1h", "    session: #!", "policies.two-day.session", "has no value"},
		{"empty text", "  product: Northwind Docs", "  product: '' #!", "brand.product", "is empty; write the name of your product"},
		{"list for a text", "issuer: https://access.northwind.example", "issuer: [a] #!", "issuer", "must be a single value, not a list"},
		{"text for a list", `    scopes: ["documents.*"]`, "    scopes: documents.read #!", "clients[docs].scopes", "must be a list"},
		{"text for a mapping", "    redeem_within: {choices: [1h, 7d], default: 7d}", "    redeem_within: {choices: 1h} #!", "policies.login.redeem_within.choices", "must be a list"},
		{"list for a mapping", "brand:\n  product: Northwind Docs\n  support: Northwind Support", "brand: [x] #!", "brand", "must be keys with values, not a list"},
		{"true for a text", "  product: Northwind Docs", "  product: true #!", "brand.product", "put quotes around it"},
		{"text for a number", "    idle: 15m", "    idle: 15m\n    digits: six #!", "policies.two-day.digits", "must be a whole number"},
		{"negative number", "    idle: 15m", "    idle: 15m\n    tries: -1 #!", "policies.two-day.tries", "must be a whole number"},
		{"quoted number", "    idle: 15m", "    idle: 15m\n    digits: '8' #!", "policies.two-day.digits", "without quotes"},
		{"text for a truth value", "    secret: settings-secret-0123456789", "    secret: settings-secret-0123456789\n    public: 'true' #!", "clients[settings].public", "must be true or false"},
		{"duration without unit", "    session: 1h", "    session: 30 #!", "policies.two-day.session", "must be a duration"},
		{"negative duration", "    session: 1h", "    session: -1h #!", "policies.two-day.session", "must be a duration"},
		{"no duration", "    session: 1h", "    session: 0s #!", "policies.two-day.session", "longer than nothing"},
		{"no poll", "listen: 127.0.0.1:8400", "listen: 127.0.0.1:8400\npoll: 0s #!", "poll", "longer than nothing"},
		{"units out of order", "    session: 1h", "    session: 5m1h #!", "policies.two-day.session", "largest unit first"},
		{"endless duration", "    session: 1h", "    session: 4000d #!", "policies.two-day.session", "at most 3650d"},
		{"word not among the words", "    kind: password", "    kind: pasword #!", "policies.login.kind", "did you mean password?"},
		{"word in a list", "    api: [credentials.mint]", "    api: [credentials.mint, credentials.mnt] #!", "clients[settings].api[1]", "did you mean credentials.mint?"},
		{"unset variable", "${DOCS_SECRET}\"", "${NOT_SET}\" #!", "clients[docs].secret", "needs the environment variable NOT_SET, which is not set"},
		{"unset variable in a list", `["documents.*"]`, "[\n      documents.read,\n      \"${NOT_SET}\" #!\n    ]", "clients[docs].scopes[1]", "NOT_SET"},
		{"malformed variable", "  product: Northwind Docs", "  product: ${A-B} #!", "brand.product", "or $${"},
		{"variable of a wrong type", "    idle: 15m", "    idle: 15m\n    digits: ${BAD} #!", "policies.two-day.digits", "must be a whole number"},
		{"anchor", "  product: Northwind Docs", "  product: &a Northwind Docs #!", "brand.product", "anchor"},
		{"tag", "  product: Northwind Docs", "  product: !!str 5 #!", "brand.product", "tag"},
		{"merge key", "  product: Northwind Docs", "  product: x\n  <<: {help: x} #!", "brand", "merge key"},
		{"two documents", "clients:\n", "---\nclients: #!\n", "", "several YAML documents"},
	})
}

func TestFilesThatAreNoConfiguration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "v.yaml:1: is empty; start from config.example.yaml",
		"# nothing but a comment\n":     "v.yaml:1: is empty; start from config.example.yaml",
		"- a\n":                         "v.yaml:1: must be keys with values, such as issuer: https://access.example.com; start from config.example.yaml",
		strings.Repeat("#", maxBytes+1): "v.yaml:1: is larger than 1 MiB; a configuration file is a few kilobytes, so check that this is the right file",
	} {
		if _, err := Parse("v.yaml", []byte(text), baseEnv); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	text := `isuer: https://access.northwind.example
listen: nowhere
database: sqlite:valetkey.db
secrets: valetkey.secrets
brand: {product: Northwind Docs, accent: green}
agents: [{id: Corp}]
scopes:
  documents.read: {kind: view}
policies:
  support-pin:
    kind: pin
    digits: 4
    uses: 2
    redeem_within: 15
    session: 5m
    idle: 10m
    scopes: [documents.raed]
    confirm: always
clients:
  - id: docs
    secret: ${NOT_SET}
  - id: docs
    secret: short
    redirect_uris: [http://docs.northwind.example/cb]
`
	want := `v.yaml:1: isuer: is not a known key; did you mean issuer?
v.yaml:1: issuer: is missing; add it: the public URL of this broker, such as https://access.example.com
v.yaml:2: listen: must be host:port, such as 127.0.0.1:8400, or :8400 for every address of this machine
v.yaml:5: brand.support: is missing; add it: the name of your support team
v.yaml:5: brand.accent: must be a colour written "#rrggbb" in quotes, such as "#0b6e4f"
v.yaml:6: agents[Corp].id: must be an id: lower-case letters, digits, dot, underscore and hyphen, beginning with a letter or digit
v.yaml:6: agents[Corp]: needs oidc, for an upstream OpenID provider, or local, for people listed here; add one
v.yaml:12: policies.support-pin.digits: makes a weak PIN; write at least 6 digits, or weak_pin: accepted beside it
v.yaml:13: policies.support-pin.uses: must be 1: a PIN is used once; only a password can have more uses
v.yaml:14: policies.support-pin.redeem_within: must be a duration in whole d, h, m, s, largest unit first, such as 7d, 1d12h or 15m
v.yaml:16: policies.support-pin.idle: must be at most session; write a shorter one
v.yaml:17: policies.support-pin.scopes[0]: is not in scopes; did you mean documents.read?
v.yaml:18: policies.support-pin.confirm: asks for owner confirmation, which is not available in this version; write confirm: never
v.yaml:20: clients[docs].redirect_uris: needs at least one URL for authorization_code; add it, or write grants: [client_credentials]
v.yaml:21: clients[docs].secret: needs the environment variable NOT_SET, which is not set; set it
v.yaml:22: clients[1].id: is already taken on line 20; choose another
v.yaml:24: clients[1].redirect_uris[0]: must begin with https://; http is accepted on loopback only`
	_, err := Parse("v.yaml", []byte(text), baseEnv)
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
