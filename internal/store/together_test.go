package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// answers is a database of sessions whose cause says how often it has changed, and
// which answers when it is let.
type answers struct {
	mu      sync.Mutex
	changes int
	looks   [][]string
	let     chan error // one for each look
}

func (a *answers) change() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes++
}

// seen are the looks that have begun.
func (a *answers) seen() [][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.looks)
}

// idle reports whether nobody looks and nobody waits.
func (g *together) idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.busy == 0 && len(g.waiting) == 0
}

func (a *answers) look(_ context.Context, sids []string) (map[string]credentials.Session, error) {
	a.mu.Lock()
	a.looks = append(a.looks, slices.Clone(sids))
	out := map[string]credentials.Session{}
	for _, sid := range sids {
		if sid != "nobody's" {
			out[sid] = credentials.Session{ID: sid, Cause: credentials.Cause(fmt.Sprint(a.changes)), Agent: &credentials.Agent{Name: "Dana"}}
		}
	}
	a.mu.Unlock()
	err := <-a.let
	if err != nil && err.Error() == "panic" {
		panic(err)
	}
	return out, err
}

// ask asks, and returns where the answer comes.
func ask(ctx context.Context, g *together, sid string) chan string {
	out := make(chan string, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				out <- fmt.Sprint("panic: ", cause)
			}
		}()
		found, err := g.session(ctx, sid)
		out <- fmt.Sprint(found.ID, found.Cause, err)
	}()
	synctest.Wait()
	return out
}

func expect(t *testing.T, what string, from chan string, want string) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-from:
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	default:
		t.Errorf("%s: no answer, want %q", what, want)
	}
}

// TestASharedLookIsNeverOlderThanItsQuestion: whoever asks while one is under way
// is not told what that one found.
func TestASharedLookIsNeverOlderThanItsQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{let: make(chan error)}
		g := &together{look: a.look}
		before := ask(t.Context(), g, "one")
		a.change()
		var after []chan string
		for _, sid := range []string{"one", "two", "one", "nobody's"} {
			after = append(after, ask(t.Context(), g, sid))
		}
		a.let <- nil
		expect(t, "asked before", before, "one0<nil>")
		a.let <- nil
		for i, want := range []string{"one1<nil>", "two1<nil>", "one1<nil>", credentials.ErrNotFound.Error()} {
			expect(t, "asked after", after[i], want)
		}
		if looks := a.seen(); len(looks) != 2 {
			t.Errorf("they took %d looks: %q", len(looks), looks)
		}
	})
}

// TestALookThatFailsFailsForThoseWhoShareIt and for nobody else; so does one that
// panics. One who gives up takes nothing from the others.
func TestALookThatFailsFailsForThoseWhoShareIt(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]error{"an error": errors.New("no database"), "a panic": errors.New("panic")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &answers{let: make(chan error)}
				g := &together{look: a.look}
				first := ask(t.Context(), g, "one")
				ctx, giveUp := context.WithCancel(t.Context())
				leaves, stays := ask(ctx, g, "two"), ask(t.Context(), g, "three")
				giveUp()
				a.let <- nil
				expect(t, "the first", first, "one0<nil>")
				fresh := ask(t.Context(), g, "four")
				a.let <- wrong
				if wrong.Error() == "panic" {
					expect(t, "who took the look", leaves, "panic: panic")
					expect(t, "who shares it", stays, errUnread.Error())
				} else {
					expect(t, "who shares it", stays, wrong.Error())
				}
				a.let <- nil
				expect(t, "who asked then", fresh, "four0<nil>")
				last := ask(t.Context(), g, "five")
				a.let <- nil
				expect(t, "who asks later", last, "five0<nil>")
				if !g.idle() {
					t.Error("at the end some are under way or wait")
				}
			})
		})
	}
}

// TestALookThatHangsHoldsUpNobodyForLong and only so many share one.
func TestALookThatHangsHoldsUpNobodyForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{let: make(chan error)}
		g := &together{look: a.look}
		hangs := ask(t.Context(), g, "hangs")
		var others []chan string
		for range mostShared + 1 {
			others = append(others, ask(t.Context(), g, "other"))
		}
		if n := len(a.seen()); n != 1 {
			t.Fatalf("%d looks began at once", n)
		}
		time.Sleep(longestWait)
		synctest.Wait()
		if looks := a.seen(); len(looks) != 3 || len(looks[1]) != mostShared && len(looks[2]) != mostShared {
			t.Fatalf("then %d looks are under way", len(looks))
		}
		for range 3 {
			a.let <- nil
		}
		for _, o := range append(others, hangs) {
			synctest.Wait()
			if len(o) != 1 {
				t.Fatal("somebody has no answer")
			}
		}
		if !g.idle() {
			t.Error("at the end some are under way or wait")
		}
	})
}

// TestNobodyIsToldThatASessionLivesOnceItsEndIsAnswered: many ask all the time while
// sessions are ended one after the other.
func TestNobodyIsToldThatASessionLivesOnceItsEndIsAnswered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := open(t, dsn)
		var sids []string
		for i := range 20 {
			sids = append(sids, w.enter(agent(i), fmt.Sprint("a", i), "123456").ID)
		}
		var mu sync.Mutex
		ended := map[string]bool{}
		var asking sync.WaitGroup
		done := make(chan struct{})
		for n := range 8 {
			asking.Go(func() {
				for i := n; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					sid := sids[i%len(sids)]
					mu.Lock()
					dead := ended[sid]
					mu.Unlock()
					got, err := w.Session(t.Context(), sid)
					if err != nil || got.ID != sid || dead && !got.Ended() {
						t.Errorf("session %s, answered as ended: %v; it is told %+v, %v", sid, dead, got, err)
						return
					}
				}
			})
		}
		for i, sid := range sids {
			if _, err := w.End(t.Context(), fmt.Sprint("a", i), sid, credentials.CauseRevoked, credentials.Mark{Who: "owner"}); err != nil {
				t.Error(err)
			}
			mu.Lock()
			ended[sid] = true
			mu.Unlock()
		}
		close(done)
		asking.Wait()
	})
}
