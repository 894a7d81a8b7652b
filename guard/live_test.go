package guard_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// isDone looks whether a session is over for its holders.
func (w *world) isDone(s *guard.Session) {
	w.Helper()
	select {
	case <-s.Done():
	default:
		w.Fatal("the session is not Done")
	}
}

func TestLive(t *testing.T) {
	bubble(t, func(w *world) {
		live := func() error { return w.g.Live(w.Context(), "s1") }
		if err := live(); !errors.Is(err, guard.ErrUnknown) {
			w.Fatalf("a session that was never seen: %v", err)
		}
		token := w.broker.Mint(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}, Life: 5 * time.Minute, EndsIn: 30 * time.Minute})
		s, err := w.g.Verify(w.Context(), token, nil)
		if err != nil || live() != nil {
			w.Fatal(err, live())
		}
		time.Sleep(20 * time.Minute) // the token has expired, the session goes on
		if err := live(); err != nil || w.broker.Requests("/introspect") != 0 {
			w.Fatal(err)
		}
		select {
		case <-s.Done():
			w.Fatal("Done although it goes on")
		default:
		}
		time.Sleep(10 * time.Minute)
		w.isDone(s)
		if err := live(); err == nil {
			w.Fatal("it lives beyond its end")
		}
	})
}

// TestLiveWhereNoTimerRan: a machine that was suspended does not lengthen a session.
func TestLiveWhereNoTimerRan(t *testing.T) {
	bubble(t, func(w *world) {
		if _, err := w.g.Verify(w.Context(), w.broker.Mint(guardtest.Session{ID: "s1", EndsIn: 30 * time.Minute}), nil); err != nil {
			w.Fatal(err)
		}
		w.clocks.Set(30 * time.Minute)
		if err := w.g.Live(w.Context(), "s1"); !errors.Is(err, guard.ErrEnded) {
			w.Fatalf("at its end: %v", err)
		}
	})
}

// TestEndingWhileLiveAsks: the answer may be older than the ending.
func TestEndingWhileLiveAsks(t *testing.T) {
	a := &asked{}
	bubble(t, func(w *world) {
		if _, err := w.g.Verify(w.Context(), w.broker.Mint(guardtest.Session{ID: "s1", EndsIn: 30 * time.Minute}), nil); err != nil {
			w.Fatal(err)
		}
		w.broker.StopFresh()
		time.Sleep(15 * time.Second)
		a.then = func() { w.g.End("s1") }
		if err := w.g.Live(w.Context(), "s1"); !errors.Is(err, guard.ErrEnded) {
			w.Fatal(err)
		}
	}, func(c *guard.Config) {
		a.RoundTripper = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: a}
	})
}

func TestLiveAsksWhileTheEndingsAreNotKnown(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}, EndsIn: 30 * time.Minute})
		s, err := w.g.Verify(w.Context(), token, nil)
		if err != nil {
			w.Fatal(err)
		}
		w.broker.StopFresh()
		time.Sleep(15 * time.Second)
		if err := w.g.Live(w.Context(), "s1"); err != nil || w.broker.Requests("/introspect") != 1 {
			w.Fatal(err)
		}
		w.broker.Fail("/introspect", 500)
		if err := w.g.Live(w.Context(), "s1"); !errors.Is(err, guard.ErrUnknown) {
			w.Fatal(err)
		}
		time.Sleep(5 * time.Minute) // neither a token nor the feed speaks for it now
		w.isDone(s)
		if err := w.g.Live(w.Context(), "s1"); !errors.Is(err, guard.ErrUnknown) {
			w.Fatal(err)
		}
	})
}
