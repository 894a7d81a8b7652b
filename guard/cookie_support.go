package guard

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// kept is what a support cookie holds: the tokens of one support session, in one
// browser.
type kept struct {
	SID     string
	Expires time.Time // of the access token, which is trusted no longer
	EndsAt  time.Time // of the session, which no renewal outlives
	Access  string
	Refresh string // empty where the client has no refresh tokens
}

// lastUse is when an access token is renewed: a little before it expires, so that
// it does not do so on its way through the app; but not for the sake of a session
// that ends with it, nor where an agent would have to go to the broker for it.
func (k kept) lastUse() time.Time {
	if k.Expires.Before(k.EndsAt) && k.Refresh != "" {
		return k.Expires.Add(-2 * time.Second)
	}
	return k.Expires
}

// keptVersion is the first byte of what is sealed.
const keptVersion = 1

// encode packs a cookie's content. The parts of a token are base64 already and
// the sealed cookie is base64 again: they are kept decoded, so that a cookie is
// about as long as the tokens in it.
func (k kept) encode() ([]byte, error) {
	out := []byte{keptVersion}
	out = binary.AppendVarint(out, k.Expires.Unix())
	out = binary.AppendVarint(out, k.EndsAt.Unix())
	for _, text := range []string{k.SID, k.Refresh} {
		out = appendField(out, []byte(text))
	}
	parts := strings.Split(k.Access, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("an access token of %d parts", len(parts))
	}
	for _, part := range parts {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != part {
			return nil, errors.New("an access token that is no base64url")
		}
		out = appendField(out, raw)
	}
	return out, nil
}

func appendField(out, field []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(field))), field...)
}

// decodeKept unpacks what encode made.
func decodeKept(plain []byte) (kept, error) {
	if len(plain) == 0 || plain[0] != keptVersion {
		return kept{}, errSealed
	}
	in := bytes.NewReader(plain[1:])
	expires, err1 := binary.ReadVarint(in)
	ends, err2 := binary.ReadVarint(in)
	if err1 != nil || err2 != nil {
		return kept{}, errSealed
	}
	var fields [5][]byte
	for i := range fields {
		n, err := binary.ReadUvarint(in)
		if err != nil || n > uint64(in.Len()) {
			return kept{}, errSealed
		}
		fields[i] = make([]byte, n)
		_, _ = in.Read(fields[i]) // as long as what is left, at most
	}
	if in.Len() != 0 {
		return kept{}, errSealed
	}
	part := base64.RawURLEncoding.EncodeToString
	return kept{
		SID: string(fields[0]), Refresh: string(fields[1]), Expires: time.Unix(expires, 0), EndsAt: time.Unix(ends, 0),
		Access: part(fields[2]) + "." + part(fields[3]) + "." + part(fields[4]),
	}, nil
}
