package config

import (
	"strings"
	"testing"
)

func TestAddressProblems(t *testing.T) {
	t.Parallel()
	issuer := "issuer: https://access.northwind.example"
	listen := "listen: 127.0.0.1:8400"
	database := "database: sqlite:valetkey.db"
	support := "  support: Northwind Support"
	runAll(t, []bad{
		{"issuer with a slash", issuer, issuer + "/ #!", "issuer", "must not end in a slash"},
		{"issuer with a path", issuer, issuer + "/access #!", "issuer", "must have no path"},
		{"issuer with a path and a slash", issuer, issuer + "/access/ #!", "issuer", "must not end in a slash"},
		{"issuer with a query", issuer, issuer + "?a #!", "issuer", "no query"},
		{"issuer with an empty fragment", issuer, "issuer: 'https://a.example/#' #!", "issuer", "no fragment"},
		{"issuer without scheme", issuer, "issuer: access.northwind.example #!", "issuer", "absolute URL"},
		{"issuer in the clear", issuer, "issuer: http://access.northwind.example #!", "issuer", "loopback only"},
		{"issuer like loopback", issuer, "issuer: http://127.0.0.1.northwind.example #!", "issuer", "loopback only"},
		{"issuer with a password", issuer, "issuer: https://u:p@a.example #!", "issuer", "before @"},
		{"listen without port", listen, "listen: localhost #!", "listen", "must be host:port"},
		{"listen with a service name", listen, "listen: localhost:http #!", "listen", "must be host:port"},
		{"metrics on listen", listen, listen + "\nmetrics: 127.0.0.1:8400 #!", "metrics", "same as listen"},
		{"database of another kind", database, "database: mysql://a/b #!", "database", "must be sqlite:FILE or"},
		{"database without file", database, "database: 'sqlite:' #!", "database", "must name a file"},
		{"database in memory", database, "database: 'sqlite::memory:' #!", "database", "must name a file"},
		{"database empty", database, "database: '' #!", "database", "is empty"},
		{"direct beside SQLite", database, database + "\ndatabase_direct: postgres://h/d #!", "database_direct", "remove it"},
		{"secrets empty", "secrets: valetkey.secrets", "secrets: '${EMPTY}' #!", "secrets", "is empty"},
		{"no network", listen, listen + "\ntrusted_proxies: [10.0.0.1] #!", "trusted_proxies[0]", "10.0.0.1/32"},
		{"accent", support, support + "\n  accent: '#12345' #!", "brand.accent", "#rrggbb"},
		{"help", support, support + "\n  help: /help #!", "brand.help", "absolute URL"},
		{"keys for too short", listen, listen + "\nkeys: {rotate: 30m} #!", "keys.rotate", "at least 1h"},
		{"code for too long", listen, listen + "\ntokens: {code: 11m} #!", "tokens.code", "at most 10m"},
		{"log format", listen, listen + "\nlog: {format: jsn} #!", "log.format", "did you mean json?"},
		{"null byte in a name", support, "  support: \"North\\0wind\" #!", "brand.support", "control character"},
		{"escape in a client's name", "  - id: settings\n", "  - id: settings\n    name: \"a\\e[2Jb\" #!\n", "clients[settings].name", "control character"},
		{"null byte in a policy's name", "    idle: 15m", "    idle: 15m\n    name: \"a\\0b\" #!", "policies.two-day.name", "control character"},
		{"null byte in a label", "{label: View documents, kind: view}", "{label: \"View\\0\", kind: view} #!", "scopes.documents.read.label", "control character"},
		{"null byte in a connector's name", "  - id: staff\n", "  - id: staff\n    name: \"a\\0b\" #!\n", "agents[staff].name", "control character"},
		{"null byte from outside", support, "  support: '${NUL}' #!", "brand.support", "control character"},
		{"log level", listen, listen + "\nlog: {level: loud} #!", "log.level", "must be debug, info, warn or error"},
	})
}

func TestScopeProblems(t *testing.T) {
	t.Parallel()
	from := "  billing.read: {kind: billing}"
	runAll(t, []bad{
		{"standard scope", from, from + "\n  offline_access: {kind: view} #!", "scopes.offline_access", "OpenID Connect itself"},
		{"pattern", from, from + "\n  documents.*: {kind: view} #!", "scopes.documents.*", "not a pattern"},
		{"space", from, from + "\n  a b: {kind: view} #!", `scopes."a b"`, "printable ASCII"},
		{"kind", from, "  billing.read: {kind: bill} #!", "scopes.billing.read.kind", "must be view, change, billing"},
		{"never names nothing", "scopes:\n  doc", "never: [documents.raed] #!\nscopes:\n  doc", "never[0]", "did you mean documents.read?"},
		{"policy pattern", "    scopes: [documents.read]", "    scopes: ['documents.*'] #!", "policies.two-day.scopes[0]", "not a pattern"},
		{"policy twice", "    scopes: [documents.read]", "    scopes: [documents.read, documents.read] #!", "policies.two-day.scopes[1]", "already"},
		{"policy lends nothing", "    scopes: [documents.read]", "    scopes: [] #!", "policies.two-day.scopes", "is empty"},
		{"client unknown", `    scopes: ["documents.*"]`, "    scopes: [document.read] #!", "clients[docs].scopes[0]", "did you mean documents.read?"},
	})
}

func TestPolicyProblems(t *testing.T) {
	t.Parallel()
	pin, login := "    idle: 15m", "    idle: 30m"
	runAll(t, []bad{
		{"id", "  two-day:\n", "  Two_Day: #!\n", "policies.Two_Day", "must be an id"},
		{"idle beyond session", pin, "    idle: 2h #!", "policies.two-day.idle", "at most session"},
		{"idle shorter than a token", pin, "    idle: 4m #!", "policies.two-day.idle", "at least tokens.access"},
		{"too few digits", pin, pin + "\n    digits: 3 #!\n    weak_pin: accepted", "policies.two-day.digits", "from 4 to 10"},
		{"too many digits", pin, pin + "\n    digits: 11 #!", "policies.two-day.digits", "from 4 to 10"},
		{"weak", pin, pin + "\n    digits: 5 #!", "policies.two-day.digits", "weak_pin: accepted"},
		{"weak word", pin, pin + "\n    weak_pin: yes #!", "policies.two-day.weak_pin", "accepted or absent"},
		{"two uses", pin, pin + "\n    uses: 2 #!", "policies.two-day.uses", "used once"},
		{"unlimited PIN", pin, pin + "\n    uses: unlimited #!", "policies.two-day.uses", "used once"},
		{"no uses", login, login + "\n    uses: 0 #!", "policies.login.uses", "above 0"},
		{"mistyped uses", login, login + "\n    uses: unlimted #!", "policies.login.uses", "did you mean unlimited?"},
		{"no tries", pin, pin + "\n    tries: 0 #!", "policies.two-day.tries", "from 1 to 100"},
		{"domain of a PIN", pin, pin + "\n    email_domain: a.example #!", "policies.two-day.email_domain", "remove it"},
		{"holder of a PIN", pin, pin + "\n    agent: holder #!", "policies.two-day.agent", "password only"},
		{"no domain", "  login:\n    kind: password\n    email_domain: support.northwind.example", "  login: #!\n    kind: password", "policies.login.email_domain", "is missing"},
		{"bad domain", "    email_domain: support.northwind.example", "    email_domain: '@support' #!", "policies.login.email_domain", "must be a domain"},
		{"digits of a password", login, login + "\n    digits: 6 #!", "policies.login.digits", "for kind: pin"},
		{"tries of a password", login, login + "\n    tries: 5 #!", "policies.login.tries", "for kind: pin"},
		{"contact of a password", login, login + "\n    contact: bound #!", "policies.login.contact", "for kind: pin"},
		{"confirm owner", pin, pin + "\n    confirm: owner #!", "policies.two-day.confirm", "not available in this version"},
		{"confirm always", login, login + "\n    confirm: always #!", "policies.login.confirm", "not available in this version"},
		{"default not a choice", "default: 7d}", "default: 2d} #!", "policies.login.redeem_within.default", "one of choices"},
		{"no choice", "choices: [1h, 7d], default: 7d}", "choices: []} #!", "policies.login.redeem_within.choices", "is empty"},
		{"mint names nobody", pin, pin + "\n    mint: {} #!", "policies.two-day.mint", "everybody would match"},
		{"mint allows no value", pin, pin + "\n    mint: {role: []} #!", "policies.two-day.mint.role", "nobody could match"},
	})
}

func TestClientProblems(t *testing.T) {
	t.Parallel()
	secret, set := "    secret: \"${DOCS_SECRET}\"", "    secret: settings-secret-0123456789"
	uris := `    redirect_uris: ["https://docs.northwind.example/callback"]`
	uri := func(s string) string { return "    redirect_uris: ['" + s + "'] #!" }
	grants := "    grants: [client_credentials]"
	rest := base[strings.Index(base, "agents:"):]
	settings := base[strings.Index(base, "  - id: settings"):]
	before, marked := strings.TrimSuffix(rest, settings), strings.Replace(settings, "id: settings", "id: settings #!", 1)
	runAll(t, []bad{
		{"id", "  - id: docs\n", "  - id: Docs #!\n", "clients[Docs].id", "must be an id"},
		{"no proof", "  - id: docs\n" + secret, "  - id: docs #!", "clients[docs].secret", "is missing"},
		{"two proofs", "  - id: docs\n", "  - id: docs #!\n    public: true\n", "clients[docs]", "keep exactly one"},
		{"empty secret", secret, `    secret: "${EMPTY}" #!`, "clients[docs].secret", "is empty"},
		{"relative redirect", uris, uri("/callback"), "clients[docs].redirect_uris[0]", "absolute URL"},
		{"redirect in the clear", uris, uri("http://docs.northwind.example/"), "clients[docs].redirect_uris[0]", "loopback only"},
		{"redirect with fragment", uris, uri("https://docs.northwind.example/#x"), "clients[docs].redirect_uris[0]", "no fragment"},
		{"redirect with a space", uris, uri("https://docs.northwind.example/ x"), "clients[docs].redirect_uris[0]", "absolute URL"},
		{"redirect to a script", uris, uri("javascript:alert(1)"), "clients[docs].redirect_uris[0]", "absolute URL"},
		{"private scheme", uris, uri("com.example.app:/cb"), "clients[docs].redirect_uris[0]", "public: true"},
		{"no redirect", "  - id: docs\n" + secret + "\n" + uris, "  - id: docs #!\n" + secret, "clients[docs].redirect_uris", "at least one URL"},
		{"logout in the clear", uris, uris + "\n    backchannel_logout_uri: http://a.example/ #!", "clients[docs].backchannel_logout_uri", "loopback only"},
		{"called back nowhere", uris, uris + "\n    enforces: logout #!", "clients[docs].enforces", "without backchannel_logout_uri"},
		{"after logout", uris, uris + "\n    post_logout_redirect_uris: [x] #!", "clients[docs].post_logout_redirect_uris[0]", "absolute URL"},
		{"events in the clear", uris, uris + "\n    ssf_push_uris: [http://10.0.0.1/events] #!", "clients[docs].ssf_push_uris[0]", "loopback only"},
		{"origin with a path", uris, uris + "\n    origins: ['https://a.example/'] #!", "clients[docs].origins[0]", "must be an origin"},
		{"origin in capitals", uris, uris + "\n    origins: ['https://A.example'] #!", "clients[docs].origins[0]", "lower case"},
		{"audience of the API", uris, uris + "\n    audience: https://access.northwind.example/api #!", "clients[docs].audience", "management API"},
		{"audience with a space", uris, uris + "\n    audience: a b #!", "clients[docs].audience", "spaces"},
		{"algorithm", uris, uris + "\n    id_token_alg: HS256 #!", "clients[docs].id_token_alg", "must be RS256, PS256, ES256 or EdDSA"},
		{"public with credentials", set + "\n" + grants + "\n    api: [credentials.mint]\n", "    public: true\n" + grants + " #!\n", "clients[settings].grants", "public client cannot prove"},
		{"public with exchange", set + "\n" + grants + "\n    api: [credentials.mint]\n", "    public: true\n    grants: ['urn:ietf:params:oauth:grant-type:token-exchange'] #!\n", "clients[settings].grants", "public client cannot prove"},
		{"api without its grant", uris, uris + "\n    api: [endings.read] #!", "clients[docs].api", "needs client_credentials"},
		{"refresh alone", grants, "    grants: [client_credentials, refresh_token] #!", "clients[settings].grants", "without authorization_code"},
		{"no grant", "  - id: docs\n", "  - id: docs\n    grants: [] #!\n", "clients[docs].grants", "is empty"},
		{"exchange beside mint", grants, "    grants: [client_credentials, 'urn:ietf:params:oauth:grant-type:token-exchange'] #!", "clients[settings].grants", "both make and use"},
		{"par without code", grants, grants + "\n    require: {par: true} #!", "clients[settings].require.par", "nothing to push"},
		{"keys beside a secret", "  - id: docs\n", "  - id: docs #!\n    jwks: {keys: [{kty: EC}]}\n", "clients[docs]", "keep exactly one"},
		{"no keys", secret, "    jwks: {} #!", "clients[docs].jwks", "holds no key"},
		{"no key among the keys", secret, "    jwks: {keys: []} #!", "clients[docs].jwks", "holds no key"},
		{"keys that are no list", secret, "    jwks: {keys: 1} #!", "clients[docs].jwks.keys", "must be a list of keys"},
		{"a key that is none", secret, "    jwks:\n      keys:\n        - {kty: EC}\n        - 1 #!", "clients[docs].jwks.keys[1]", "must be keys with values"},
		{"a list of keys", secret, "    jwks: [{kty: EC}] #!", "clients[docs].jwks", "must be keys with values"},
		{"another member", secret, "    jwks: {kyes: []} #!", "clients[docs].jwks.kyes", "did you mean keys?"},
		{"public without PKCE", "    secret: \"${DOCS_SECRET}\"", "    public: true\n    require: {pkce: false} #!", "clients[docs].require.pkce", "public app"},
		{"no owner proof", settings, strings.Replace(marked, "    owner_proof: trusted\n", "", 1), "clients[settings].owner_proof", "is missing"},
		{"no owner audience", settings, strings.Replace(marked, "trusted", "token", 1), "clients[settings].owner_audience", "is missing"},
		{"unknown owners", "    owner_proof: trusted", "    owner_proof: trusted\n    owners: custmers #!", "clients[settings].owners", "must be the id"},
		{"several owners", rest, "  - id: more\n    local: [{username: p, password_hash: '" + testHash + "', account: {id: a}}]\n" + before + marked, "clients[settings].owners", "several owners connectors"},
		{"no owners", between("owners:", "agents:") + rest, before + marked, "clients[settings].owners", "add one under owners"},
	})
}

func TestPeopleProblems(t *testing.T) {
	t.Parallel()
	owners, agents := between("owners:", "agents:"), between("agents:", "scopes:\n")
	totp := "        totp: JBSWY3DPEHPK3PXP"
	hash := func(s, text string) bad {
		return bad{s, "        password_hash: " + testHash + "\n        totp", "        password_hash: '" + s + "' #!\n        totp", "agents[staff].local[sam].password_hash", text}
	}
	oidc := func(inner string) string {
		return "agents:\n  - id: corp\n    allow: {groups: x}\n    oidc: {" + inner + "} #!\n"
	}
	runAll(t, []bad{
		{"no agents", agents, "", "agents", "at least one way"},
		{"neither", agents, "agents:\n  - id: corp #!\n", "agents[corp]", "needs oidc"},
		{"both", "  - id: staff\n", "  - id: staff #!\n    oidc: {issuer: 'https://i.example/', client_id: c}\n", "agents[staff]", "has both"},
		{"id twice", "scopes:\n  documents", "  - id: staff #!\n    local: []\nscopes:\n  documents", "agents[1].id", "is already taken"},
		{"oidc without allow", agents, "agents:\n  - id: corp #!\n    oidc: {issuer: 'https://i.example', client_id: c}\n", "agents[corp].allow", "is missing"},
		{"oidc without client", agents, oidc("issuer: 'https://i.example'"), "agents[corp].oidc.client_id", "is missing"},
		{"oidc issuer", agents, oidc("issuer: 'http://i.example', client_id: c"), "agents[corp].oidc.issuer", "loopback only"},
		{"oidc scopes", agents, oidc("issuer: 'https://i.example', client_id: c, scopes: [email]"), "agents[corp].oidc.scopes", "must hold openid"},
		{"oidc params", agents, oidc("issuer: 'https://i.example', client_id: c, params: {state: x}"), "agents[corp].oidc.params.state", "set by the broker"},
		{"oidc owner without account", owners, "owners:\n  - id: up #!\n    allow: {role: x}\n    oidc: {issuer: 'https://i.example', client_id: c}\n", "owners[up].account.id", "name the claim"},
		{"local owner without account", "      - username: olga\n        password_hash: " + testHash + "\n        account: {id: acct-1, handle: 0012}\n", "      - username: olga #!\n        password_hash: " + testHash + "\n", "owners[customers].local[olga].account.id", "is missing"},
		{"account of an agent", totp, totp + "\n        account: {id: x} #!", "agents[staff].local[sam].account", "not a known key"},
		{"max_age of owners", "  - id: customers\n", "  - id: customers\n    max_age: 5m #!\n", "owners[customers].max_age", "not a known key"},
		{"may names nothing", "  - id: customers\n", "  - id: customers\n    may: {role: {user: [documents.raed]}} #!\n", "owners[customers].may.role.user[0]", "did you mean documents.read?"},
		{"empty allow", "    allow: {groups: support}", "    allow: {} #!", "agents[staff].allow", "everybody would match"},
		{"username twice", totp + "\n", totp + "\n      - {username: sam, password_hash: '" + testHash + "', totp: JBSWY3DPEHPK3PXP} #!\n", "agents[staff].local[1].username", "already taken"},
		{"username with a colon", "username: sam", "username: 'sa:m' #!", "agents[staff].local[sa:m].username", "colons"},
		{"email", totp, totp + "\n        email: sam #!", "agents[staff].local[sam].email", "must be an email address"},
		{"totp", totp, "        totp: not-base32 #!", "agents[staff].local[sam].totp", "base32"},
		{"empty totp", totp, "        totp: ${EMPTY} #!", "agents[staff].local[sam].totp", "base32"},
		hash("hunter2", "never a password"),
		hash(strings.Replace(testHash, "argon2id", "argon2i", 1), "argon2id hash in the form"),
		hash(strings.Replace(testHash, "v=19", "v=16", 1), "version 19"),
		hash(strings.Replace(testHash, "m=65536", "m=7", 1), "from 8 times p"),
		hash(strings.Replace(testHash, "m=65536", "m=1048577", 1), "from 8 times p"),
		hash(strings.Replace(testHash, "t=3", "t=0", 1), "from 1 to 10"),
		hash(strings.Replace(testHash, "t=3", "t=11", 1), "from 1 to 10"),
		hash(strings.Replace(testHash, "p=1", "p=0", 1), "from 1 to 255"),
		hash(strings.Replace(testHash, "c2FsdHNhbHRzYWx0c2FsdA", "c2FsdA", 1), "salt of"),
		hash(strings.TrimSuffix(testHash, "FzaGhhc2hoYXNoaGFzaGhhc2g"), "hash of"),
	})
}

// between returns the part of base from one text up to the other.
func between(from, to string) string {
	return base[strings.Index(base, from):strings.Index(base, to)]
}
