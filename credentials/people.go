package credentials

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Account is the customer account that is opened. The broker does not own it:
// the id is the product's tenant key.
type Account struct {
	ID        string
	Connector string // the owner connector that it belongs to
	Name      string
	Handle    string // what people say on the phone; unique when folded
}

// Person is a pseudonym for somebody: (issuer, subject) is who they are, never
// an email. It is the key of the agent's row and of what can be erased.
func Person(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Owner is an owner or authorised user of an account, as their connector or a
// trusted back end describes them.
type Owner struct {
	Issuer, Subject string
	Name, Email     string
	Claims          map[string][]string // nil: nothing is known about them
}

// Key is the owner's pseudonym.
func (o Owner) Key() string { return Person(o.Issuer, o.Subject) }

// Agent is a member of the support staff who proved who they are.
type Agent struct {
	Issuer, Subject string
	Name, Email     string
	Connector       string    // by which connector
	AuthTime        time.Time // when they last gave the proof
	AMR             []string  // how (RFC 8176)
	Erased          string    // their pseudonym, where nothing else is kept of them any more
}

// Key is the agent's pseudonym. It outlives an erasure.
func (a Agent) Key() string {
	if a.Erased != "" {
		return a.Erased
	}
	return Person(a.Issuer, a.Subject)
}

// ClaimRule asks for one claim to have one of these values.
type ClaimRule struct {
	Claim  string
	Values []string
}

// Allowed reports whether every rule is met by the claims. No rules at all are
// met by everybody; a rule without the claim is not met.
func Allowed(rules []ClaimRule, claims map[string][]string) bool {
	for _, rule := range rules {
		if !slices.ContainsFunc(claims[rule.Claim], func(v string) bool { return slices.Contains(rule.Values, v) }) {
			return false
		}
	}
	return true
}

// MayRule says what people with this value of a claim can lend at most.
type MayRule struct {
	Claim, Value string
	Scopes       []string // patterns
}

// MayLend is the union of the rules that the claims match; none is nothing.
func MayLend(rules []MayRule, claims map[string][]string) []string {
	var out []string
	for _, rule := range rules {
		if slices.Contains(claims[rule.Claim], rule.Value) {
			out = append(out, rule.Scopes...)
		}
	}
	return out
}

// FoldHandle is how handles are compared: as people say and type them, without
// regard to case, spaces, hyphens and what cannot be seen.
func FoldHandle(handle string) string {
	return fold(handle, unsaid)
}

// unsaid are the characters that nobody reads out: spaces, dashes, and what cannot
// be seen, which comes along with what is copied from another program.
func unsaid(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cf) }

// fold lowers the case and leaves some characters out. What no database takes
// as text becomes a character that no handle or address has.
func fold(s string, out func(rune) bool) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) && !unicode.IsSpace(r):
			return unicode.ReplacementChar
		case out(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar))))
}

// FoldPIN takes out what people type to group digits, and what they do not know
// that they paste: neither costs a try. The result may hold
// anything else that was typed.
func FoldPIN(pin string) string {
	return strings.Map(func(r rune) rune {
		if unsaid(r) {
			return -1
		}
		return r
	}, pin)
}
