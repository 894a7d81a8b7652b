package rig

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// sign makes a token as an issuer does, by a library.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// change alters one character of a part of a token.
func change(token string, part int) string {
	parts := strings.Split(token, ".")
	other := byte('A')
	if parts[part][5] == other {
		other = 'B'
	}
	parts[part] = parts[part][:5] + string(other) + parts[part][6:]
	return strings.Join(parts, ".")
}

func TestVerify(t *testing.T) {
	t.Parallel()
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: elliptical.Public(), KeyID: "e"}, {Key: big.Public(), KeyID: "r"}}}
	visitor := func(alg string) *Visitor {
		v := NewVisitor(&Site{Issuer: "http://issuer", App: App{ID: "app"}, Alg: alg, SID: true})
		v.keys = keySet{set, map[string]crypto.PublicKey{}}
		return v
	}
	says := func(changes ...any) map[string]any {
		out := map[string]any{"iss": "http://issuer", "aud": "app", "nonce": "n", "sid": "s", "exp": time.Now().Add(time.Hour).Unix()}
		for i := 0; i < len(changes); i += 2 {
			out[changes[i].(string)] = changes[i+1]
		}
		return out
	}
	es, rs := visitor("ES256"), visitor("RS256")
	right := sign(t, jose.ES256, elliptical, "e", says())
	for range 2 { // with the header not known, and known
		if err := es.verify(t.Context(), right, "n"); err != nil {
			t.Error(err)
		}
		if err := rs.verify(t.Context(), sign(t, jose.RS256, big, "r", says("aud", []string{"other", "app"})), "n"); err != nil {
			t.Error(err)
		}
	}
	for what, token := range map[string]string{
		"nothing":                "",
		"no token":               "a.b",
		"four parts":             right + ".x",
		"another signature":      change(right, 2),
		"other claims":           change(right, 1),
		"another header":         change(right, 0),
		"a short signature":      right[:len(right)-4],
		"a foreign key":          sign(t, jose.ES256, foreign, "e", says()),
		"an unknown key":         sign(t, jose.ES256, elliptical, "x", says()),
		"another algorithm":      sign(t, jose.RS256, big, "r", says()),
		"a secret for the key":   sign(t, jose.HS256, make([]byte, 32), "e", says()),
		"another issuer":         sign(t, jose.ES256, elliptical, "e", says("iss", "http://other")),
		"another audience":       sign(t, jose.ES256, elliptical, "e", says("aud", []string{"other"})),
		"another nonce":          sign(t, jose.ES256, elliptical, "e", says("nonce", "m")),
		"no session":             sign(t, jose.ES256, elliptical, "e", says("sid", "")),
		"an end that has passed": sign(t, jose.ES256, elliptical, "e", says("exp", time.Now().Add(-time.Minute).Unix())),
	} {
		if err := es.verify(t.Context(), token, "n"); err == nil {
			t.Errorf("%s: it is accepted", what)
		}
	}
	if err := rs.verify(t.Context(), change(sign(t, jose.RS256, big, "r", says()), 2), "n"); err == nil {
		t.Error("another RS256 signature is accepted")
	}
	for name, c := range map[string]struct {
		token          string
		warm, measured bool
	}{
		"nothing":                        {right, true, true},
		"a forgery while it warms up":    {change(right, 2), true, false},
		"a forgery while it is measured": {change(right, 2), false, true},
	} {
		synctest.Test(t, func(t *testing.T) { // whose milliseconds are as long as they have to be
			measured, had := false, map[bool]int{}
			usage := func() Usage { measured = true; return Usage{} }
			_, err := Measure(t.Context(), []*Visitor{es, visitor("ES256")}, 50*time.Millisecond, usage, func(ctx context.Context, i int) error {
				time.Sleep(time.Millisecond)
				if i != 0 {
					return nil
				}
				had[measured]++
				if had[measured] == 2 && (measured && c.measured || !measured && c.warm) { // neither the first nor the last
					return es.verify(ctx, c.token, "n")
				}
				return es.verify(ctx, right, "n")
			})
			if (err != nil) != (c.token != right) {
				t.Errorf("measured with %s: %v", name, err)
			}
		})
		if err := es.verify(t.Context(), change(right, 2), "n"); err == nil {
			t.Error("after that another signature is accepted")
		}
	}
}
