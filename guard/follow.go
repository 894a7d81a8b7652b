package guard

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// silence is how long a stream may be silent: "fresh" comes every 2 s.
	silence    = 5 * time.Second
	shortPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
	// scatter is within what apps come back that were told to wait for equally long.
	scatter = 750 * time.Millisecond
	// renewAt is the share of its bearer's life after which a stream is followed
	// by the next; youngEnough, how much of it may be over when a stream begins.
	renewAt, youngEnough = 0.8, 0.5
)

// follow keeps a stream of endings open. Before one ends, by its bearer's expiry
// or by itself, the next is opened, and the old one goes on until the new one has
// confirmed what it knows: so there is no gap.
func (g *Guard) follow(ctx context.Context) {
	var old *link
	pause, gap := shortPause, true
	for ctx.Err() == nil {
		l := g.dial(ctx, gap)
		select {
		case <-l.confirmed:
			pause = shortPause
			old.close()
			old = nil
			select {
			case <-l.renew:
				old, gap = l, false
				continue
			case <-l.done:
			}
		case <-l.done:
		}
		if ctx.Err() != nil {
			break
		}
		gap = true
		// What a node tells all of its apps is the same, and when it dies they come at once.
		wait := max(l.retry+rand.N(min(l.retry, scatter)+1), pause/2+rand.N(pause)) //nolint:gosec // jitter is no secret
		g.log.WarnContext(ctx, "guard: the stream of endings ended or did not open; the next one is opened", "error", l.err, "in", wait)
		sleep(ctx, wait)
		pause = min(2*pause, longPause)
	}
	old.close()
}
