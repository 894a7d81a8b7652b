package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// ErrSealed says that a sealed value cannot be opened: it was changed, made
// for another purpose or place, or by other secrets. No more is told.
var ErrSealed = errors.New("the sealed value cannot be opened")

// maxSealed bounds what is opened, in characters.
const maxSealed = 16 << 10

// strict takes one text for each value. Asking for it copies its tables.
var strict = base64.RawURLEncoding.Strict()

// Sealer seals values for one purpose with AES-256-GCM. What was sealed for
// another purpose, or bound to something else, does not open.
type Sealer struct {
	aeads []cipher.AEAD // the first one seals
}

// Sealer returns the sealer for a purpose.
func (s *Secrets) Sealer(purpose string) *Sealer {
	out := &Sealer{}
	for _, v := range s.sealing {
		block, err := aes.NewCipher(derive(v.Key, "seal/"+purpose))
		if err != nil {
			panic(err) // only for an impossible key length
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			panic(err)
		}
		out.aeads = append(out.aeads, aead)
	}
	return out
}

// SealBytes seals plain; bound is associated data, the place it belongs to.
func (s *Sealer) SealBytes(plain []byte, bound string) []byte {
	return s.aeads[0].Seal(nil, nil, plain, []byte(bound))
}

// OpenBytes opens what SealBytes made for the same place.
func (s *Sealer) OpenBytes(sealed []byte, bound string) ([]byte, error) {
	for _, aead := range s.aeads {
		if plain, err := aead.Open(nil, nil, sealed, []byte(bound)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}

// Seal seals to text that is safe in URLs, cookies and forms.
func (s *Sealer) Seal(plain []byte, bound string) string {
	return base64.RawURLEncoding.EncodeToString(s.SealBytes(plain, bound))
}

// Open opens what Seal made for the same place.
func (s *Sealer) Open(sealed, bound string) ([]byte, error) {
	if len(sealed) > maxSealed || strings.ContainsAny(sealed, "\r\n") { // which the decoder would pass over
		return nil, ErrSealed
	}
	raw, err := strict.DecodeString(sealed)
	if err != nil {
		return nil, ErrSealed
	}
	return s.OpenBytes(raw, bound)
}

// SealJSON seals v as JSON. v must be encodable.
func (s *Sealer) SealJSON(v any, bound string) string {
	plain, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type that cannot be encoded is a mistake of ours
	}
	return s.Seal(plain, bound)
}

// OpenJSON opens what SealJSON made into v.
func (s *Sealer) OpenJSON(sealed, bound string, v any) error {
	plain, err := s.Open(sealed, bound)
	if err != nil {
		return err
	}
	if json.Unmarshal(plain, v) != nil {
		return ErrSealed
	}
	return nil
}
