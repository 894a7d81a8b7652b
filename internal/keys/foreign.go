package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// foreignAlgs are the algorithms by which others may sign what they send us.
var foreignAlgs = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// ForeignAlgs names the algorithms by which others may sign what they send us:
// never a symmetric one, never none.
func ForeignAlgs() []string {
	out := make([]string, 0, len(foreignAlgs))
	for _, alg := range foreignAlgs {
		out = append(out, string(alg))
	}
	return out
}

// Sizes of others' RSA keys, in bits. RFC 7518 section 3.3 asks for the least;
// the most keeps verifying cheap.
const (
	leastRSA = 2048
	mostRSA  = 4096
)

// secretMembers are what a JWK holds of a private or symmetric key (RFC 7518
// section 6, RFC 8037 section 2).
var secretMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// ParsePublic reads another party's public key (RFC 7517 section 4). Its errors
// say what to write, and repeat nothing of the key.
func ParsePublic(raw []byte) (jose.JSONWebKey, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return jose.JSONWebKey{}, errors.New("is not a JSON Web Key; write one such as {kty: EC, crv: P-256, x: …, y: …}")
	}
	for _, name := range secretMembers {
		if _, has := members[name]; has {
			return jose.JSONWebKey{}, fmt.Errorf("holds %s, a secret part of a key; write the public key only, and replace this one: it is not secret any more", name)
		}
	}
	var k jose.JSONWebKey
	if k.UnmarshalJSON(raw) != nil || !k.Valid() {
		return jose.JSONWebKey{}, errors.New("is not a public key that can be used; write an RSA, P-256 or Ed25519 key")
	}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n < leastRSA || n > mostRSA {
			return jose.JSONWebKey{}, fmt.Errorf("has %d bits; an RSA key has from %d to %d", n, leastRSA, mostRSA)
		}
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return jose.JSONWebKey{}, errors.New("is on another curve than P-256; write a P-256 key")
		}
	case ed25519.PublicKey:
	default:
		return jose.JSONWebKey{}, errors.New("is not a public key that can be used; write an RSA, P-256 or Ed25519 key")
	}
	switch {
	case k.Use != "" && k.Use != "sig":
		return jose.JSONWebKey{}, errors.New("is not for signatures; leave it out, or write use: sig")
	case k.Algorithm != "" && !slices.ContainsFunc(foreignAlgs, func(alg jose.SignatureAlgorithm) bool {
		return string(alg) == k.Algorithm && fits(k, alg)
	}):
		return jose.JSONWebKey{}, errors.New("has an alg that is not one for this key: RS256 or PS256 for RSA, ES256 for P-256, EdDSA for Ed25519")
	}
	return k, nil
}

// fits reports whether the key is for this algorithm.
func fits(k jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if k.Algorithm != "" && k.Algorithm != string(alg) {
		return false
	}
	switch k.Key.(type) {
	case *rsa.PublicKey:
		return alg == jose.RS256 || alg == jose.PS256
	case *ecdsa.PublicKey:
		return alg == jose.ES256
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false
}

// Foreign is a signed JWT of somebody else, not verified yet.
type Foreign struct {
	Type  string          // typ, as it was sent
	KeyID string          // kid
	JWK   json.RawMessage // jwk, if it brings its own key
	alg   jose.SignatureAlgorithm
	jws   *jose.JSONWebSignature
}

// ParseForeign reads a JWT of at most MaxToken bytes that claims to be signed by
// one of ForeignAlgs. Everything else, of whatever shape, is ErrToken.
func ParseForeign(raw string) (*Foreign, error) {
	if len(raw) > MaxToken || strings.Count(raw, ".") != 2 || strings.ContainsAny(raw, "\r\n") { // which the decoder would pass over
		return nil, ErrToken
	}
	signed, err := jose.ParseSignedCompact(raw, foreignAlgs)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, ErrToken
	}
	var header struct {
		Type  string          `json:"typ"`
		KeyID string          `json:"kid"`
		JWK   json.RawMessage `json:"jwk"`
	}
	text, _, _ := strings.Cut(raw, ".")
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(plain, &header) != nil {
		return nil, ErrToken
	}
	alg := jose.SignatureAlgorithm(signed.Signatures[0].Protected.Algorithm)
	return &Foreign{Type: header.Type, KeyID: header.KeyID, JWK: header.JWK, alg: alg, jws: signed}, nil
}

// Unverified is the payload before anybody has vouched for it: good for finding
// out whose key to ask, and for nothing else.
func (f *Foreign) Unverified() []byte { return f.jws.UnsafePayloadWithoutVerification() }

// Verify returns the payload if it is signed by the key, in a way that the key
// is for; else ErrToken.
func (f *Foreign) Verify(k jose.JSONWebKey) ([]byte, error) {
	if !fits(k, f.alg) {
		return nil, ErrToken
	}
	payload, err := f.jws.Verify(k.Key)
	if err != nil {
		return nil, ErrToken
	}
	return payload, nil
}
