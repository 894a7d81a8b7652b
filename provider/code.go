package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"time"
)

// code is what an authorization code says, sealed for its client. That it is
// used once is settled by the store.
type code struct {
	ID          string
	Account     string
	SID         string
	RedirectURI string
	Challenge   string
	Nonce       string
	Key         string // thumbprint of the key that it is bound to (dpop_jkt)
	Scope       []string
	Claims      []string // asked for in the ID token
	At          int64    // UTC microseconds
}

func (*code) form() byte { return 1 }

// carry implements packed.
func (c *code) carry(p *parcel) {
	for _, text := range []*string{&c.ID, &c.Account, &c.SID, &c.RedirectURI, &c.Challenge, &c.Nonce, &c.Key} {
		p.text(text)
	}
	p.texts(&c.Scope)
	p.texts(&c.Claims)
	p.number(&c.At)
}

func (p *Provider) sealCode(c code, client string) string { return sealPacked(p.Codes, &c, client) }

// openCode opens a code that was issued to this client, for this redirect URI
// and verifier, within its life. Whatever is wrong, nothing of it is used up, and
// the answer is the same.
func (p *Provider) openCode(sealed, client, redirectURI, verifier string) (code, bool) {
	var c code
	if openPacked(p.Codes, sealed, client, &c) != nil {
		return c, false
	}
	age := p.Now().Sub(time.UnixMicro(c.At))
	return c, age <= p.Code && age >= -clockLeeway && c.RedirectURI == redirectURI && proves(verifier, c.Challenge)
}

// proves is RFC 7636 section 4.6. Neither goes without the other: a verifier for
// a code without a challenge says that somebody took the challenge away.
func proves(verifier, challenge string) bool {
	if challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	hashed := base64.RawURLEncoding.EncodeToString(sum[:])
	return verifies(verifier) && subtle.ConstantTimeCompare([]byte(hashed), []byte(challenge)) == 1
}

// clockLeeway is how far ahead of this node's clock another one's may be.
const clockLeeway = 10 * time.Second
