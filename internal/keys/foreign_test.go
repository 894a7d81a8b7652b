package keys_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/keys"
)

func jwk(t testing.TB, key any, change ...func(*jose.JSONWebKey)) string {
	t.Helper()
	k := jose.JSONWebKey{Key: key}
	for _, f := range change {
		f(&k)
	}
	text, err := k.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestWhichPublicKeysAreTaken: of the right kind and size, and with nothing in
// them that is a secret. What is wrong never repeats the key.
func TestWhichPublicKeysAreTaken(t *testing.T) {
	t.Parallel()
	alg := func(alg string) func(*jose.JSONWebKey) { return func(k *jose.JSONWebKey) { k.Algorithm = alg } }
	use := func(use string) func(*jose.JSONWebKey) { return func(k *jose.JSONWebKey) { k.Use = use } }
	big, ec := rsaKey(t, 2048), ecKey(t, elliptic.P256())
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := base64.RawURLEncoding.EncodeToString(big.N.Bytes())
	for name, tc := range map[string]struct{ key, says string }{
		"RSA":                       {jwk(t, big.Public()), ""},
		"RSA for RS256":             {jwk(t, big.Public(), alg("RS256")), ""},
		"RSA for PS256":             {jwk(t, big.Public(), alg("PS256"), use("sig")), ""},
		"P-256":                     {jwk(t, ec.Public(), alg("ES256")), ""},
		"Ed25519":                   {jwk(t, edPublic, alg("EdDSA")), ""},
		"of few bits":               {jwk(t, rsaKey(t, 1024).Public()), "1024 bits"},
		"of many bits":              {`{"kty":"RSA","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 1024))) + `"}`, "not a public key that can be used"},
		"P-384":                     {jwk(t, ecKey(t, elliptic.P384()).Public()), "P-256"},
		"RSA for ES256":             {jwk(t, big.Public(), alg("ES256")), "alg"},
		"RSA for RS512":             {jwk(t, big.Public(), alg("RS512")), "alg"},
		"P-256 for HS256":           {jwk(t, ec.Public(), alg("HS256")), "alg"},
		"P-256 for none":            {jwk(t, ec.Public(), alg("none")), "alg"},
		"for encryption":            {jwk(t, big.Public(), use("enc")), "use: sig"},
		"a private RSA key":         {jwk(t, big), "a secret part"},
		"a private P-256 key":       {jwk(t, ec), "holds d"},
		"a private Ed25519 key":     {jwk(t, edPrivate), "holds d"},
		"a part of a private key":   {`{"kty":"RSA","e":"AQAB","n":"` + n + `","p":"AQAB"}`, "holds p"},
		"a private member, empty":   {`{"kty":"RSA","e":"AQAB","n":"` + n + `","d":""}`, "holds d"},
		"a symmetric key":           {`{"kty":"oct","k":"c2VjcmV0"}`, "holds k"},
		"not on the curve":          {`{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}`, "not a public key that can be used"},
		"half a key":                {`{"kty":"EC","crv":"P-256","x":"AQAB"}`, "not a public key that can be used"},
		"X25519":                    {`{"kty":"OKP","crv":"X25519","x":"AQAB"}`, "not a public key that can be used"},
		"of an unknown kind":        {`{"kty":"XY","x":"AQAB"}`, "not a public key that can be used"},
		"nothing":                   {`{}`, "not a public key that can be used"},
		"a list":                    {`[]`, "not a JSON Web Key"},
		"null":                      {`null`, "not a public key that can be used"},
		"no JSON":                   {`x`, "not a JSON Web Key"},
		"a number as kty":           {`{"kty":1}`, "not a public key that can be used"},
		"an exponent of one":        {`{"kty":"RSA","e":"AQ","n":"` + n + `"}`, "not a public key that can be used"},
		"a certificate that is not": {strings.Replace(jwk(t, big.Public()), "{", `{"x5c":["AAAA"],`, 1), "not a public key that can be used"},
	} {
		_, err := keys.ParsePublic([]byte(tc.key))
		if (err == nil) != (tc.says == "") || err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), n[:20])) {
			t.Errorf("%s: %v, want %q", name, err, tc.says)
		}
	}
}

// TestOneKeyForOneAlgorithm: what is signed by a key in a way that the key is not
// for is not good, whatever the JWT says of itself.
func TestOneKeyForOneAlgorithm(t *testing.T) {
	t.Parallel()
	key := rsaKey(t, 2048)
	sign := func(alg jose.SignatureAlgorithm) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign([]byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		out, _ := signed.CompactSerialize()
		return out
	}
	for _, tc := range []struct {
		alg  jose.SignatureAlgorithm
		of   string
		good bool
	}{
		{jose.RS256, "", true}, {jose.PS256, "", true}, {jose.RS256, "RS256", true}, {jose.PS256, "PS256", true},
		{jose.RS256, "PS256", false}, {jose.PS256, "RS256", false},
	} {
		got, err := keys.ParseForeign(sign(tc.alg))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := got.Verify(jose.JSONWebKey{Key: key.Public(), Algorithm: tc.of}); (err == nil) != tc.good || err != nil && !errors.Is(err, keys.ErrToken) {
			t.Errorf("%s by a key for %q: %v", tc.alg, tc.of, err)
		}
		if _, err := got.Verify(jose.JSONWebKey{Key: ecKey(t, elliptic.P256()).Public()}); err == nil {
			t.Error("another key verifies it")
		}
	}
	for _, alg := range []jose.SignatureAlgorithm{jose.RS384, jose.PS512} {
		if _, err := keys.ParseForeign(sign(alg)); !errors.Is(err, keys.ErrToken) {
			t.Errorf("%s: %v", alg, err)
		}
	}
	whole := sign(jose.RS256)
	for _, text := range []string{"", ".", "..", "a.b.c", whole + ".", whole + "\n", whole[:len(whole)-4] + "\r\n" + whole[len(whole)-4:], strings.Repeat("a", 9000) + whole, strings.Repeat(".", 1<<20)} {
		if _, err := keys.ParseForeign(text); !errors.Is(err, keys.ErrToken) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// FuzzParsePublic: whatever is parsed is a public key of a kind and size that is
// taken, and nothing panics.
func FuzzParsePublic(f *testing.F) {
	for _, key := range []string{jwk(f, rsaKey(f, 2048).Public()), jwk(f, ecKey(f, elliptic.P256())), `{"kty":"oct","k":"AA"}`, `{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, `[]`, `{"kty":"EC","crv":"P-256","x":"","y":""}`} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := keys.ParsePublic([]byte(text))
		if err != nil {
			return
		}
		if !k.IsPublic() || !k.Valid() {
			t.Fatalf("%s is taken", text)
		}
		again, err := k.MarshalJSON()
		if err != nil || strings.Contains(string(again), `"d":`) || !json.Valid(again) {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

// FuzzParseForeign: whatever is parsed verifies by no key but its own, and
// nothing panics.
func FuzzParseForeign(f *testing.F) {
	key := ecKey(f, elliptic.P256())
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		f.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"aud":[1]}`))
	if err != nil {
		f.Fatal(err)
	}
	text, _ := signed.CompactSerialize()
	f.Add(text)
	f.Add("..")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","crit":["b64"],"b64":false}`)) + ".x.")
	other := jose.JSONWebKey{Key: ecKey(f, elliptic.P256()).Public()}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := keys.ParseForeign(text)
		if err != nil {
			return
		}
		_ = got.Unverified()
		if _, err := got.Verify(other); err == nil {
			t.Fatal("another key verifies it")
		}
	})
}
