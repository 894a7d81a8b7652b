package guard

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// watch is what is known of a session that is alive. An ending comes to many apps
// of a machine at one moment, and what each has to look at then is cold: so there
// is no more of it than needed, and it lies together.
type watch struct {
	why atomic.Pointer[Refusal] // the session is over; nil: it is not

	// Of the token that expires last; guarded by the ledger's mutex.
	timer   *time.Timer
	expires int64 // ns since 1970
	endsAt  int64 // of the session
	key     digest
	raw     string
	keyID   string

	mu      sync.Mutex
	done    chan struct{} // closed when it is over; nil while nobody waits for it
	running map[*visit]struct{}
}

// visit is a request that runs until it is answered or its session is over.
type visit struct{ cancel context.CancelCauseFunc }

// closed is what a watch that is over has had closed.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (w *watch) over() bool { return w.why.Load() != nil }

// cause is why it is over: a *Refusal.
func (w *watch) cause() error {
	if why := w.why.Load(); why != nil {
		return why
	}
	return ErrUnknown // it was not, when somebody asked
}

// end says why the watch is over, closes what somebody waits for, and cancels the
// requests that run.
func (w *watch) end(why *Refusal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.why.CompareAndSwap(nil, why) {
		return
	}
	if w.done != nil {
		close(w.done)
	}
	for v := range w.running {
		v.cancel(why)
	}
	w.running = nil
}

// ends returns what is closed when the watch is over.
func (w *watch) ends() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done == nil {
		if w.done = closed; !w.over() {
			w.done = make(chan struct{})
		}
	}
	return w.done
}

// begin has a request cancelled when the watch is over, or at once where it is;
// leave says that it has been answered.
func (w *watch) begin(cancel context.CancelCauseFunc) (v *visit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v = (&visit{cancel}); w.over() {
		cancel(w.cause())
		return v
	}
	if w.running == nil {
		w.running = map[*visit]struct{}{}
	}
	w.running[v] = struct{}{}
	return v
}

func (w *watch) leave(v *visit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, v)
}
