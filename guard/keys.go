package guard

import (
	"context"
	"crypto"
)

// KeySet finds the broker's public keys.
type KeySet interface {
	// Key returns the key of that id and JWS algorithm. It returns an error that
	// wraps ErrNoKey where there is none, and any other where that is not known.
	Key(ctx context.Context, id, algorithm string) (crypto.PublicKey, error)
}
