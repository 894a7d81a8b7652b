package main

import (
	"os"
	"runtime"
	"runtime/debug"
	gauges "runtime/metrics"
	"time"
)

// heapFloor is how large the heap of a busy broker may become before garbage is
// collected, in bytes. What lives in one with some hundred sessions is 7 MB, and a
// collector that runs whenever that has doubled took a fifth of the processor time
// of a token request. With this much the whole process stays below 60 MiB.
const heapFloor = 18 << 20

// maxPercent bounds how rarely the collector runs where nearly nothing lives.
const maxPercent = 800

// quiet is how far apart collections are where nothing is going on. Then memory is
// given back.
const quiet = 20 * time.Second

// keepHeap has garbage collected when the heap of a busy broker reaches heapFloor,
// or the double of what lives where that is more, which is Go's own rule. Whoever
// sets GOGC decides instead.
func keepHeap() {
	if os.Getenv("GOGC") == "" {
		collected(&collector{percent: 100})
	}
}

// collector is how the garbage collector is set.
type collector struct {
	percent int
	last    time.Time // that it ran
}

// collected sets the collector for the next cycle by what lived after the last
// one, and comes again after the next: it is the cleanup of something that
// nobody holds.
func collected(c *collector) {
	live := []gauges.Sample{{Name: "/gc/heap/live:bytes"}}
	gauges.Read(live)
	now := time.Now()
	percent := percentFor(live[0].Value.Uint64(), now.Sub(c.last))
	if c.last = now; percent > c.percent+c.percent/8 || percent < c.percent-c.percent/8 {
		c.percent = percent
		debug.SetGCPercent(percent) // stops the world, so not for every little
	}
	runtime.AddCleanup(new([32]byte), collected, c)
}

// percentFor is how much more than what lives there may be, in percent, this long
// after the collection before.
func percentFor(live uint64, since time.Duration) int {
	const most = heapFloor / (1 + maxPercent/100)
	if since > quiet {
		return 100
	}
	return max(100, int(heapFloor*100/max(live, most))-100) //nolint:gosec // at most maxPercent
}
