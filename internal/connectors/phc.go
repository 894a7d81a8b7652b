package connectors

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"

	"github.com/valetkey/valetkey/credentials"
)

// nobody is hashed against where a connector has no people at all; no password
// fits it.
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

// Bounds of a configured hash: what a sign-in may take of the machine.
const (
	mostMemory = 1 << 20 // KiB
	mostPasses = 10
	mostLanes  = 255
	mostBytes  = 64 // of salt, and of hash
)

var phcForm = regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,2}),p=([0-9]{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

func parsePHC(s string) (phc, error) {
	parts := phcForm.FindStringSubmatch(s)
	if parts == nil {
		return phc{}, errPHC
	}
	var n [3]int
	for i := range n {
		n[i], _ = strconv.Atoi(parts[i+1]) // at most seven digits
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) > mostBytes || len(sum) > mostBytes ||
		n[0] < 1 || n[0] > mostMemory || n[1] < 1 || n[1] > mostPasses || n[2] < 1 || n[2] > mostLanes {
		return phc{}, errPHC
	}
	return phc{memory: uint32(n[0]), passes: uint32(n[1]), lanes: uint8(n[2]), salt: salt, sum: sum}, nil //nolint:gosec // bounded above
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
	leave, err := gate.Visit()
	if err != nil {
		return false, err
	}
	defer leave()
	var sum []byte
	err = gate.SlowVisit(ctx, func() {
		sum = argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(len(h.sum))) //nolint:gosec // a hash's length
	})
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1, err
}
