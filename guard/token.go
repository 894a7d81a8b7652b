package guard

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const (
	typAccess = "at+jwt"
	algAccess = "ES256"
	// skew is how far ahead of our clock a token may have been made.
	skew = 10 * time.Second
	// longestLife is how long a token lives that is verified offline. A longer
	// one is asked about with every request, so that the set of ended sessions
	// need not be kept for as long as somebody may have configured.
	longestLife = time.Hour
)

// claims are an access token's (RFC 9068), as far as guard looks at them.
type claims struct {
	Issuer    string   `json:"iss"`
	Audience  audience `json:"aud"`
	ClientID  string   `json:"client_id"`
	Expires   int64    `json:"exp"`
	Issued    int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Scope     string   `json:"scope"`
	Subject   string   `json:"sub"`
	SID       string   `json:"sid"`
	Act       Agent    `json:"act"`
	Account   Account  `json:"account"`
	Support   support  `json:"support"`
	Confirmed *bound   `json:"cnf"`
}

// bound is the key that a token is bound to (RFC 9449 section 6.1).
type bound struct {
	Thumbprint string `json:"jkt"`
}

type support struct {
	Credential string    `json:"credential"`
	Policy     string    `json:"policy"`
	Ticket     string    `json:"ticket"`
	Contact    string    `json:"contact"`
	EndsAt     time.Time `json:"ends_at"`
}

// token is a token whose signature and fixed claims were verified.
type token struct {
	raw     string
	session Session // without its watch
	keyID   string
	jkt     string // of the key that it is bound to
	expires int64  // ns since 1970
	long    bool   // lives longer than longestLife
	watch   *watch
}

// farthest is a second that is in range however it is added to: the year 2242.
const farthest = 1 << 33

// read makes a token of a verified payload. now is in ns since 1970.
func (g *Guard) read(raw, keyID string, payload []byte, now int64) (*token, error) {
	var c claims
	if json.Unmarshal(payload, &c) != nil {
		return nil, errMalformed
	}
	ahead := now + int64(skew)
	switch {
	case c.Issuer != g.cfg.Issuer:
		return nil, errIssuer
	case string(c.Audience) != g.cfg.Audience:
		return nil, errAudience
	case c.SID == "" || !named(c.SID) || c.Issued <= 0 || c.Expires <= 0 || c.Expires > farthest || c.Issued > farthest || c.NotBefore > farthest:
		return nil, errMalformed
	case now >= c.Expires*int64(time.Second):
		return nil, errExpired
	case c.Issued*int64(time.Second) > ahead || c.NotBefore*int64(time.Second) > ahead:
		return nil, errNotYet
	}
	expires := time.Unix(c.Expires, 0)
	switch ends := c.Support.EndsAt; {
	case ends.IsZero():
		c.Support.EndsAt = expires
	case ends.Before(expires): // nothing outlives the session
		if expires = ends; now >= ends.UnixNano() {
			return nil, errExpired
		}
	}
	jkt := ""
	if c.Confirmed != nil {
		if jkt = c.Confirmed.Thumbprint; jkt == "" { // bound in a way that cannot be checked here
			return nil, errDPoPMissing
		}
	}
	return &token{
		raw: raw, keyID: keyID, jkt: jkt,
		expires: expires.UnixNano(), long: c.Expires-c.Issued > int64(longestLife/time.Second),
		session: Session{
			ID: c.SID, Account: c.Account, Agent: c.Act, Scopes: strings.Fields(c.Scope), EndsAt: c.Support.EndsAt,
			Subject: c.Subject, ClientID: c.ClientID, Credential: c.Support.Credential, Policy: c.Support.Policy,
			Ticket: c.Support.Ticket, Contact: c.Support.Contact, Expires: expires,
		},
	}, nil
}

// named reports whether text is an id that can be written to the record: 1 to 200
// bytes, no control characters.
func named(id string) bool {
	return id != "" && len(id) <= 200 && strings.IndexFunc(id, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}

// carried is a support token as a request has it.
type carried struct {
	raw    string
	scheme string // bearer or dpop; empty for a cookie
}

// tokenOf finds the support token of a request: a token that says it is of our
// issuer. found is false for every other request, which is not our business.
func (g *Guard) tokenOf(r *http.Request) (c carried, found bool, err error) {
	values := r.Header.Values("Authorization")
	for _, value := range values {
		scheme, raw := value, ""
		if at := strings.IndexAny(value, " \t"); at >= 0 { // some readers take a tab for a space
			scheme, raw = value[:at], strings.Trim(value[at:], " \t")
		}
		scheme = strings.ToLower(scheme)
		if (scheme != "bearer" && scheme != "dpop") || !g.ours(raw) {
			continue
		}
		c, found = carried{raw, scheme}, true
		if len(values) > 1 { // two identities in one request: neither is believed
			return c, true, errMalformed
		}
	}
	if source := g.source.Load(); !found && source != nil {
		c.raw, found = source.find(r)
	}
	return c, found, nil
}

// ours reports whether a token says that it is of our issuer. One that has been
// verified does.
func (g *Guard) ours(raw string) bool {
	return g.cache.get(raw) != nil || issuerOf(raw) == g.cfg.Issuer
}
