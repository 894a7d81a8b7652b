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

// gather takes what waits after the first, up to a batch.
func (q *queue) gather(first action) []action {
	batch := []action{first}
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

// report sends what is queued, in batches, again until it is answered. At the end
// it has 5 s for the rest.
func (g *Guard) report(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case a := <-g.actions.wait:
			batch := g.actions.gather(a)
			for pause := shortPause; ; pause = min(2*pause, longPause) {
				err := g.batch(ctx, batch)
				if err == nil {
					break
				}
				g.log.WarnContext(ctx, "guard: actions wait to be recorded", "actions", len(batch)+len(g.actions.wait), "error", err)
				if sleep(ctx, pause); ctx.Err() != nil {
					g.last(ctx, batch)
					return
				}
			}
		}
	}
	g.last(ctx, nil)
}

// last reports what is left when the guard closes, and says what it could not.
func (g *Guard) last(ctx context.Context, batch []action) {
	g.actions.close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	for {
		if len(batch) > 0 {
			if err := g.batch(ctx, batch); err != nil {
				g.log.ErrorContext(ctx, "guard: actions are not in the record: the app ended and the broker did not take them",
					"actions", len(batch)+len(g.actions.wait), "error", err)
				return
			}
		}
		select {
		case a := <-g.actions.wait:
			batch = g.actions.gather(a)
		default:
			return
		}
	}
}

// batch reports some actions. The error says that nothing is known and that it is
// to be tried again; what was decided of each is seen to here.
func (g *Guard) batch(ctx context.Context, actions []action) error {
	var said struct {
		Items []item `json:"items"`
	}
	status, err := g.post(ctx, "/api/v1/actions", struct {
		Actions []action `json:"actions"`
	}{actions}, &said)
	switch {
	case err != nil:
		return err
	case status == http.StatusOK && len(said.Items) == len(actions):
		for i, a := range actions {
			_ = g.answered(ctx, a, said.Items[i]) // it logs, and ends what has ended
		}
		return nil
	case status >= 500 || status == http.StatusUnauthorized || status == http.StatusTooManyRequests:
		return fmt.Errorf("the broker answered %d", status)
	case len(actions) > 1: // one that is not valid must not keep the others out
		for _, a := range actions {
			if err := g.batch(ctx, []action{a}); err != nil {
				return err
			}
		}
		return nil
	}
	_ = g.answered(ctx, actions[0], item{Status: status, Detail: "refused as a whole"})
	return nil
}

// sleep waits, or not when there is no use in it.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
