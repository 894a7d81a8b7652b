package main

import (
	"testing"
	"time"
)

// TestTheHeapIsCollectedAtItsFloorOrAtDouble of what lives, and always at double
// where nothing is going on.
func TestTheHeapIsCollectedAtItsFloorOrAtDouble(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		live uint64
		want int
	}{
		{0, maxPercent}, {1 << 20, maxPercent}, {heapFloor / 4, 300}, {heapFloor / 2, 100}, {heapFloor, 100}, {100 * heapFloor, 100}, {1 << 40, 100},
	} {
		if got := percentFor(tc.live, time.Second); got != tc.want {
			t.Errorf("with %d living bytes: %d percent, want %d", tc.live, got, tc.want)
		}
		if got := percentFor(tc.live, time.Minute); got != 100 {
			t.Errorf("with %d living bytes, a minute later: %d percent", tc.live, got)
		}
	}
}
