package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// watch notes from when on a guard refuses each of some sessions. To be woken for
// that, and to ask at once, would take a thousand guards in one process more time
// than to follow the endings does. So it looks on when the guard looks at its
// clock, as it does after it has applied something: what is done then counts as
// done at that moment, and not before.
type watch struct {
	mu    sync.Mutex
	ended []<-chan struct{} // of the sessions, in the order in which they are ended
	at    []time.Time       // as far as they have ended here
	over  chan struct{}     // closed when all have
}

// await has an app note the ends of sessions that it has let in.
func (a *app) await(known []*guard.Session) {
	w := &watch{at: make([]time.Time, 0, len(known)), over: make(chan struct{})}
	for _, s := range known {
		w.ended = append(w.ended, s.Done())
	}
	a.watches.Store(w)
}

// all is when each session ended, once all have.
func (w *watch) all(ctx context.Context) ([]time.Time, error) {
	select {
	case <-w.over:
		return w.at, nil
	case <-ctx.Done():
		return nil, errors.New("a guard was never told of an ending")
	}
}

// now is the guard's clock.
func (a *app) now() time.Time {
	if w := a.watches.Load(); w != nil {
		w.look()
	}
	return time.Now()
}

// look notes what has ended since it looked last.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.at) < len(w.ended) {
		select {
		case <-w.ended[len(w.at)]:
		default:
			return
		}
		if w.at = append(w.at, time.Now()); len(w.at) == len(w.ended) {
			close(w.over)
		}
	}
}
