package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// ackEvery is how much time lies between two receipts at least, and ackAfter
// between an ending and its receipt.
const (
	ackEvery = 250 * time.Millisecond
	ackAfter = 25 * time.Millisecond
)

// acks are the receipts of this instance: cumulative, so that one stands for all
// before it.
type acks struct {
	mu      sync.Mutex
	newest  cursor
	applied instant
	waiting bool        // for the moment of the next receipt
	due     *time.Timer // which is then
}

func newAcks() *acks {
	a := &acks{due: time.NewTimer(time.Hour)}
	a.due.Stop()
	return a
}

// reached notes that everything up to a place is applied. The receipt is sent at a
// moment that is this instance's own: what a thousand of them say of an ending must
// not stand in the way of the ending itself, and neither must waking whoever says
// it. It says how old it is, so nobody looks slower for it.
func (a *acks) reached(at cursor, now instant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at.epoch == a.newest.epoch && at.n < a.newest.n { // the other of two streams was faster
		return
	}
	a.newest, a.applied = at, now
	if !a.waiting {
		a.waiting = true
		a.due.Reset(ackAfter + rand.N(ackEvery-ackAfter)) //nolint:gosec // jitter is no secret
	}
}

// forget has the next receipt begin anew: the broker has said that its log is
// another.
func (a *acks) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.newest = cursor{}
}

// get is what the receipt says that is to be sent now. What is reached later waits
// for the next.
func (a *acks) get() (cursor, instant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = false
	return a.newest, a.applied
}

// acknowledge sends receipts, at most one every ackEvery, each again until it is
// taken.
func (g *Guard) acknowledge(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.acks.due.C:
		}
		g.acknowledgeNewest(ctx)
		sleep(ctx, ackEvery)
	}
}

// acknowledgeNewest sends one receipt until it is taken.
func (g *Guard) acknowledgeNewest(ctx context.Context) {
	for pause := ackEvery; ctx.Err() == nil; pause = min(2*pause, longPause) {
		err := g.acknowledgeOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		g.log.WarnContext(ctx, "guard: a receipt was not taken", "error", err)
		sleep(ctx, pause)
	}
}

func (g *Guard) acknowledgeOnce(ctx context.Context) error {
	at, applied := g.acks.get()
	if at.epoch == "" { // the log is another since
		return nil
	}
	age := g.clock.read().mono - applied.mono
	var problem item
	status, err := g.post(ctx, "/api/v1/endings/ack", struct {
		Instance string `json:"instance"`
		ID       string `json:"id"`
		Age      int64  `json:"age_ms"`
	}{g.cfg.Instance, at.String(), age / int64(time.Millisecond)}, &problem)
	switch {
	case err != nil:
		return err
	case status == http.StatusConflict: // of an epoch that is over: the next event is of the new one
		return nil
	case status >= 400 && status < 500 && status != http.StatusUnauthorized && status != http.StatusTooManyRequests:
		g.log.ErrorContext(ctx, "guard: receipts are refused; the customer is not shown that this app obeys", "status", status, "detail", escaped(problem.Detail))
		return nil
	case status != http.StatusNoContent && status != http.StatusOK:
		return fmt.Errorf("the broker answered %d", status)
	}
	return nil
}

// post sends JSON to the broker's API and reads the answer's into out. An API
// token that is refused is replaced once.
func (g *Guard) post(ctx context.Context, path string, in, out any) (status int, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	for range 2 {
		b, err := g.apiToken(ctx, renewAt)
		if err != nil {
			return 0, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.cfg.Issuer+path, bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		r.Header.Set("Authorization", "Bearer "+b.token)
		r.Header.Set("Content-Type", "application/json")
		a, err := g.send(r)
		if err != nil {
			return 0, err
		}
		if a.status == http.StatusUnauthorized {
			g.token.forget(b)
			continue
		}
		if out != nil && a.status != http.StatusNoContent && json.Unmarshal(a.body, out) != nil && a.status < 300 {
			return a.status, errors.New("the broker's answer is no JSON")
		}
		return a.status, nil
	}
	return http.StatusUnauthorized, nil
}
