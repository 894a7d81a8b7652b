package guard

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	maxQueue = 4096 // actions that wait to be reported
	maxBatch = 100  // that the API takes at once
)

// queue holds what is reported after the fact: refused attempts, and everything
// with [Async].
type queue struct {
	mu     sync.Mutex
	closed bool
	wait   chan action
}

func newQueue() *queue { return &queue{wait: make(chan action, maxQueue)} }

// offer queues an action; false where there is no room or no time left.
func (q *queue) offer(a action) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	select {
	case q.wait <- a:
		return true
	default:
		return false
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// gather adds what waits to a batch, up to its bound.
func (q *queue) gather(batch []action) []action {
	for len(batch) < maxBatch {
		select {
		case a := <-q.wait:
			batch = append(batch, a)
		default:
			return batch
		}
	}
	return batch
}

// report sends what is queued, in batches, again until it is answered: what could
// not be recorded goes along with what comes after it. At the end it has 5 s for the
// rest.
func (g *Guard) report(ctx context.Context) {
	var batch []action
	for pause := shortPause; ctx.Err() == nil; {
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				continue
			case a := <-g.actions.wait:
				batch, pause = append(batch, a), shortPause
			}
		}
		var err error
		if batch, err = g.batch(ctx, g.actions.gather(batch)); err == nil {
			continue
		}
		g.log.WarnContext(ctx, "guard: actions wait to be recorded", "actions", len(batch)+len(g.actions.wait), "error", err)
		sleep(ctx, pause)
		pause = min(2*pause, longPause)
	}
	g.last(ctx, batch)
}

// last reports what is left when the guard closes, and says what it could not.
func (g *Guard) last(ctx context.Context, batch []action) {
	g.actions.close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	for pause := shortPause; ; {
		if batch = g.actions.gather(batch); len(batch) == 0 {
			return
		}
		var err error
		if batch, err = g.batch(ctx, batch); err == nil {
			continue
		}
		if sleep(ctx, pause); ctx.Err() != nil {
			g.log.ErrorContext(ctx, "guard: actions are not in the record: the app ended and the broker did not take them",
				"actions", len(batch)+len(g.actions.wait), "error", err)
			return
		}
		pause = min(2*pause, longPause)
	}
}

// batch reports some actions, and returns those of which nothing is known, with an
// error: they are to be tried again. What was decided of the others is seen to here.
func (g *Guard) batch(ctx context.Context, actions []action) (left []action, err error) {
	var said struct {
		Items []item `json:"items"`
	}
	status, err := g.post(ctx, "/api/v1/actions", struct {
		Actions []action `json:"actions"`
	}{actions}, &said)
	switch {
	case err != nil:
		return actions, err
	case status == http.StatusOK && len(said.Items) == len(actions):
		for i, a := range actions {
			if one := said.Items[i]; isLater(one.Status) {
				left, err = append(left, a), fmt.Errorf("the broker answered %d %s", one.Status, escaped(one.Detail))
				continue
			}
			_ = g.answered(ctx, a, said.Items[i]) // it logs, and ends what has ended
		}
		return left, err
	case status == http.StatusOK: // by something in between, or a batch that was cut
		return actions, fmt.Errorf("the broker answered for %d of %d actions", len(said.Items), len(actions))
	case isLater(status) || status == http.StatusUnauthorized:
		return actions, fmt.Errorf("the broker answered %d", status)
	case len(actions) > 1: // one that is not valid must not keep the others out
		for _, a := range actions {
			one, failed := g.batch(ctx, []action{a})
			if left = append(left, one...); failed != nil {
				err = failed
			}
		}
		return left, err
	}
	_ = g.answered(ctx, actions[0], item{Status: status, Detail: "refused as a whole"})
	return nil, nil
}

// isLater reports whether a status says that the same request may do better later.
func isLater(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }

// sleep waits, or not when there is no use in it.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
