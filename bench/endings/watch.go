package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// watch notes from when on a guard refuses each of some sessions. To be woken for
// that, and to ask at once, would take a thousand guards in one process more time
// than to follow the endings does. So it looks on when the guard looks at its
// clock, as it does after it has applied something: what is done then counts as
// done at that moment, and not before. That, too, is work amid the ending: it is one
// look at one channel, and the reading of the clock that the guard asks for.
type watch struct {
	turns []turn        // of the sessions, in the order in which they are ended
	over  chan struct{} // closed when all have ended here
}

// turn is the session that ends next.
type turn struct {
	done <-chan struct{}
	at   atomic.Int64 // since begun, when it was seen to be done; 0: it was not
	next *turn
	last *watch // whose last one this is
}

// begun is the beginning of the times that are noted.
var begun = time.Now()

// await has an app note the ends of sessions that it has let in.
func (a *app) await(known []*guard.Session) {
	w := &watch{turns: make([]turn, len(known)), over: make(chan struct{})}
	for i, s := range known {
		t := &w.turns[i]
		if t.done = s.Done(); i+1 < len(known) {
			t.next = &w.turns[i+1]
		} else {
			t.last = w
		}
	}
	a.watch = w
	a.turn.Store(&w.turns[0])
}

// all is when each session ended, once all have.
func (w *watch) all(ctx context.Context) ([]time.Time, error) {
	select {
	case <-w.over:
	case <-ctx.Done():
		return nil, errors.New("a guard was never told of an ending")
	}
	at := make([]time.Time, len(w.turns))
	for i := range w.turns {
		at[i] = begun.Add(time.Duration(w.turns[i].at.Load()))
	}
	return at, nil
}

// now is the guard's clock. It notes what has ended since it was read last.
func (a *app) now() time.Time {
	t := a.turn.Load()
	for t != nil {
		select {
		case <-t.done:
		default:
			return time.Now()
		}
		now := time.Now() // after it was seen to be done, and not before
		t.at.CompareAndSwap(0, int64(now.Sub(begun)))
		if !a.turn.CompareAndSwap(t, t.next) { // another reads the clock, too
			t = a.turn.Load()
			continue
		}
		if t.last != nil {
			close(t.last.over)
		}
		if t = t.next; t == nil {
			return now
		}
	}
	return time.Now()
}
