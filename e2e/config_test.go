package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// Where the relying apps of the tests are called back. Nobody listens there:
// the tests' browser stops before it follows.
const (
	docsCallback    = "http://127.0.0.1:4711/callback"
	filesCallback   = "http://127.0.0.1:4712/callback"
	metricsCallback = "http://127.0.0.1:4713/callback?from=valetkey"
)

// The audiences of the two products.
const (
	docsAudience    = "https://docs.northwind.example/api"
	metricsAudience = "https://metrics.northwind.example/api"
)

// person is one of the support staff.
type person struct {
	username string
	name     string
	totp     string // name of the environment variable with the secret, or nothing
}

// Sam is the one with a second factor. A code works once, so only a test that
// signs Sam in once can use him; the agents are for all others.
var (
	sam  = person{username: "sam", name: "Sam Rivera", totp: "SAM_TOTP"}
	dana = agent(0)
)

const agentCount = 12

// agent returns one of agentCount people without a second factor. Wrong PINs
// are counted per agent, so a test that needs many uses several.
func agent(i int) person {
	return person{username: fmt.Sprintf("agent%02d", i), name: fmt.Sprintf("Dana R%02d", i)}
}

// configuration is the file as an operator would write it; secrets come from
// the environment.
const configuration = `
issuer: %[1]s
listen: %[2]s
database: "%[3]s"
secrets: %[4]s
drain: 200ms
log: {format: json, level: debug}
brand: {product: Northwind Docs, support: Northwind Support, accent: "#0b6e4f", help: "https://help.northwind.example"}

owners:
%[12]s

agents:
%[5]s

scopes:
  documents.read:   {label: View documents, kind: view}
  documents.write:  {label: Edit documents, kind: change}
  documents.delete: {label: Delete documents, kind: delete}
  documents.export: {label: Export documents, kind: view}
  settings.write:   {label: Change settings, kind: change}
  billing.read:     {label: See invoices and cards, kind: billing}
  keys.write:       {label: Make API keys, kind: credentials}
  people.write:     {label: Invite people, kind: access}
never: ["*.export"]

policies:
  support-pin:
    name: Support PIN
    kind: pin
    mint: {role: [owner, admin]}
    digits: 6
    redeem_within: 15m
    uses: 1
    tries: 5
    session: 30m
    idle: 10m
    scopes: [documents.read, settings.write]
    confirm: never
  two-day-pin:     {name: Two-day PIN, kind: pin, mint: {role: [owner, admin, user]}, digits: 6, redeem_within: 48h, uses: 1, tries: 5, session: 1h, idle: 15m, scopes: [documents.read]}
  phone-pin:       {name: Phone PIN, kind: pin, contact: bound, digits: 4, weak_pin: accepted, redeem_within: 90m, uses: 1, tries: 3, session: 30m, idle: 10m, scopes: [documents.read]}
  temporary-login: {name: Temporary login, kind: password, email_domain: support.northwind.example, redeem_within: {choices: [1h, 4h, 24h, 7d], default: 4h}, uses: unlimited, session: 8h, idle: 30m, scopes: [documents.read, documents.write], agent: sso}
  # Two that end within a test.
  quick-pin:       {name: Quick PIN, kind: pin, digits: 6, redeem_within: 2s, uses: 1, tries: 5, session: 30m, idle: 10m, scopes: [documents.read]}
  quick-login:     {name: Quick login, kind: password, email_domain: support.northwind.example, redeem_within: 6s, uses: unlimited, session: 8h, idle: 30m, scopes: [documents.read]}

clients:
  - id: docs
    name: Northwind Docs
    secret: "${DOCS_SECRET}"
    redirect_uris: ["%[6]s", "%[7]s"]
    audience: %[10]s
    scopes: ["documents.*", "settings.*", "billing.*"]
    grants: [authorization_code, refresh_token]
    enforces: guard
  - id: files
    name: Northwind Files
    public: true
    redirect_uris: ["%[8]s", "%[7]s"]
    audience: %[10]s
    scopes: ["documents.*"]
    grants: [authorization_code]
    enforces: introspection
    id_token_alg: ES256
  - id: metrics
    name: Northwind Metrics
    secret: "${METRICS_SECRET}"
    redirect_uris: ["%[9]s"]
    audience: %[11]s
    scopes: ["settings.*"]
    grants: [authorization_code, refresh_token]
    enforces: introspection
  - id: settings
    name: Northwind settings
    secret: "${SETTINGS_SECRET}"
    grants: [client_credentials]
    api: [credentials.mint, credentials.read, credentials.revoke, record.read]
    owners: customers
    owner_proof: trusted
  - id: docs-api
    name: Docs API
    secret: "${DOCS_API_SECRET}"
    audience: %[10]s
    grants: [client_credentials]
    api: [actions.write, endings.read]
  - id: console
    name: Northwind console
    secret: "${CONSOLE_SECRET}"
    audience: https://console.northwind.example/api
    scopes: ["documents.*", "billing.*"]
    grants: [client_credentials, refresh_token, "urn:ietf:params:oauth:grant-type:token-exchange"]
    id_token_alg: EdDSA
    api: [credentials.verify]
    owners: customers
    actor_audience: console
  - id: metrics-api
    name: Metrics API
    secret: "${METRICS_API_SECRET}"
    audience: %[11]s
    grants: [client_credentials]
    api: [actions.write, endings.read]
  - id: bank
    name: Northwind Bank
    jwks_file: bank.jwks
    redirect_uris: ["%[7]s"]
    audience: https://bank.northwind.example/api
    scopes: ["documents.*"]
    grants: [authorization_code, refresh_token]
    enforces: introspection
    id_token_alg: ES256
    require: {par: true, dpop: true}
  - id: bank-api
    name: Bank API
    jwks_file: bank.jwks
    grants: [client_credentials]
    api: [credentials.read]
    owners: customers
    require: {dpop: true}
tokens: {access: 5m, code: 60s}
`

// ownersElsewhere sign in where nobody is: such tests mint over the API.
const ownersElsewhere = `  - id: customers
    name: Northwind account
    oidc:
      issuer: https://id.northwind.example
      client_id: valetkey
      client_secret: "${CUSTOMERS_SECRET}"
    allow: {role: [owner, admin, user]}
    account: {id: account_id, name: account_name, handle: account_number}
    may:
      role:
        owner: [documents.read, documents.write, settings.write]
        admin: [documents.read, documents.write, settings.write]
        user: [documents.read]`

// environment makes the secrets that the configuration names, new each time.
func environment() map[string]string {
	env := map[string]string{"SAM_TOTP": (rand.Text() + rand.Text())[:32]} // base32, 160 bits
	for _, name := range []string{
		"CUSTOMERS_SECRET", "DOCS_SECRET", "METRICS_SECRET", "SETTINGS_SECRET", "DOCS_API_SECRET", "METRICS_API_SECRET",
		"CONSOLE_SECRET",
	} {
		env[name] = rand.Text() + rand.Text()
	}
	return env
}

// staffPassword is every local person's; their hash is made once.
var staffPassword = rand.Text()

var staffHash = sync.OnceValue(func() string {
	salt := []byte(rand.Text())[:16]
	key := argon2.IDKey([]byte(staffPassword), salt, 2, 19*1024, 1, 32)
	return fmt.Sprintf("$argon2id$v=19$m=19456,t=2,p=1$%s$%s",
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
})

// localPeople lists the staff in the configuration's form.
func localPeople() string {
	var lines strings.Builder
	lines.WriteString("  - id: local\n    name: Local people\n    local:\n")
	for i := -1; i < agentCount; i++ {
		who := sam
		if i >= 0 {
			who = agent(i)
		}
		totp := ""
		if who.totp != "" {
			totp = fmt.Sprintf(", totp: \"${%s}\"", who.totp)
		}
		fmt.Fprintf(&lines, "      - {username: %s, name: %s, email: %s@northwind.example, claims: {groups: [support]}, password_hash: \"%s\"%s}\n",
			who.username, who.name, who.username, staffHash(), totp)
	}
	return strings.TrimRight(lines.String(), "\n")
}
