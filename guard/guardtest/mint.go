package guardtest

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/guard"
)

// Session is a support session that a test makes up. Every field may be left out.
type Session struct {
	ID          string      // sid; default random
	Account     string      // default acme
	AccountName string      // default the account's id
	Agent       guard.Agent // default somebody called Dana Reed
	Scopes      []string
	Audience    string        // default that of Config
	Life        time.Duration // of the token; default 5 minutes
	EndsIn      time.Duration // of the session; default 1 hour
	Ticket      string
	Contact     string
	Thumbprint  string // of the key that the token is bound to (cnf.jkt); default none
}

// session is what the broker knows of one.
type session struct {
	scopes   []string
	audience string
	ended    *ending
}

func (s Session) complete() Session {
	for _, field := range []struct {
		value    *string
		standard string
	}{{&s.ID, rand.Text()}, {&s.Account, "acme"}, {&s.Audience, Audience}} {
		if *field.value == "" {
			*field.value = field.standard
		}
	}
	if s.AccountName == "" {
		s.AccountName = s.Account
	}
	if s.Agent == (guard.Agent{}) {
		s.Agent = guard.Agent{Issuer: "https://sso.example", Subject: "dana", Name: "Dana Reed"}
	}
	if s.EndsIn == 0 {
		s.EndsIn = time.Hour
	}
	if s.Life == 0 {
		s.Life = min(5*time.Minute, s.EndsIn)
	}
	return s
}

// Mint issues an access token of a session, which begins with its first token.
func (b *Broker) Mint(s Session) string { return b.Sign("at+jwt", b.Claims(s)) }

// Claims are what Mint signs. A test may change them first.
func (b *Broker) Claims(s Session) map[string]any {
	s = s.complete()
	b.change(func() {
		known := b.sessions[s.ID]
		if known == nil {
			known = &session{}
			b.sessions[s.ID] = known
		}
		known.scopes, known.audience = s.Scopes, s.Audience
	})
	now := time.Now()
	claims := map[string]any{
		"iss": b.URL, "aud": s.Audience, "client_id": ClientID, "sub": "guest:" + s.ID, "sid": s.ID, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(s.Life).Unix(), "auth_time": now.Unix(), "scope": strings.Join(s.Scopes, " "),
		"acr": "urn:valetkey:acr:agent+pin", "amr": []string{"pin"},
		"act":     map[string]string{"iss": s.Agent.Issuer, "sub": s.Agent.Subject, "name": s.Agent.Name},
		"account": map[string]string{"id": s.Account, "name": s.AccountName},
		"support": map[string]string{
			"credential": "cred-" + s.ID, "policy": "support-pin", "ticket": s.Ticket, "contact": s.Contact,
			"ends_at": now.Add(s.EndsIn).UTC().Format(time.RFC3339),
		},
	}
	if s.Thumbprint != "" {
		claims["cnf"] = map[string]string{"jkt": s.Thumbprint}
	}
	return claims
}

// Sign signs any claims with the broker's current key, as a token of any type.
func (b *Broker) Sign(typ string, claims any) string {
	b.mu.Lock()
	k := b.keys[len(b.keys)-1]
	b.mu.Unlock()
	return b.sign(jose.ES256, jose.JSONWebKey{Key: k.private, KeyID: k.id}, typ, claims)
}

func (b *Broker) sign(alg jose.SignatureAlgorithm, key jose.JSONWebKey, typ string, claims any) string {
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		b.t.Fatalf("guardtest: %v", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		b.t.Fatalf("guardtest: %v", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		b.t.Fatalf("guardtest: %v", err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		b.t.Fatalf("guardtest: %v", err)
	}
	return raw
}

// RotateKeys signs with another key from now on, takes the ones before out of the
// key set, as after a compromise, and says so on the streams.
func (b *Broker) RotateKeys() {
	b.change(func() {
		b.keys = []key{newKey()}
		b.keyTurns++
	})
}

// AddKey signs with another key from now on; the ones before stay in the key set,
// as in an ordinary rotation, and nothing is said on the streams.
func (b *Broker) AddKey() { b.change(func() { b.keys = append(b.keys, newKey()) }) }

// keySet is what the broker publishes.
func (b *Broker) keySet() jose.JSONWebKeySet {
	b.mu.Lock()
	defer b.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, k := range b.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(jose.ES256), Use: "sig"})
	}
	set.Keys = append(set.Keys, jose.JSONWebKey{Key: rsaKey().Public(), KeyID: rsaKeyID, Algorithm: string(jose.RS256), Use: "sig"})
	return set
}
