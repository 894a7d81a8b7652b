package revocation

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

const (
	readAtOnce  = 1000
	readTimeout = 5 * time.Second
	forgetEvery = 10 * time.Second
)

// Log is this node's copy of the endings that a token could still need.
type Log struct {
	store *store.Store
	poll  time.Duration
	now   func() time.Time
	log   *slog.Logger
	kick  chan struct{} // somebody wants a read that begins from now on

	mu      sync.Mutex
	at      View
	changed chan struct{} // closed, and replaced, when there are other endings
	read    chan struct{} // the same, after every read
}

// View is the log at one moment. It does not change any more.
type View struct {
	Cursor  credentials.Cursor
	Endings []credentials.Ending // ascending by N; those that a token could still need
	// Confirmed is when the read began that last found nothing beyond Cursor: by
	// the monotonic clock. Zero: the log has not been read yet.
	Confirmed time.Time
}

// after are the endings past n.
func (v View) after(n int64) []credentials.Ending {
	at, _ := slices.BinarySearchFunc(v.Endings, n+1, func(e credentials.Ending, n int64) int { return int(min(max(e.N-n, -1), 1)) })
	return v.Endings[at:]
}

// NewLog makes a log that reads at least every poll.
func NewLog(s *store.Store, poll time.Duration, now func() time.Time, log *slog.Logger) *Log {
	l := &Log{store: s, poll: poll, now: now, log: log, kick: make(chan struct{}, 1),
		changed: make(chan struct{}), read: make(chan struct{})}
	s.Hear(l.hear)
	return l
}

// View is the log as it stands, and a channel that is closed when there are
// other endings in it. That it was confirmed again closes nothing.
func (l *Log) View() (View, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at, l.changed
}

// Since waits for a read of the log that began at or after from.
func (l *Log) Since(ctx context.Context, from time.Time) (View, error) {
	for {
		l.mu.Lock()
		v, read := l.at, l.read
		l.mu.Unlock()
		if !v.Confirmed.IsZero() && !v.Confirmed.Before(from) {
			return v, nil
		}
		select {
		case l.kick <- struct{}{}:
		default:
		}
		select {
		case <-read:
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
}

// Load reads the log for the first time, before anything is served.
func (l *Log) Load(ctx context.Context) error { return l.readOn(ctx) }

// Run reads the log until ctx ends.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(l.poll)
	defer tick.Stop()
	forgotten := time.Now()
	for failing := false; ; {
		err := l.readOn(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			l.log.Error("the log of endings cannot be read: apps that listen here know no more than before, and will ask", "error", err)
		case err == nil && failing:
			l.log.Info("the log of endings can be read again")
		}
		failing = err != nil
		if time.Since(forgotten) > forgetEvery {
			l.forget()
			forgotten = time.Now()
		}
		if failing { // wakes are for what could be read
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
			continue
		}
		select {
		case <-l.store.Wake():
		case <-l.kick:
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// readOn reads to the end of the log.
func (l *Log) readOn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for {
		begun := time.Now()
		v, _ := l.View()
		at, found, err := l.store.Endings(ctx, v.Cursor.N, readAtOnce)
		if err != nil {
			return err
		}
		// What was found is past a place in another epoch, or past one that is not
		// there any more: a failover lost the last commits.
		if v.Cursor.N != 0 && (at.Epoch != v.Cursor.Epoch || at.N < v.Cursor.N) {
			l.set(func(View) View { return View{Cursor: credentials.Cursor{Epoch: at.Epoch}} })
			continue
		}
		more := len(found) == readAtOnce
		l.set(func(v View) View {
			if v = v.readOn(at, found); !more {
				v.Confirmed = begun
			}
			return v
		})
		if !more {
			return nil
		}
	}
}

// readOn is the log with what was read. Some of that may have been heard in the
// meantime, and more.
func (v View) readOn(at credentials.Cursor, found []credentials.Ending) View {
	if v.Cursor.Epoch == at.Epoch {
		found = View{Endings: found}.after(v.Cursor.N)
		at.N = max(at.N, v.Cursor.N)
	}
	v.Cursor, v.Endings = at, append(v.Endings, found...)
	return v
}

// hear takes what this node has committed, without reading it: where the log has
// come to the place before it, nothing lies between. That says nothing of how fresh
// the log is.
func (l *Log) hear(after credentials.Cursor, endings []credentials.Ending) (taken bool) {
	l.set(func(v View) View {
		if taken = v.Cursor == after && !v.Confirmed.IsZero(); taken {
			v.Cursor.N, v.Endings = endings[len(endings)-1].N, append(v.Endings, endings...)
		}
		return v
	})
	return taken
}

// set makes the log another. Older views share the array of the endings: they end
// before what is appended, and nothing is appended but to the newest.
func (l *Log) set(next func(View) View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := next(l.at)
	if v.Cursor != l.at.Cursor {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	close(l.read)
	l.read = make(chan struct{})
	l.at = v
}

// forget drops what no token can need any more. A clock that cannot be trusted
// does not say what that is.
func (l *Log) forget() {
	if l.store.Clock() != nil {
		return
	}
	now := l.store.Past()
	over := func(e credentials.Ending) bool { return !e.NeededUntil.After(now) }
	l.set(func(v View) View {
		if slices.ContainsFunc(v.Endings, over) {
			v.Endings = slices.DeleteFunc(slices.Clone(v.Endings), over)
		}
		return v
	})
}
