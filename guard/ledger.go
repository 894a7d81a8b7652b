package guard

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

const (
	// replayMargin is how much longer than a token could need it an ending is
	// replayed to an app that connects.
	replayMargin = 2 * time.Minute
	// endedKept is how long an ended session is remembered. Nothing is issued
	// after an ending, and what lives longer than longestLife is never verified
	// offline: so when it is over no token of the session can be alive. The
	// margin is for the clocks of the broker's nodes.
	endedKept = longestLife + replayMargin
	// maxEnded and maxLive are bounds that nobody should meet: over them the
	// broker is asked about each request, and refused sessions are not let in.
	maxEnded = 1 << 20
	maxLive  = 1 << 16
)

// digest stands for a sid in the set of ended sessions: 16 bytes without a
// pointer, so that a session costs 24 bytes and the map's share of empty room.
type digest [16]byte

func digestOf(sid string) digest {
	sum := sha256.Sum256([]byte(sid))
	return digest(sum[:16])
}

// ledger knows which sessions have ended, and which of the living ones this app
// has seen. One lock decides between an ending and a verification at the same
// moment: a session is watched before its ending is noted, or not at all.
type ledger struct {
	g       *Guard
	mu      sync.RWMutex
	ended   map[digest]noted
	live    map[digest]*watch
	pruned  instant
	closing bool
}

// errKeysChanged says that a token was verified by keys that may be gone.
var errKeysChanged = errors.New("the broker's keys have changed")

// watch begins or goes on to watch the session of a token that was verified by
// the keys of that age of the cache.
func (l *ledger) watch(t *token, now int64, age uint64) (*watch, error) {
	key := digestOf(t.session.ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ended := l.ended[key]; ended {
		return nil, n.ending().refusal()
	}
	w := l.live[key]
	switch {
	case l.closing:
		return nil, errClosed
	case l.g.cache.now() != age: // or doubt would not have seen it
		return nil, errKeysChanged
	case w == nil && len(l.live) >= maxLive:
		return nil, ErrUnknown
	case w == nil:
		w = &watch{key: key}
		if l.live == nil {
			l.live = map[digest]*watch{}
		}
		l.live[key] = w
	}
	if t.expires > w.expires {
		w.raw, w.keyID, w.expires, w.endsAt = t.raw, t.keyID, t.expires, t.session.EndsAt.UnixNano()
		l.arm(w, now)
	}
	return w, nil
}

// arm sees to it that a watch is looked at when its token expires, and then as
// often as it could have become unknown whether the session lives.
func (l *ledger) arm(w *watch, now int64) {
	wait := time.Duration(min(w.expires, w.endsAt) - now)
	if wait <= 0 {
		wait = min(l.g.cfg.MaxStaleness, time.Duration(w.endsAt-now))
	}
	wait = max(wait, 0)
	if w.timer != nil {
		w.timer.Reset(wait)
		return
	}
	w.timer = time.AfterFunc(wait, func() { l.look(w) })
}

// look ends a watch whose session's time is over; and one whose tokens have all
// expired while it cannot be known whether the session lives: a session is
// trusted on no more than its token or the feed.
func (l *ledger) look(w *watch) {
	now := l.g.clock.read()
	at, fresh := l.g.clock.latest(now), l.g.isFresh(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.live[w.key] != w:
	case at >= w.endsAt:
		l.drop(w, Ending{time.Unix(0, w.endsAt), "time"}.refusal())
	case at >= w.expires && !fresh:
		l.drop(w, ErrUnknown)
	default:
		l.arm(w, at)
	}
}

// drop ends a watch. The lock is held.
func (l *ledger) drop(w *watch, why *Refusal) {
	delete(l.live, w.key)
	if w.timer != nil {
		w.timer.Stop()
	}
	w.end(why)
}

// end notes that a session has ended. Afterwards no token of it is accepted, and
// its running requests are over.
func (l *ledger) end(sid string, how Ending) {
	key := digestOf(sid)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended == nil {
		l.ended = map[digest]noted{}
	}
	l.ended[key] = how.note().and(l.ended[key])
	if w := l.live[key]; w != nil {
		l.drop(w, how.refusal())
	}
}

// end marks a session as ended, at once and for all requests.
func (g *Guard) end(sid string) { g.ledger.end(sid, Ending{At: time.Unix(0, g.clock.read().wall)}) }

// find returns the watch of a living session.
func (l *ledger) find(sid string) (*watch, error) {
	key := digestOf(sid)
	l.mu.RLock()
	defer l.mu.RUnlock()
	if w := l.live[key]; w != nil {
		return w, nil
	}
	if n, ended := l.ended[key]; ended {
		return nil, n.ending().refusal()
	}
	return nil, ErrUnknown
}

// full reports whether more sessions have ended than can be remembered.
func (l *ledger) full() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.ended) > maxEnded
}

// prune forgets the sessions that ended so long ago that no token of theirs can
// be alive, by whichever clock says the less.
func (l *ledger) prune(now instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.since(l.pruned) < time.Minute {
		return
	}
	l.pruned = now
	before, kept := noted(l.g.clock.earliest(now)-int64(endedKept)), 0
	for _, at := range l.ended {
		if at >= before {
			kept++
		}
	}
	if kept == len(l.ended) {
		return
	}
	left := make(map[digest]noted, kept) // a new map, because a map never gets smaller
	for key, at := range l.ended {
		if at >= before {
			left[key] = at
		}
	}
	l.ended = left
}

// doubt ends the watches that a test is true of: whether those sessions live can
// no longer be known. A token of one that is alive begins a new watch.
func (l *ledger) doubt(test func(*watch) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.live {
		if test(w) {
			l.drop(w, ErrUnknown)
		}
	}
}

func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	for _, w := range l.live {
		l.drop(w, errClosed)
	}
}
