package connectors

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/valetkey/valetkey/credentials"
)

// nobody is hashed against for unknown names; no password fits it.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// errPHC says that a configured hash is not one; the configuration checks that
// before anybody signs in.
var errPHC = errors.New("the password hash is not argon2id in PHC form")

// phc is a parsed argon2id hash: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
type phc struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

func parsePHC(s string) (phc, error) {
	var h phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return h, errPHC
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); err != nil || n != 3 {
		return h, errPHC
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(h.sum) == 0 || h.passes == 0 || h.lanes == 0 || h.memory > 1<<20 {
		return h, errPHC
	}
	return h, nil
}

// maxPassword bounds what is hashed, in bytes.
const maxPassword = 1024

// verifyPHC compares a password with a hash, under the gate that all slow
// hashes share.
func verifyPHC(ctx context.Context, gate *credentials.Hasher, hash, password string) (bool, error) {
	h, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	if len(password) > maxPassword {
		return false, nil
	}
	leave, err := gate.Enter()
	if err != nil {
		return false, err
	}
	defer leave()
	var sum []byte
	err = gate.Slow(ctx, func() {
		sum = argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(len(h.sum))) //nolint:gosec // a hash's length
	})
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1, err
}
