package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// lone is a world on SQLite.
func lone(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return open(t, storetest.SQLite(t))
}

// line runs verbs whose turns come in this order, and returns what each was told:
// first is in the turn, and goes on when all others wait. A panic is an error.
func (w *world) line(first func(*tx) error, others ...func() error) []error {
	w.t.Helper()
	told := make([]error, 1+len(others))
	var all sync.WaitGroup
	holds, let := make(chan *relay), make(chan struct{})
	begin := func(i int, verb func() error) (over chan struct{}) {
		over = make(chan struct{})
		told[i] = errors.New("it has not come back")
		all.Go(func() {
			defer close(over)
			defer func() {
				if cause := recover(); cause != nil {
					told[i] = fmt.Errorf("panic: %v", cause)
				}
			}()
			told[i] = verb()
		})
		return over
	}
	begin(0, func() error {
		return w.Store.once(w.t.Context(), func(t *tx) error {
			e := t.q.(*embedded)
			e.group.began = e.group.began.Add(time.Hour) // joined for as long as the machine may take
			holds <- e.relay
			<-let
			return first(t)
		})
	})
	r := <-holds
	for i, verb := range others {
		for before, over := r.length(), begin(1+i, verb); r.length() == before; runtime.Gosched() {
			select {
			case <-over: // before it asked for its turn
				before = -1
			default:
			}
		}
	}
	close(let)
	all.Wait()
	return told
}

func (r *relay) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

// write writes a row that is the verb's own.
func write(n int) func(*tx) error {
	return func(t *tx) error { return t.put(`INSERT INTO otp_used (person, step) VALUES ('sam', $1)`, n) }
}

// one is f as a verb that is not tried again.
func (w *world) one(f func(*tx) error) func() error {
	return func() error { return w.Store.once(w.t.Context(), f) }
}

// written are the rows of write that are stored.
func (w *world) written() (out []int) {
	w.t.Helper()
	if err := w.query(w.t.Context(), `SELECT step FROM otp_used ORDER BY rowid`, nil, func(r row) error {
		n := 0
		err := r.Scan(&n)
		out = append(out, n)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) commitsOf(f func()) int64 {
	before, _ := w.Counts()
	f()
	after, _ := w.Counts()
	return after - before
}

// TestWhatWaitsSharesACommit: in the order in which they asked, each sees what those
// before wrote, and nobody else does until it is stored.
func TestWhatWaitsSharesACommit(t *testing.T) {
	w := lone(t)
	look := func(n int) func(*tx) error {
		return func(t *tx) error {
			seen := 0
			err := t.each(`SELECT count(*) FROM otp_used`, func(r row) error { return r.Scan(&seen) })
			if err == nil && (seen != n || len(w.written()) != 0) {
				err = fmt.Errorf("it sees %d rows before its own, everybody %d", seen, len(w.written()))
			}
			return errors.Join(err, write(n)(t))
		}
	}
	n := w.commitsOf(func() {
		if told := w.line(look(0), w.one(look(1)), w.one(look(2)), w.one(look(3))); errors.Join(told...) != nil {
			t.Error(told)
		}
	})
	if got := w.written(); n != 1 || !slices.Equal(got, []int{0, 1, 2, 3}) {
		t.Errorf("%d commits, and %v are stored", n, got)
	}
}

// TestAGroupEnds: whoever would be one too many, or comes late, begins another; what
// was before is stored by then.
func TestAGroupEnds(t *testing.T) {
	w := lone(t)
	var others []func() error
	for n := 1; n < groupSize; n++ {
		others = append(others, w.one(write(n)))
	}
	stored := func(want int) func(*tx) error {
		return func(*tx) error {
			if got := len(w.written()); got != want {
				return fmt.Errorf("%d rows are stored, want %d", got, want)
			}
			return nil
		}
	}
	if told := w.line(write(0), append(others, w.one(stored(groupSize)))...); errors.Join(told...) != nil {
		t.Error(told)
	}
	if told := w.line(func(t *tx) error {
		t.q.(*embedded).group.began = time.Now().Add(-groupAge)
		return write(groupSize)(t)
	}, w.one(stored(groupSize+1))); errors.Join(told...) != nil {
		t.Error(told)
	}
}

// TestWhoGivesUpWaiting leaves the line, also at the moment at which it is given the
// turn: those before it are committed then, and those after it go on.
func TestWhoGivesUpWaiting(t *testing.T) {
	w := lone(t)
	ctx, giveUp := context.WithCancel(t.Context())
	told := w.line(func(t *tx) error {
		giveUp()
		for t.q.(*embedded).relay.length() > 1 {
			runtime.Gosched()
		}
		return write(1)(t)
	}, func() error { _, err := w.engine.begin(ctx); return err }, w.one(write(2)))
	if told[0] != nil || !errors.Is(told[1], context.Canceled) || told[2] != nil || !slices.Equal(w.written(), []int{1, 2}) {
		t.Errorf("%v, and %v are stored", told, w.written())
	}
	for tries, late := 0, 0; late < 5; tries++ {
		if tries > 10_000 {
			t.Fatal("nobody gives up at that moment")
		}
		q, err := w.engine.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e := q.(*embedded)
		ctx, giveUp := context.WithCancel(t.Context())
		over := make(chan error)
		go func() {
			next, err := w.engine.begin(ctx)
			if err == nil {
				err = next.commit()
			}
			over <- err
		}()
		for e.relay.length() == 0 {
			runtime.Gosched()
		}
		err = q.put(`UPDATE otp_used SET step = step + 10`, nil, nil)
		e.relay.mu.Lock()
		giveUp()
		for range 100 {
			runtime.Gosched() // it sees that it is to give up, and waits for the lock
		}
		e.over = true // as commit does
		e.relay.waiting[0] <- e.group
		e.relay.waiting = nil
		e.relay.mu.Unlock()
		gaveUp := <-over
		<-e.group.over
		if gaveUp != nil {
			late++
		}
		if err != nil || gaveUp != nil && !errors.Is(gaveUp, context.Canceled) || e.group.err != nil || w.written()[0] != 1+10*(tries+1) {
			t.Fatalf("%v, %v, %v, and %v are stored", err, gaveUp, e.group.err, w.written())
		}
	}
}

// TestNobodyIsForgotten: who asks for the turn at the moment at which it is given
// away without anybody waiting has it too, though nobody comes after.
func TestNobodyIsForgotten(t *testing.T) {
	t.Parallel()
	r := &relay{}
	for range 100_000 {
		ctx, over := context.WithTimeout(t.Context(), time.Minute)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if _, err := r.turn(ctx); err != nil {
					t.Error(err)
					return
				}
				r.pass()
			})
		}
		both.Wait()
		over()
		if t.Failed() {
			return
		}
	}
}

// TestWhoNeedsTheConnectionItself is waited for, and waits: verbs and what migrates
// or cleans up are never at it together.
func TestWhoNeedsTheConnectionItself(t *testing.T) {
	w := lone(t)
	held, _, err := take(t.Context(), w.engine.write)
	if err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	waits, other := make(chan error), make(chan error)
	go func() { _, err := w.engine.begin(ctx); waits <- err }()
	for w.engine.write.Stats().WaitCount == 0 {
		runtime.Gosched()
	}
	go func() { other <- w.Store.once(t.Context(), write(1)) }()
	giveUp()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("the verb that waits for it: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-other; err != nil {
		t.Error(err)
	}
	var seen int
	direct := make(chan error, 1)
	told := w.line(func(t *tx) error {
		before := w.engine.write.Stats().WaitCount
		go func() {
			direct <- w.engine.write.QueryRowContext(w.t.Context(), `SELECT count(*) FROM otp_used`).Scan(&seen)
		}()
		for w.engine.write.Stats().WaitCount == before {
			runtime.Gosched()
		}
		return write(2)(t)
	}, w.one(write(3)))
	if err := errors.Join(append(told, <-direct)...); err != nil || seen != 3 {
		t.Errorf("%v, %d rows are seen", err, seen)
	}
}
