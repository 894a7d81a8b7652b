package keys

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/go-jose/go-jose/v4"
)

// p256 is the size of each half of an ES256 signature, in bytes (RFC 7518
// section 3.4).
const p256 = 32

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

// sign implements tokenSigner.
func (c *compact) sign(payload []byte) (string, error) {
	encoding := base64.RawURLEncoding
	out := make([]byte, 0, len(c.header)+encoding.EncodedLen(len(payload))+1+encoding.EncodedLen(2*p256))
	out = encoding.AppendEncode(append(out, c.header...), payload)
	sum := sha256.Sum256(out)
	r, s, err := ecdsa.Sign(rand.Reader, c.key, sum[:])
	if err != nil {
		return "", err
	}
	var signature [2 * p256]byte
	r.FillBytes(signature[:p256])
	s.FillBytes(signature[p256:])
	return string(encoding.AppendEncode(append(out, '.'), signature[:])), nil
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
