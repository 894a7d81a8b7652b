package config

import (
	"encoding/base32"
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// connector checks what owners' and agents' connectors have in common.
func (k checker) connector(key string, c Connector, local bool) {
	k.id(key+".id", c.ID)
	oidc := k.has(key + ".oidc")
	switch {
	case oidc && local:
		k.bad(key, "has both oidc and local; keep one, and make a second connector of the other")
	case !oidc && !local:
		k.bad(key, "needs oidc, for an upstream OpenID provider, or local, for people listed here; add one")
	}
	switch {
	case c.OIDC != nil:
		k.oidc(key+".oidc", c.OIDC)
		if !k.has(key + ".allow") {
			k.bad(key+".allow", "is missing; say who may sign in, such as {groups: [support]}")
		}
	case local && !k.has(key+".allow"):
		k.warn(key, "has no allow, so everyone listed may sign in; add allow to say who may")
	}
}

// reserved are the authorization parameters that the broker sets by itself.
var reserved = []string{
	"client_id", "client_secret", "code_challenge", "code_challenge_method", "max_age", "nonce",
	"prompt", "redirect_uri", "request", "request_uri", "response_mode", "response_type", "scope", "state",
}

func (k checker) oidc(key string, o *OIDC) {
	if o.Issuer != "" {
		k.say(key+".issuer", upstreamProblem(o.Issuer))
	}
	if !slices.Contains(o.Scopes, "openid") {
		k.bad(key+".scopes", "must hold openid; add it")
	}
	for i, s := range o.Scopes {
		if !scopeToken(s) {
			k.bad(key+".scopes["+strconv.Itoa(i)+"]", "must be one scope, without spaces")
		}
	}
	for name := range o.Params {
		if slices.Contains(reserved, name) {
			k.bad(join(key+".params", name), "is set by the broker itself; remove it")
		}
	}
}

func (k checker) owners() {
	items := k.items["owners"]
	k.unique(items, ".id", func(i int) string { return k.c.Owners[i].ID })
	for i, o := range k.c.Owners {
		key := items[i]
		k.connector(key, o.Connector, k.has(key+".local"))
		if o.OIDC != nil && o.Account.ID == "" {
			k.bad(key+".account.id", "is missing; name the claim that holds the product's key of the account")
		}
		for _, rule := range o.May {
			k.patterns(join(join(key+".may", rule.Claim), rule.Value), rule.Scopes)
		}
		people := k.items[key+".local"]
		k.unique(people, ".username", func(j int) string { return o.Local[j].Username })
		for j, p := range o.Local {
			k.person(people[j], p.Person)
			if p.Account.ID == "" {
				k.bad(people[j]+".account.id", "is missing; write the product's key of the account this person owns")
			}
		}
	}
}

func (k checker) agents() {
	items := k.items["agents"]
	k.unique(items, ".id", func(i int) string { return k.c.Agents[i].ID })
	for i, a := range k.c.Agents {
		key := items[i]
		k.connector(key, a.Connector, k.has(key+".local"))
		people := k.items[key+".local"]
		k.unique(people, ".username", func(j int) string { return a.Local[j].Username })
		for j, p := range a.Local {
			k.person(people[j], p)
		}
		if slices.ContainsFunc(k.c.Owners, func(o OwnerConnector) bool {
			return o.ID == a.ID && o.Local != nil && a.Local != nil
		}) {
			k.warn(key+".id", "is also the id of an owners connector, so an owner and an agent of the same username have the same subject; choose another id")
		}
	}
	if len(k.c.Agents) == 0 && !k.everyPolicy(func(p Policy) bool { return p.Agent == "holder" }) {
		k.bad("agents", "needs at least one way for support staff to sign in; add one, or write agent: holder in every policy")
	}
}

var usernameForm = regexp.MustCompile(`^[^\s\x00-\x1f\x7f:]{1,64}$`)

func (k checker) person(key string, p Person) {
	if p.Username != "" && !usernameForm.MatchString(p.Username) {
		k.bad(key+".username", "must be at most 64 characters without spaces and colons")
	}
	if p.Email != "" && !emailLike(p.Email) {
		k.bad(key+".email", "must be an email address")
	}
	if p.PasswordHash != "" {
		k.say(key+".password_hash", hashProblem(p.PasswordHash.Reveal()))
	}
	if !k.has(key + ".totp") {
		k.warn(key, "signs in with a password alone; add totp")
		return
	}
	if !isTOTP(p.TOTP.Reveal()) {
		k.bad(key+".totp", "must be a base32 secret of at least 16 characters, as authenticator apps take it")
	}
}

func emailLike(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(s, " \t\r\n") && !strings.Contains(domain, "@")
}

func isTOTP(s string) bool {
	const fewest = 10 // bytes; what the oldest authenticator apps use
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(s, "=")))
	return err == nil && len(raw) >= fewest
}

var phcForm = regexp.MustCompile(`^\$argon2id\$v=([0-9]+)\$m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

// hashProblem says what is wrong with an argon2id hash (RFC 9106) in PHC form.
// Its cost is bounded on both sides: a cheap one protects nobody, and a dear one
// lets a sign-in take the whole machine.
func hashProblem(s string) string {
	parts := phcForm.FindStringSubmatch(s)
	if parts == nil {
		return "must be an argon2id hash in the form $argon2id$v=19$m=65536,t=3,p=1$salt$hash; never a password itself"
	}
	number := func(i int) int { n, _ := strconv.Atoi(parts[i]); return n }
	salt, badSalt := base64.RawStdEncoding.DecodeString(parts[5])
	hash, badHash := base64.RawStdEncoding.DecodeString(parts[6])
	switch m, t, p := number(2), number(3), number(4); {
	case parts[1] != "19":
		return "must be of argon2 version 19; make it anew"
	case m < 8*p || m > 1048576:
		return "must have m (memory) from 8 times p to 1048576 KiB; make it anew, such as with m=65536"
	case t < 1 || t > 10:
		return "must have t (passes) from 1 to 10; make it anew, such as with t=3"
	case p < 1 || p > 255:
		return "must have p (lanes) from 1 to 255; make it anew, such as with p=1"
	case badSalt != nil || len(salt) < 8 || len(salt) > 64:
		return "must have a salt of 8 to 64 bytes in unpadded base64; make it anew"
	case badHash != nil || len(hash) < 16 || len(hash) > 64:
		return "must have a hash of 16 to 64 bytes in unpadded base64; make it anew"
	}
	return ""
}
