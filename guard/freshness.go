package guard

import "time"

// isFresh reports whether the endings are known up to at most MaxStaleness ago.
func (g *Guard) isFresh(now instant) bool {
	f := g.fresh.Load()
	return f != nil && now.since(*f) <= g.cfg.MaxStaleness
}

// confirm notes that every ending up to an instant is applied.
func (g *Guard) confirm(at, now instant) {
	if g.ledger.full() {
		g.fresh.Store(nil)
		return
	}
	before := g.fresh.Load()
	if before != nil && at.mono <= before.mono && at.wall <= before.wall {
		return // the other of two streams knew more
	}
	// What ended in a gap longer than the replay's margin may not have been
	// replayed, unless a token could need it.
	if before == nil || at.since(*before) > replayMargin {
		judged := g.clock.latest(now)
		g.ledger.doubt(func(w *watch) bool { return judged >= w.expires })
	}
	g.fresh.Store(&at)
	g.ledger.prune(now)
}

// distrust makes every request be asked about until the endings are confirmed by
// another connection.
func (g *Guard) distrust() { g.fresh.Store(nil) }

// clocks reports whether wall and monotonic clock have moved together since an
// instant. They have not where the machine was suspended or its clock set.
func together(now, since instant) bool {
	apart := time.Duration((now.wall - since.wall) - (now.mono - since.mono))
	return apart < time.Second && apart > -time.Second
}
