package provider

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// Authentication context classes (acr): which two proofs stand behind a token.
const (
	acrPIN      = "urn:valetkey:acr:agent+pin"
	acrPassword = "urn:valetkey:acr:agent+password"
	acrHolder   = "urn:valetkey:acr:holder"
)

var allACR = []string{acrPIN, acrPassword, acrHolder}

// actor is the agent, as the act claim of RFC 8693 section 4.1 names them.
type actor struct {
	Subject string `json:"sub"`
	Issuer  string `json:"iss"`
	Name    string `json:"name,omitempty"`
	Email   string `json:"email,omitempty"`
}

// account is the customer account that is opened; its id is the tenant key.
type account struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// support says by what the session was opened and when it ends.
type support struct {
	Credential string `json:"credential"`
	Policy     string `json:"policy"`
	Ticket     string `json:"ticket,omitempty"`
	Contact    string `json:"contact,omitempty"`
	EndsAt     string `json:"ends_at"` // RFC 3339, UTC
}

// sessionClaims is the part that access token, ID token, userinfo and introspection
// have in common.
type sessionClaims struct {
	Subject  string   `json:"sub"`
	SID      string   `json:"sid"`
	AuthTime int64    `json:"auth_time"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr,omitempty"`
	Act      *actor   `json:"act,omitempty"`
	Account  account  `json:"account"`
	Support  support  `json:"support"`
}

// accessClaims are an access token's (RFC 9068). Tokens of the management API
// have no session part.
type accessClaims struct {
	Issuer   string        `json:"iss"`
	Audience string        `json:"aud"`
	ClientID string        `json:"client_id"`
	Expires  int64         `json:"exp"`
	Issued   int64         `json:"iat"`
	ID       string        `json:"jti"`
	Scope    string        `json:"scope"`
	Confirm  *confirmation `json:"cnf,omitempty"`
	Status   *status       `json:"status,omitempty"`
	sessionClaims
}

// key is the thumbprint of the key that the token is bound to, or empty.
func (c accessClaims) key() string {
	if c.Confirm == nil {
		return ""
	}
	return c.Confirm.Key
}

// status says where apps that know nothing of the endings can look the session
// up (draft-ietf-oauth-status-list section 6.1).
type status struct {
	List statusPlace `json:"status_list"`
}

type statusPlace struct {
	Index int64  `json:"idx"`
	URI   string `json:"uri"`
}

// statusOf is nil for a session from before there was a list.
func (p *Provider) statusOf(s credentials.Session) *status {
	if s.StatusIndex == 0 {
		return nil
	}
	list, place := credentials.StatusList(s.StatusIndex)
	return &status{statusPlace{place, credentials.StatusURI(p.Issuer, list)}}
}

// idClaims are an ID token's (OpenID Connect Core 1.0 section 2).
type idClaims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Issued   int64  `json:"iat"`
	Nonce    string `json:"nonce,omitempty"`
	AtHash   string `json:"at_hash,omitempty"`
	standardClaims
	sessionClaims
}

// errPast says that a token would be expired before it is signed.
var errPast = errors.New("the token would be expired when it is issued")

// expiry is the one place where a token's end is decided: the lifetime of
// access tokens, and never beyond when the session ends if nothing more happens.
func (p *Provider) expiry(now, sessionEnd time.Time) (int64, error) {
	end := now.Add(p.Access)
	if sessionEnd.Before(end) {
		end = sessionEnd
	}
	if end.Unix() <= now.Unix() {
		return 0, errPast
	}
	return end.Unix(), nil
}

func (p *Provider) claimsOf(s credentials.Session, c *Client) sessionClaims {
	out := sessionClaims{
		Subject: subjectOf(s, c), SID: s.ID, AuthTime: s.AuthTime.Unix(), ACR: acrOf(s), AMR: s.AMR,
		Account: account{s.Account.ID, s.Account.Name},
		Support: support{s.Credential, s.Policy, s.Ticket, s.Contact, s.EndsAt.UTC().Format(time.RFC3339)},
	}
	if s.Agent != nil {
		out.Act = &actor{Subject: s.Agent.Subject, Issuer: s.Agent.Issuer}
		for _, claim := range c.Claims {
			switch claim {
			case "name":
				out.Act.Name = s.Agent.Name
			case "email":
				out.Act.Email = s.Agent.Email
			}
		}
	}
	return out
}

func acrOf(s credentials.Session) string {
	switch {
	case s.Agent == nil:
		return acrHolder
	case s.Kind == credentials.PIN:
		return acrPIN
	}
	return acrPassword
}

// subjectOf decides who the app sees. A guest exists only for this credential
// and agent and is the same at every app; the prefixes keep the three apart.
func subjectOf(s credentials.Session, c *Client) string {
	switch c.Subject {
	case "account":
		return "account:" + s.Account.ID
	case "owner":
		return "owner:" + s.OwnerSub
	}
	sum := sha256.Sum256([]byte("valetkey guest\x00" + s.Credential + "\x00" + s.AgentKey()))
	return "guest:" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// SubjectAt is the sub that the apps of an audience see in a session's tokens, for
// those who speak of the session elsewhere; empty where they do not see one and
// the same.
func (p *Provider) SubjectAt(s credentials.Session, audience string) string {
	found := ""
	for _, c := range p.Clients {
		if c.Audience != audience || slices.Equal(c.Grants, []string{grantClient}) { // it holds no token of a session
			continue
		}
		sub := subjectOf(s, c)
		if found != "" && found != sub || c.Subject == "owner" && s.OwnerSub == "" { // erased
			return ""
		}
		found = sub
	}
	return found
}

// accessToken builds and signs an access token of a session.
func (p *Provider) accessToken(s credentials.Session, c *Client, g issued, now time.Time) (string, int64, error) {
	end, app := s.DueAt(), c
	if !g.until.IsZero() && g.until.Before(end) {
		end = g.until
	}
	if g.app != nil {
		app = g.app
	}
	expires, err := p.expiry(now, end)
	if err != nil {
		return "", 0, err
	}
	token, err := p.sign(keys.ForAccess, "ES256", keys.TypAccess, accessClaims{
		Issuer: p.Issuer, Audience: app.Audience, ClientID: c.ID, Expires: expires, Issued: now.Unix(), ID: g.id,
		Scope: strings.Join(g.scope, " "), Confirm: confirm(g.key), Status: p.statusOf(s), sessionClaims: p.claimsOf(s, app),
	})
	return token, expires, err
}

// idToken builds and signs an ID token, by the client's algorithm.
func (p *Provider) idToken(s credentials.Session, c *Client, g issued, access string, now time.Time) (string, error) {
	expires, err := p.expiry(now, s.DueAt())
	if err != nil {
		return "", err
	}
	return p.sign(keys.ForID, c.IDTokenAlg, keys.TypID, idClaims{
		Issuer: p.Issuer, Audience: c.ID, Expires: expires, Issued: now.Unix(), Nonce: g.nonce,
		AtHash:         atHash(c.IDTokenAlg, access),
		standardClaims: standardOf(s, c, func(claim string) bool { return slices.Contains(g.claims, claim) }),
		sessionClaims:  p.claimsOf(s, c),
	})
}

// atHash is the left half of the access token's hash, by the hash function of the
// ID token's algorithm (OpenID Connect Core 1.0 section 3.1.3.6): SHA-512 is
// Ed25519's own.
func atHash(alg, access string) string {
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(access))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sumOf(access)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// sumOf is the SHA-256 of a text, which is not copied into memory of its own for
// that unless it is a long one.
func sumOf(text string) [sha256.Size]byte {
	var stack [2 << 10]byte
	return sha256.Sum256(append(stack[:0], text...))
}

// hinted opens an ID token that this client was given, however long ago.
func (p *Provider) hinted(raw string, c *Client) (idClaims, bool) {
	id, ok := p.openID(raw)
	return id, ok && id.Audience == c.ID
}

// openID opens an ID token that we issued at some time: type and signature, and
// issuer.
func (p *Provider) openID(raw string) (idClaims, bool) {
	var id idClaims
	payload, err := p.Ring.Verify(raw, keys.ForID, keys.TypID)
	if err != nil || json.Unmarshal(payload, &id) != nil || id.Issuer != p.Issuer {
		return idClaims{}, false
	}
	return id, true
}

func (p *Provider) sign(purpose keys.Purpose, alg, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	return p.Ring.Sign(purpose, alg, typ, payload)
}

// openIssued opens an access token that we issued at some time, of a session or
// of the management API: type and signature, and issuer.
func (p *Provider) openIssued(raw string) (accessClaims, bool) {
	if len(raw) > keys.MaxToken {
		return accessClaims{}, false
	}
	digest, version := sumOf(raw), p.Ring.Version()
	if c, ok := p.opened.get(digest, version); ok {
		return *c, true
	}
	var c accessClaims
	payload, err := p.Ring.Verify(raw, keys.ForAccess, keys.TypAccess)
	if err != nil || json.Unmarshal(payload, &c) != nil || c.Issuer != p.Issuer {
		return accessClaims{}, false
	}
	p.opened.put(digest, version, &c)
	return c, true
}

// openAccess verifies an access token as of now. exp has no leeway.
func (p *Provider) openAccess(raw string) (accessClaims, bool) {
	c, ok := p.openIssued(raw)
	now := p.Now()
	return c, ok && now.Before(time.Unix(c.Expires, 0)) && !time.Unix(c.Issued, 0).After(now.Add(clockLeeway))
}

// openSession verifies an access token that belongs to a session.
func (p *Provider) openSession(raw string) (accessClaims, bool) {
	c, ok := p.openAccess(raw)
	return c, ok && c.SID != ""
}
