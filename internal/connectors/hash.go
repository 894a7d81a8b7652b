package connectors

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Cost of the hashes that HashPassword makes: RFC 9106's second recommendation.
const (
	hashMemory = 64 * 1024 // KiB
	hashPasses = 3
	hashLanes  = 4
	hashLength = 32
)

// HashPassword returns the argon2id hash of a local person's password, in the
// PHC form that the configuration takes.
func HashPassword(password string) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // crypto/rand.Read never returns an error
	sum := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashLanes, hashLength)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashPasses, hashLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}
