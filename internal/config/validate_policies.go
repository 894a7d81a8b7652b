package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// strongDigits is the length below which a PIN is weak; weakestDigits and
// longestDigits bound what people can say on the phone.
const (
	strongDigits  = 6
	weakestDigits = 4
	longestDigits = 10
)

func (k checker) everyPolicy(holds func(Policy) bool) bool {
	return len(k.c.Policies) > 0 && !slices.ContainsFunc(k.c.Policies, func(p Policy) bool { return !holds(p) })
}

func (k checker) policies() {
	for i, p := range k.c.Policies {
		key := k.items["policies"][i]
		k.id(key, p.ID)
		switch p.Kind {
		case "pin":
			k.pin(key, p)
		case "password":
			k.password(key, p)
		}
		k.clocks(key, p)
		k.lent(key+".scopes", p.Scopes)
		if p.Confirm == "owner" || p.Confirm == "always" {
			k.bad(key+".confirm", "asks for owner confirmation, which is not available in this version; write confirm: never")
		}
	}
}

func (k checker) pin(key string, p Policy) {
	switch {
	case p.Digits < weakestDigits || p.Digits > longestDigits:
		k.bad(key+".digits", "must be from %d to %d", weakestDigits, longestDigits)
	case p.Digits < strongDigits && p.WeakPIN != "accepted":
		k.bad(key+".digits", "makes a weak PIN; write at least %d digits, or weak_pin: accepted beside it", strongDigits)
	}
	if p.Uses != (Uses{N: 1}) {
		k.bad(key+".uses", "must be 1: a PIN is used once; only a password can have more uses")
	}
	if p.Tries < 1 || p.Tries > 100 {
		k.bad(key+".tries", "must be from 1 to 100")
	}
	if k.has(key + ".email_domain") {
		k.bad(key+".email_domain", "is for kind: password; remove it")
	}
	if p.Agent == "holder" {
		k.bad(key+".agent", "can be holder with kind: password only; write agent: sso")
	}
}

var domainForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (k checker) password(key string, p Policy) {
	switch {
	case !k.has(key + ".email_domain"):
		k.bad(key+".email_domain", "is missing; add the domain of the temporary addresses, such as support.example.com")
	case !domainForm.MatchString(p.EmailDomain) || len(p.EmailDomain) > 200:
		k.bad(key+".email_domain", "must be a domain in lower case, such as support.example.com")
	}
	for _, name := range []string{"digits", "weak_pin", "tries", "contact"} {
		if k.has(key + "." + name) {
			k.bad(key+"."+name, "is for kind: pin; remove it")
		}
	}
}

// clocks checks how the lifetimes fit together.
func (k checker) clocks(key string, p Policy) {
	if p.Idle > p.Session && p.Session > 0 {
		k.bad(key+".idle", "must be at most session; write a shorter one")
	}
	if access := k.c.Tokens.Access; p.Idle > 0 && p.Idle < access && k.known("tokens.access") {
		// A token is good by itself until it expires, so a shorter idle end
		// could pass without the app noticing.
		k.bad(key+".idle", "must be at least tokens.access, so that no token outlives an idle end unseen; write a longer one")
	}
	r, within := p.RedeemWithin, key+".redeem_within"
	if k.has(within+".default") && !slices.Contains(r.Choices, r.Default) && k.known(within+".choices") {
		k.bad(within+".default", "must be one of choices")
	}
}

// lent checks that the scopes of a policy are in the catalogue.
func (k checker) lent(key string, names []string) {
	for i, s := range names {
		item := key + "[" + strconv.Itoa(i) + "]"
		switch {
		case strings.Contains(s, "*"):
			k.bad(item, "must be the name of one scope, not a pattern; write each scope by its name")
		case slices.Contains(names[:i], s):
			k.bad(item, "is in the list already; remove it")
		case !k.catalogued(s):
			k.bad(item, "is not in scopes; %s", k.meantScope(s))
		}
	}
}
