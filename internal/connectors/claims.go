package connectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/valetkey/valetkey/credentials"
)

// claims is what an issuer says of a person, by literal names.
type claims map[string]any

// claimsOf decodes all claims of an ID token or userinfo answer, numbers as
// they are written: an account's id may be longer than a float64 can tell
// apart.
func claimsOf(said interface{ Claims(into any) error }) (claims, error) {
	var text json.RawMessage
	if err := said.Claims(&text); err != nil {
		return nil, err
	}
	var all claims
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(&all)
	return all, err
}

// values are those of a claim that is a text, number, truth value, or list of
// these; nil for any other.
func (c claims) values(name string) []string {
	list, is := c[name].([]any)
	if !is {
		list = []any{c[name]}
	}
	out := make([]string, 0, len(list))
	for _, each := range list {
		switch v := each.(type) {
		case string:
			out = append(out, v)
		case bool:
			out = append(out, strconv.FormatBool(v))
		case json.Number:
			out = append(out, v.String())
		default:
			return nil
		}
	}
	return out
}

// texts are the values of all claims that have some form of them.
func (c claims) texts() map[string][]string {
	out := make(map[string][]string, len(c))
	for name := range c {
		if values := c.values(name); values != nil {
			out[name] = values
		}
	}
	return out
}

// when is the time that a claim says (RFC 7519, section 2: NumericDate), zero
// where there is none.
func (c claims) when(name string) (time.Time, error) {
	value, is := c[name]
	if !is {
		return time.Time{}, nil
	}
	if number, is := value.(json.Number); is {
		if seconds, err := number.Float64(); err == nil && seconds > 0 && seconds < maxSeconds {
			return time.Unix(int64(seconds), 0), nil
		}
	}
	return time.Time{}, fmt.Errorf("its %s is no time", name)
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300800

// maxText bounds names, and ids and handles of accounts, in characters.
const maxText = 200

// one is the value of a claim that must have exactly one.
func (c claims) one(name string) (string, error) {
	values := c.values(name)
	switch {
	case len(values) != 1:
		return "", fmt.Errorf("%w: %q has %d values", ErrNoAccount, name, len(values))
	case strings.TrimSpace(values[0]) == "", utf8.RuneCountInString(values[0]) > maxText, !printable(values[0]):
		return "", fmt.Errorf("%w: %q is empty, too long, or no text", ErrNoAccount, name)
	}
	return values[0], nil
}

func printable(s string) bool { return strings.IndexFunc(s, unicode.IsControl) < 0 }

// admit judges by the claims whether the holder of a verified token may come
// in, and as whom.
func (o *OIDC) admit(token idToken, said claims) (Proof, error) {
	if !credentials.Allowed(o.Allow, said.texts()) {
		return Proof{}, o.notAllowed(said)
	}
	account, err := o.account(said)
	if err != nil {
		return Proof{}, err
	}
	now := o.Now()
	p := Proof{Connector: o.ID, Issuer: o.Issuer, Subject: token.Subject, Claims: o.kept(said), Account: account,
		AuthTime: token.provedAt(), ProvedAt: now, AMR: methods(token.claims)}
	if p.AuthTime.After(now) {
		p.AuthTime = now // by the few seconds that clocks may differ
	}
	p.Name, p.Email = display(token.Subject, said, token.claims)
	if text, err := json.Marshal(p); err != nil || len(text) > maxProof {
		return Proof{}, fmt.Errorf("%w: what it says of the person does not fit into a cookie: %d bytes of claims that allow, may or mint look at",
			ErrUpstream, len(text))
	}
	return p, nil
}

// notAllowed says, for whoever runs the broker, which claim keeps somebody out:
// the claim alone, since what it says is of a person.
func (o *OIDC) notAllowed(said claims) error {
	for _, rule := range o.Allow {
		values := said.values(rule.Claim)
		switch {
		case len(values) == 0:
			return fmt.Errorf("%w: the issuer says no claim %q of them", ErrNotAllowed, rule.Claim)
		case !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(rule.Values, v) }):
			return fmt.Errorf("%w: their claim %q has none of the values that allow names", ErrNotAllowed, rule.Claim)
		}
	}
	return ErrNotAllowed
}

// maxProof bounds a proof as JSON, in bytes: sealed it must fit into the 4096
// that browsers take of a cookie.
const maxProof = 2800

// kept are the claims that rules look at. Of those that only Allow looks at,
// the values that it names are enough: somebody may be in hundreds of groups.
func (o *OIDC) kept(said claims) map[string][]string {
	out := map[string][]string{}
	for _, rule := range o.Allow {
		for _, value := range said.values(rule.Claim) {
			if slices.Contains(rule.Values, value) && !slices.Contains(out[rule.Claim], value) {
				out[rule.Claim] = append(out[rule.Claim], value)
			}
		}
	}
	for _, name := range o.Keep {
		if values := said.values(name); len(values) > 0 {
			out[name] = values
		}
	}
	return out
}

// account is what an owner's claims name; zero for agents.
func (o *OIDC) account(said claims) (credentials.Account, error) {
	if o.Account.ID == "" {
		return credentials.Account{}, nil
	}
	id, err := said.one(o.Account.ID)
	if err != nil {
		return credentials.Account{}, err
	}
	a := credentials.Account{ID: id, Connector: o.ID, Name: id, Handle: id}
	if o.Account.Name != "" {
		if a.Name, err = said.one(o.Account.Name); err != nil {
			return credentials.Account{}, err
		}
	}
	if o.Account.Handle != "" {
		if a.Handle, err = said.one(o.Account.Handle); err != nil {
			return credentials.Account{}, err
		}
	}
	a.Name, a.Handle = credentials.AsWritten(a.Name), credentials.AsWritten(a.Handle) // as everybody else is shown them
	return a, nil
}

// display is what people are shown: a name, whatever can stand for one, and an
// email address. Neither identifies anybody.
func display(subject string, from ...claims) (name, email string) {
	first := func(claim string) string {
		for _, said := range from {
			if values := said.values(claim); len(values) == 1 && tidy(values[0]) != "" {
				return tidy(values[0])
			}
		}
		return ""
	}
	email = first("email")
	local, _, _ := strings.Cut(email, "@")
	for _, name = range []string{first("name"), first("preferred_username"), local} {
		if name != "" {
			return name, email
		}
	}
	return tidy(subject), email
}

// tidy makes a text fit to be shown: on one line, in the order it is written,
// and not without end.
func tidy(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s))
	if runes := []rune(s); len(runes) > maxText {
		return string(runes[:maxText])
	}
	return s
}

// Bounds of the methods by which an issuer says that somebody proved who they
// are.
const (
	maxMethods = 10
	maxMethod  = 40 // bytes
)

func methods(said claims) []string {
	list := slices.DeleteFunc(said.values("amr"), func(m string) bool { return m == "" || len(m) > maxMethod || !printable(m) })
	return list[:min(len(list), maxMethods)]
}
