package guard

import (
	"context"
	"sync"
)

// flight lets many callers wait for one piece of work. The work belongs to the
// guard and not to a caller: who goes away takes nothing from the others.
type flight[T any] struct {
	mu   sync.Mutex
	call *call[T]
}

type call[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// do joins the work that is going on, or begins it where there is none.
func (f *flight[T]) do(ctx context.Context, g *Guard, work func(context.Context) (T, error)) (T, error) {
	f.mu.Lock()
	c := f.call
	if c == nil {
		c = &call[T]{done: make(chan struct{})}
		f.call = c
		if !g.start(func(life context.Context) {
			c.value, c.err = work(life)
			f.mu.Lock()
			f.call = nil
			f.mu.Unlock()
			close(c.done)
		}) {
			f.call = nil
			f.mu.Unlock()
			return work(ctx) // the last things are written while the guard closes
		}
	}
	f.mu.Unlock()
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
