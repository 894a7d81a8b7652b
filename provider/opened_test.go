package provider

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

// TestRememberedTokensAreBounded: what is asked for again stays, of the rest there
// are never more than two halves; and what other keys verified is not there.
func TestRememberedTokensAreBounded(t *testing.T) {
	t.Parallel()
	var o opened
	digest := func(n int) (d [sha256.Size]byte) {
		binary.BigEndian.PutUint64(d[:], uint64(n)) //nolint:gosec // a small number
		return d
	}
	for n := range 10 * maxOpened {
		o.put(digest(n), 1, &accessClaims{ID: "x"})
		if _, ok := o.get(digest(0), 1); !ok {
			t.Fatalf("after %d, the one that is asked for is gone", n)
		}
		if len(o.young) > maxOpened || len(o.old) > maxOpened {
			t.Fatalf("after %d, %d and %d are remembered", n, len(o.young), len(o.old))
		}
	}
	if _, ok := o.get(digest(1), 1); ok {
		t.Error("the oldest is still remembered")
	}
	if _, ok := o.get(digest(0), 2); ok {
		t.Error("it is remembered for other keys")
	}
	o.put(digest(1), 2, &accessClaims{})
	if _, ok := o.get(digest(0), 2); ok || len(o.young) != 1 {
		t.Error("what other keys verified is still there")
	}
	o.put(digest(2), 1, &accessClaims{}) // its verification began before
	if _, ok := o.get(digest(2), 2); ok || len(o.young) != 1 {
		t.Error("a verification by the keys before is remembered")
	}
}
