package keys

import (
	"testing"
	"time"
)

// toSeal is about what a sealed authorization request holds.
var toSeal = map[string]string{
	"client_id": "docs", "redirect_uri": "https://docs.example/callback", "scope": "openid documents.read documents.write",
	"state": "G6N4YVHVQ5E2D4VNSQTAXG6N4Y", "nonce": "VNSQTAXG6N4YVHVQ5E2D4VNSQT", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
}

func BenchmarkSeal(b *testing.B) {
	s := secrets(b).Sealer("authorization request")
	b.ReportAllocs()
	for b.Loop() {
		s.SealJSON(toSeal, "browser")
	}
}

func BenchmarkOpen(b *testing.B) {
	s := secrets(b).Sealer("authorization request")
	text := s.SealJSON(toSeal, "browser")
	b.ReportAllocs()
	for b.Loop() {
		var out map[string]string
		if err := s.OpenJSON(text, "browser", &out); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSign is the signature alone: RS256 is what costs.
func BenchmarkSign(b *testing.B) {
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			key, err := NewSigningKey(ForID, alg, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			ring, err := NewRing([]*SigningKey{key})
			if err != nil {
				b.Fatal(err)
			}
			payload := make([]byte, 600)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ring.Sign(ForID, alg, TypID, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
