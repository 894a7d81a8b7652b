package credentials

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// OnceKind keeps the names of different kinds of things apart.
type OnceKind string

// What may be used one time.
const (
	OnceAssertion OnceKind = "assertion" // a client's, by its jti (RFC 7523)
	OnceProof     OnceKind = "proof"     // a key's, by its jti (RFC 9449)
	OncePushed    OnceKind = "pushed"    // an authorization request's (RFC 9126)
)

// Once names something that may be used one time.
type Once struct {
	Kind  OnceKind
	Owner string // whose name ID is: a client, or the thumbprint of a key
	ID    string
	Until time.Time // from then on it is refused for its age
}

// Digest is what a use is remembered by: as long for a long name as for a short
// one, and the same for no two things.
func (o Once) Digest() []byte {
	h := sha256.New()
	for _, part := range []string{string(o.Kind), o.Owner, o.ID} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash takes everything
		_, _ = h.Write([]byte(part))
	}
	return h.Sum(nil)
}
