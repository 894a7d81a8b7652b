package rig

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"syscall"
	"time"
)

// turns has several visitors work on one thread: each is a coroutine, which is left where
// it waits for a server and gone on with once that has answered. With a goroutine
// each, the threads of Go's poller and scheduler wake one another in between, and
// that was two fifths of what the generator took.
type turns struct {
	poller  int
	waiting map[int]*turn // by the connection that each waits for
}

// turn is one visitor's.
type turn struct {
	in   *turns
	wait func(fd int) bool        // leaves the visitor; false: it is over
	next func() (fd int, is bool) // goes on with it
}

// The loop waits for no longer than this at once, and gives way to Go's scheduler
// that often: it takes a thread that does not for one that has to be watched, and
// watching costs a tenth of a processor.
const (
	nap    = 5 * time.Millisecond
	breath = 4 * time.Millisecond
)

// take has every visitor do its work until all are done, on as many threads as
// there are processors: with one less, everybody waits while that one has to. Their
// connections are made in it and do not outlive it.
func take(ctx context.Context, visitors []*Visitor, work func(i int) error) error {
	threads := min(runtime.NumCPU(), len(visitors))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads + 1)) // one is idle: nobody is driven out while they wait
	return Together(threads, func(thread int) error {
		poller, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
		if err != nil {
			return err
		}
		defer func() { _ = syscall.Close(poller) }()
		t := &turns{poller: poller, waiting: map[int]*turn{}}
		errs := make([]error, len(visitors))
		for i := thread; i < len(visitors); i += threads {
			defer t.begin(visitors[i], func() { errs[i] = work(i) })()
		}
		err = t.run(ctx)
		return errors.Join(append(errs, err)...)
	})
}

// begin begins a visitor's work, and returns what ends it.
func (t *turns) begin(v *Visitor, work func()) (end func()) {
	v.Close()
	one := &turn{in: t}
	v.turn = one
	next, stop := iter.Pull(func(leave func(int) bool) {
		one.wait = leave
		work()
	})
	one.next = next
	t.goOn(one)
	return func() {
		stop()
		v.Close()
		v.turn = nil
	}
}

func (t *turns) goOn(one *turn) {
	if fd, is := one.next(); is {
		t.waiting[fd] = one
	}
}

// run goes on with whoever is answered, until nobody waits any more. It is over
// where nobody was answered for as long as a reply may take.
func (t *turns) run(ctx context.Context) error {
	events := make([]syscall.EpollEvent, 64)
	breathed := time.Now()
	answered := breathed
	for len(t.waiting) > 0 {
		n, err := syscall.EpollWait(t.poller, events, int(nap/time.Millisecond))
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("epoll_wait", err)
		}
		now := time.Now()
		if now.Sub(breathed) > breath {
			runtime.Gosched()
			breathed = now
		}
		if n <= 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if now.Sub(answered) > replyLimit {
				return fmt.Errorf("%d wait in vain for a reply", len(t.waiting))
			}
			continue
		}
		answered = now
		for _, e := range events[:n] {
			if one := t.waiting[int(e.Fd)]; one != nil { // another one was only closed
				delete(t.waiting, int(e.Fd))
				t.goOn(one)
			}
		}
	}
	return nil
}
