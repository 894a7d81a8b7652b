package guard

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxToken is how long a token is at most, looked at before anything else is.
const maxToken = 8 << 10

// header is what a JWS's protected header is asked for.
type header struct {
	Type      string          `json:"typ"`
	Algorithm string          `json:"alg"`
	KeyID     string          `json:"kid"`
	Critical  json.RawMessage `json:"crit"`
}

// decode reads one of the three parts of a compact JWS.
func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// parts takes a compact JWS apart, without trusting any of it.
func parts(raw string) (head, payload, signature string, ok bool) {
	// The decoder overlooks line ends, which belong to no token.
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 || strings.ContainsAny(raw, "\r\n") {
		return "", "", "", false
	}
	head, rest, _ := strings.Cut(raw, ".")
	payload, signature, _ = strings.Cut(rest, ".")
	return head, payload, signature, head != "" && payload != "" && signature != ""
}

// strict reports whether a part is base64url in the one way that it can be
// written: the library is less strict about the last letter, and a token is not to
// have several spellings.
func strict(part string) bool {
	_, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return err == nil
}

// headerOf reads a compact JWS's header: its type must be typ, with or without
// "application/" (RFC 7515 section 4.1.9).
func headerOf(raw, typ string) (header, error) {
	var h header
	head, payload, signature, ok := parts(raw)
	if !ok || decode(head, &h) != nil || !strict(payload) || !strict(signature) {
		return h, errMalformed
	}
	if kind := strings.ToLower(h.Type); kind != typ && kind != "application/"+typ {
		return h, errType
	}
	if h.Critical != nil { // RFC 7515 section 4.1.11: not understood is not accepted
		return h, errMalformed
	}
	return h, nil
}

// open checks a compact JWS's signature by a key for an algorithm that was chosen
// before, and returns the payload. Its header was looked at by headerOf.
func open(raw, algorithm string, key crypto.PublicKey) ([]byte, error) {
	if ec, ok := key.(*ecdsa.PublicKey); ok && algorithm == algAccess {
		return openES256(raw, ec)
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	if err != nil {
		return nil, errMalformed
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, errSignature
	}
	return payload, nil
}

// openES256 is open for RFC 7518 section 3.4. The library reads the header twice
// more for it, which makes a new token cost a fifth more than its signature.
func openES256(raw string, key *ecdsa.PublicKey) ([]byte, error) {
	at := strings.LastIndexByte(raw, '.')
	signature, err := base64.RawURLEncoding.Strict().DecodeString(raw[at+1:])
	if err != nil || len(signature) != 64 || key.Curve != elliptic.P256() {
		return nil, errSignature
	}
	sum := sha256.Sum256([]byte(raw[:at]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(key, sum[:], r, s) {
		return nil, errSignature
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(raw[strings.IndexByte(raw, '.')+1 : at])
	if err != nil {
		return nil, errMalformed
	}
	return payload, nil
}

// audience is an aud claim that names one audience, alone or in a list (RFC 7519
// section 4.1.3). Anything else is no audience of ours.
type audience string

// UnmarshalJSON never fails for what is JSON: what is not understood is empty,
// and matches nothing.
func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	var list []string
	switch {
	case bytes.HasPrefix(text, []byte(`"`)) && json.Unmarshal(text, &one) == nil:
		*a = audience(one)
	case json.Unmarshal(text, &list) == nil && len(list) == 1:
		*a = audience(list[0])
	default:
		*a = ""
	}
	return nil
}

// issuerOf is a token's iss, unverified: it chooses who verifies it, and nothing
// else. Empty where there is none.
func issuerOf(raw string) string {
	var claims struct {
		Issuer string `json:"iss"`
	}
	_, payload, _, ok := parts(raw)
	if !ok || decode(payload, &claims) != nil {
		return ""
	}
	return claims.Issuer
}
