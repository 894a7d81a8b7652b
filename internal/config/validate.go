package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checker looks at decoded values. It says nothing about keys whose value the
// walk could not have, nor about keys below them.
type checker struct {
	*walker
	c *Config
}

// bad reports a problem at the line of key.
func (k checker) bad(key, format string, args ...any) {
	if k.known(key) {
		k.also(lineOf(k.lines, key), key, format, args...)
	}
}

// warn reports what is questionable but usable.
func (k checker) warn(key, format string, args ...any) {
	k.warnings = append(k.warnings, Problem{k.name, lineOf(k.lines, key), key, fmt.Sprintf(format, args...)})
}

// has tells whether a key is in the file, even with an empty value.
func (k checker) has(key string) bool {
	_, ok := k.lines[key]
	return ok
}

// known tells whether the values of a key and of those above it could be had.
func (k checker) known(key string) bool {
	for key != "" {
		if k.broken[key] {
			return false
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return true
}

// validate checks everything that the walk could not see from one value alone.
func validate(c *Config, w *walker) {
	k := checker{w, c}
	k.addresses()
	k.brand()
	k.owners()
	k.agents()
	k.catalogue()
	k.policies()
	k.clients()
}

var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// id checks the form of an id; key is that of the id itself or of what it names.
func (k checker) id(key, id string) {
	if !idForm.MatchString(id) {
		k.bad(key, "must be an id: lower-case letters, digits, dot, underscore and hyphen, beginning with a letter or digit")
	}
}

// unique reports the second and later items that have the same name.
func (k checker) unique(items []string, sub string, name func(i int) string) {
	seen := map[string]string{}
	for i, item := range items {
		n := name(i)
		if first, twice := seen[n]; twice && n != "" {
			k.bad(item+sub, "is already taken on line %d; choose another", lineOf(k.lines, first+sub))
			continue
		}
		seen[n] = item
	}
}

// addresses checks where the broker is and where it keeps things.
func (k checker) addresses() {
	c := k.c
	if c.Issuer != "" {
		k.say("issuer", homeProblem(c.Issuer))
	}
	k.hostPort("listen", c.Listen)
	k.hostPort("metrics", c.Metrics)
	if c.Metrics != "" && c.Metrics == c.Listen {
		k.bad("metrics", "is the same as listen; choose another port, or remove the key to serve /metrics on listen")
	}
	if c.Database.isZero() {
		k.bad("database", "is empty; write sqlite:FILE or a postgres:// URL")
	}
	if k.has("database_direct") && c.DatabaseDirect != c.Database {
		switch {
		case c.Database.SQLite != "":
			k.bad("database_direct", "is for PostgreSQL behind a transaction pooler; remove it")
		case c.DatabaseDirect.SQLite != "":
			k.bad("database_direct", "must be a postgres:// URL of the same database")
		}
	}
	if c.Secrets == "" {
		k.bad("secrets", "is empty; write the path of the file that holds this installation's secrets")
	}
	if c.Tokens.Code > 10*time.Minute {
		k.bad("tokens.code", "must be at most 10m (RFC 6749, section 4.1.2)")
	}
	if c.Keys.Rotate < time.Hour {
		k.bad("keys.rotate", "must be at least 1h: a key is published long before it signs; use «valetkey keys rotate» when one is in doubt")
	}
}

// say reports a sentence, if there is one.
func (k checker) say(key, sentence string) {
	if sentence != "" {
		k.bad(key, "%s", sentence)
	}
}

func (k checker) hostPort(key, s string) {
	if s == "" {
		return
	}
	host, port, err := net.SplitHostPort(s)
	_, badPort := strconv.ParseUint(port, 10, 16)
	if err != nil || badPort != nil || strings.ContainsAny(host, " /@") {
		k.bad(key, "must be host:port, such as 127.0.0.1:8400, or :8400 for every address of this machine")
	}
}

var accentForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func (k checker) brand() {
	b := k.c.Brand
	if b.Accent != "" && !accentForm.MatchString(b.Accent) {
		k.bad("brand.accent", "must be a colour written \"#rrggbb\" in quotes, such as \"#0b6e4f\"")
	}
	if b.Help != "" {
		k.say("brand.help", webProblem(b.Help))
	}
}

var standardScopes = []string{"openid", "profile", "email", "phone", "address", "offline_access"}

// catalogue checks the names of scopes and patterns. Which kinds are never lent
// is not this package's to know.
func (k checker) catalogue() {
	for i, s := range k.c.Scopes {
		key := k.items["scopes"][i]
		switch {
		case !scopeToken(s.Name):
			k.bad(key, "must be a scope name: printable ASCII without space, quote and backslash")
		case strings.Contains(s.Name, "*"):
			k.bad(key, "must be the name of one scope, not a pattern; write each scope by its name")
		case slices.Contains(standardScopes, s.Name):
			k.bad(key, "is a scope of OpenID Connect itself, which every app may ask for; remove it")
		}
	}
	k.patterns("never", k.c.Never)
}

// patterns checks a list of scope names and patterns.
func (k checker) patterns(key string, list []string) {
	for i, s := range list {
		item := key + "[" + strconv.Itoa(i) + "]"
		switch {
		case !scopeToken(s):
			k.bad(item, "must be a scope or a pattern such as documents.*, without spaces")
		case !strings.Contains(s, "*") && !slices.Contains(standardScopes, s) && !k.catalogued(s):
			k.bad(item, "is not in scopes; %s", k.meantScope(s))
		}
	}
}

// catalogued is generous where the catalogue itself could not be had.
func (k checker) catalogued(name string) bool {
	return !k.known("scopes") || slices.ContainsFunc(k.c.Scopes, func(s Scope) bool { return s.Name == name })
}

func (k checker) meantScope(name string) string {
	names := make([]string, len(k.c.Scopes))
	for i, s := range k.c.Scopes {
		names[i] = s.Name
	}
	return meant(name, names, "add it there, or remove it here")
}

// scopeToken tells whether s is a scope-token of RFC 6749, section 3.3.
func scopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
