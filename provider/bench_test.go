package provider

import (
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// BenchmarkToken is a token from the session to the signature: an access token,
// and ID tokens by each algorithm that most clients use.
func BenchmarkToken(b *testing.B) {
	now := time.Now()
	var ring []*keys.SigningKey
	for _, f := range keys.Wanted([]string{"ES256", "RS256"}) {
		key, err := keys.NewSigningKey(f.Purpose, f.Alg, now)
		if err != nil {
			b.Fatal(err)
		}
		ring = append(ring, key)
	}
	opened, err := keys.NewRing(ring)
	if err != nil {
		b.Fatal(err)
	}
	p := &Provider{Issuer: "https://access.example", Access: 5 * time.Minute, Ring: opened}
	s := credentials.Session{
		ID: credentials.NewID(), Account: credentials.Account{ID: "acme", Name: "Acme Ltd"}, Credential: credentials.NewID(), Kind: credentials.PIN, Policy: "support-pin",
		Agent:  &credentials.Agent{Issuer: "https://sso.example", Subject: "dana", Name: "Dana R."},
		Scopes: []string{"documents.read"}, OpenedAt: now, EndsAt: now.Add(time.Hour), AuthTime: now, AMR: []string{"pwd", "otp"}, StatusIndex: 7,
	}
	g := issued{scope: []string{"openid", "documents.read"}, id: credentials.NewID(), nonce: credentials.NewID()}
	c := &Client{ID: "docs", Audience: "https://docs.example/api", Claims: []string{"name"}}
	b.Run("access", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := p.accessToken(s, c, g, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, alg := range []string{"ES256", "RS256"} {
		b.Run("id "+alg, func(b *testing.B) {
			c := *c
			c.IDTokenAlg = alg
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.idToken(s, &c, g, "access", now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRequest is an authorization request as it is sealed, and opened again
// by each page that follows.
func BenchmarkRequest(b *testing.B) {
	p := &Provider{Requests: newSealer(b), Now: time.Now, Clients: map[string]*Client{"docs": {RedirectURIs: []string{"https://docs.example/callback"}}}}
	a := Request{Client: "docs", RedirectURI: "https://docs.example/callback", Scope: []string{"openid", "documents.read", "documents.write"},
		State: "G6N4YVHVQ5E2D4VNSQTAXG6N4Y", HasState: true, Nonce: "VNSQTAXG6N4YVHVQ5E2D4VNSQT",
		Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", At: time.Now().UnixMicro(), Browser: "browser"}
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.seal(&a)
		}
	})
	b.Run("open", func(b *testing.B) {
		p.seal(&a)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.OpenRequest(a.Sealed, "browser"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
