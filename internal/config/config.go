package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"time"
)

// Config is a whole configuration file, decoded, with every default filled in.
//
// In the struct tags, key is the name in the file, default the value of an
// absent key, required what to write where the key has no default, and oneof
// the words that are allowed.
type Config struct {
	// Issuer is the public URL of the broker, without a path or a trailing slash. It is
	// never taken from a request. http is accepted on loopback only.
	Issuer string `key:"issuer" required:"the public URL of this broker, such as https://access.example.com"`
	// Listen is the host:port on which the broker serves.
	Listen string `key:"listen" required:"the host:port to serve on, such as 127.0.0.1:8400"`
	// Database is sqlite:FILE or a postgres:// URL.
	Database Database `key:"database" required:"sqlite:FILE or a postgres:// URL"`
	// DatabaseDirect reaches PostgreSQL past a transaction pooler, for LISTEN
	// and migrations. Default: the same as Database.
	DatabaseDirect Database `key:"database_direct"`
	// Migrate says whether serve brings a PostgreSQL schema up to date by
	// itself (auto) or leaves that to "valetkey migrate" (manual).
	Migrate string `key:"migrate" default:"auto" oneof:"auto manual"`
	// Poll is how often each node reads the log of endings by itself, beneath
	// the notices it gets.
	Poll time.Duration `key:"poll" default:"250ms"`
	// Drain is how long a node that is told to stop goes on serving while load
	// balancers notice. 0s stops at once.
	Drain time.Duration `key:"drain" default:"15s" zero:"ok"`
	// Secrets is the file of pepper and sealing keys.
	Secrets Path `key:"secrets" required:"the file that holds this installation's secrets, such as valetkey.secrets"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix `key:"trusted_proxies"`
	// Brand is what the pages say and look like.
	Brand Brand `key:"brand" required:"the names that people see: product and support"`
	// Owners are the ways in which account owners sign in. Without any, owners
	// are known only through a client with credentials.mint.
	Owners []OwnerConnector `key:"owners"`
	// Agents are the ways in which support staff sign in. At least one, unless
	// every policy has agent: holder.
	Agents []AgentConnector `key:"agents"`
	// Scopes is the catalogue of everything an app may ask for, in the order
	// in which people see it.
	Scopes []Scope `key:"scopes" required:"the scopes of your apps, each with a label and a kind"`
	// Never lists further patterns of scopes that are never lent.
	Never []string `key:"never"`
	// Policies are the kinds of credential that may be minted, in the order in
	// which people see them.
	Policies []Policy `key:"policies" required:"at least one kind of credential"`
	// Clients are the relying apps and the back ends that use the API.
	Clients []Client `key:"clients" required:"at least one app"`
	// Tokens are the lifetimes of what the broker issues.
	Tokens Tokens `key:"tokens"`
	// Keys are those that sign it.
	Keys Keys `key:"keys"`
	// Log is what the broker writes to standard error.
	Log Log `key:"log"`
	// Metrics is the host:port of a separate listener for /metrics. Default:
	// none, /metrics is served on Listen.
	Metrics string `key:"metrics"`

	// Warnings are questionable but usable settings, in the order of lines.
	Warnings []Problem `key:"-"`

	file  string
	lines map[string]int
}

// Brand is what the pages say and look like.
type Brand struct {
	// Product is the name of the product whose accounts are opened.
	Product string `key:"product" required:"the name of your product"`
	// Support is the name of the support team, as in "share this only with …".
	Support string `key:"support" required:"the name of your support team"`
	// Logo is an image file. Default: none.
	Logo Path `key:"logo"`
	// Accent is a colour written #rrggbb. Default: the pages' own.
	Accent string `key:"accent"`
	// Help is the URL of the product's help. Default: no link.
	Help string `key:"help"`
}

// Tokens are the lifetimes of what the broker issues.
type Tokens struct {
	// Access is how long an access token lives at most; it never outlives its
	// session. No policy may have an idle end shorter than this.
	Access time.Duration `key:"access" default:"5m"`
	// Code is how long an authorization code can be exchanged, at most 10m
	// (RFC 6749, section 4.1.2).
	Code time.Duration `key:"code" default:"60s"`
	// DPoPNonce demands a nonce of ours in every DPoP proof (RFC 9449 section
	// 8), so that none can be made in advance. Apps need one request more.
	DPoPNonce bool `key:"dpop_nonce" default:"false"`
}

// Keys are the signing keys.
type Keys struct {
	// Rotate is how long each key signs, at least 1h. A shorter one holds for the
	// present keys too.
	Rotate time.Duration `key:"rotate" default:"30d"`
}

// Log is what the broker writes to standard error.
type Log struct {
	// Format is text, for people, or json, for machines.
	Format string `key:"format" default:"text" oneof:"text json"`
	// Level is the least important level that is written.
	Level string `key:"level" default:"info" oneof:"debug info warn error"`
}

// Load reads the file at path, taking ${NAME} from the process environment.
// A file that can be read but not used gives a [Problems], beside what could be
// read of it, which is good for finding further problems and nothing else.
// Relative paths in the file are relative to its own folder.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return Parse(path, data, os.LookupEnv)
}

// Parse is Load on bytes already read and an environment of the caller's
// choice. The folder of name is what relative paths are relative to.
func Parse(name string, data []byte, env func(string) (string, bool)) (*Config, error) {
	w := newWalker(name, env)
	c := &Config{file: name, lines: w.lines}
	if !w.file(data, c) {
		w.problems.sort()
		return nil, w.problems
	}
	c.fillDefaults(w)
	validate(c, w)
	if len(w.problems) > 0 {
		w.problems.sort()
		return c, w.problems
	}
	w.warnings.sort()
	c.Warnings = w.warnings
	return c, nil
}

// LineOf returns the line of a key, written as problems print it: dotted, lists
// of things with ids addressed by id, other lists by index from 0. For a key
// that is not in the file it is the line of the nearest key above it that is,
// and 1 where there is none.
func (c *Config) LineOf(key string) int { return lineOf(c.lines, key) }

// Problem makes a problem of this file, with the line of key.
func (c *Config) Problem(key, format string, args ...any) Problem {
	return Problem{File: c.file, Line: c.LineOf(key), Key: key, Text: fmt.Sprintf(format, args...)}
}

// Insecure tells whether the issuer is plain http, which only loopback may be.
// Cookies then go without Secure and the __Host- prefix.
func (c *Config) Insecure() bool {
	u, err := url.Parse(c.Issuer)
	return err == nil && u.Scheme == "http"
}
