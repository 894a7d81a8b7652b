package scopes

import (
	"fmt"
	"strings"
)

// Kind says what a scope lets its bearer do.
type Kind string

// The kinds of a scope. Billing, Delete, Credentials and Access are never lent.
const (
	View        Kind = "view"
	Change      Kind = "change"
	Billing     Kind = "billing"
	Delete      Kind = "delete"
	Credentials Kind = "credentials"
	Access      Kind = "access"
)

// Lendable reports whether scopes of this kind may be put into a credential.
// It names what may be lent, so that an unknown kind is not.
func (k Kind) Lendable() bool { return k == View || k == Change }

// known reports whether k is one of the kinds above.
func (k Kind) known() bool {
	switch k {
	case View, Change, Billing, Delete, Credentials, Access:
		return true
	}
	return false
}

// Scope is one entry of the catalogue.
type Scope struct {
	Name  string // an RFC 6749 section 3.3 scope-token
	Label string // what people read: "View documents"
	Kind  Kind
}

// Catalogue is every scope of the installation, in the order people see them.
// It is immutable and safe for concurrent use.
type Catalogue struct {
	ordered []Scope
	byName  map[string]Scope
	never   Patterns
}

// NewCatalogue builds a catalogue. The never patterns take further scopes out
// of what may be lent, whatever their kind.
func NewCatalogue(list []Scope, never []string) (*Catalogue, error) {
	c := &Catalogue{byName: make(map[string]Scope, len(list)), never: Patterns(never)}
	for _, s := range list {
		switch {
		case !Token(s.Name):
			return nil, fmt.Errorf("scope %q: a name has printable ASCII without space, quote or backslash", s.Name)
		case Standard(s.Name):
			return nil, fmt.Errorf("scope %q belongs to OpenID Connect and cannot be in the catalogue", s.Name)
		case !s.Kind.known():
			return nil, fmt.Errorf("scope %q: kind %q is not one of view, change, billing, delete, credentials, access", s.Name, s.Kind)
		}
		if _, twice := c.byName[s.Name]; twice {
			return nil, fmt.Errorf("scope %q is named twice", s.Name)
		}
		c.byName[s.Name] = s
		c.ordered = append(c.ordered, s)
	}
	return c, nil
}

// Lendable reports whether the scope is catalogued, of a kind that is lent,
// and outside the never patterns.
func (c *Catalogue) Lendable(name string) bool {
	s, ok := c.byName[name]
	return ok && s.Kind.Lendable() && !c.never.Match(name)
}

// Viewing reports whether the scope may be lent and only shows things; those
// are what a credential lends when its minter names none.
func (c *Catalogue) Viewing(name string) bool {
	return c.Lendable(name) && c.byName[name].Kind == View
}

// Label returns what people read for the scope, or its name if it has no label.
func (c *Catalogue) Label(name string) string {
	if s, ok := c.byName[name]; ok && s.Label != "" {
		return s.Label
	}
	return name
}

// NeverLent lists the catalogued scopes that nobody can lend, in order.
func (c *Catalogue) NeverLent() []Scope {
	var out []Scope
	for _, s := range c.ordered {
		if !c.Lendable(s.Name) {
			out = append(out, s)
		}
	}
	return out
}

// All lists the whole catalogue in order.
func (c *Catalogue) All() []Scope { return append([]Scope(nil), c.ordered...) }

// Token reports whether s is a scope-token of RFC 6749 section 3.3.
func Token(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if b := s[i]; b < 0x21 || b > 0x7e || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}

// Standard reports whether OpenID Connect (Core 1.0 sections 5.4 and 11)
// defines the scope. Such scopes open nothing at a relying app and stand
// outside the narrowing.
func Standard(name string) bool {
	switch name {
	case "openid", "profile", "email", "phone", "address", "offline_access":
		return true
	}
	return false
}

// Patterns are scope names in which * stands for any run of characters.
type Patterns []string

// Match reports whether any pattern covers the name.
func (p Patterns) Match(name string) bool {
	for _, pattern := range p {
		if glob(pattern, name) {
			return true
		}
	}
	return false
}

func glob(pattern, name string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(part):], next
	}
}
