package provider

import (
	"crypto/sha256"
	"sync"
)

// maxOpened is how many verified access tokens are remembered in each of the two
// halves: some 1 KB each.
const maxOpened = 1 << 11

// opened remembers what access tokens say whose type, signature and issuer have
// been verified, because a client asks about the same one again and again, and
// brings the same one to the management API. It decides nothing that time or an
// end could change: exp, iat and the session are looked at each time.
//
// A token is found by the hash of the whole of it, so that no copy stays here
// that somebody could use. When the half that is filled is full it becomes the
// old half, and what was in the old one is forgotten unless it was asked for.
type opened struct {
	mu         sync.Mutex
	keys       uint64 // the ring's version that they were verified by
	young, old map[[sha256.Size]byte]*accessClaims
}

// get returns the claims of a token that was verified by these keys. They are
// shared, and never written to.
func (o *opened) get(digest [sha256.Size]byte, keys uint64) (*accessClaims, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.keys != keys {
		return nil, false
	}
	c, ok := o.young[digest]
	if !ok {
		if c, ok = o.old[digest]; ok {
			o.keep(digest, c)
		}
	}
	return c, ok
}

// put remembers a token that was verified by these keys.
func (o *opened) put(digest [sha256.Size]byte, keys uint64, c *accessClaims) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case keys < o.keys: // they were exchanged while it was verified
		return
	case keys > o.keys:
		o.keys, o.young, o.old = keys, nil, nil
	}
	o.keep(digest, c)
}

func (o *opened) keep(digest [sha256.Size]byte, c *accessClaims) {
	if len(o.young) >= maxOpened || o.young == nil {
		o.old, o.young = o.young, make(map[[sha256.Size]byte]*accessClaims)
	}
	o.young[digest] = c
}
