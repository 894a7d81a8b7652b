package revocation

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestWhatIsHeardLeavesNoGap: a log takes what it hears only where it has come to
// the place before it, and looks no fresher for it.
func TestWhatIsHeardLeavesNoGap(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.end()
		v, changed := w.log.View()
		at := v.Cursor
		next := []credentials.Ending{{N: at.N + 1, SID: "a"}, {N: at.N + 2, SID: "b"}}
		unread := NewLog(w.store, time.Second, time.Now, w.log.log)
		w.store.Hear(w.log.hear)
		for what, taken := range map[string]bool{
			"past what another node ended": w.log.hear(credentials.Cursor{Epoch: at.Epoch, N: at.N + 1}, []credentials.Ending{{N: at.N + 2}}),
			"known already":                w.log.hear(credentials.Cursor{Epoch: at.Epoch, N: at.N - 1}, v.Endings),
			"of another epoch":             w.log.hear(credentials.Cursor{Epoch: "other", N: at.N}, next),
			"before anything is read":      unread.hear(credentials.Cursor{}, next),
		} {
			if taken {
				t.Errorf("what is %s is taken", what)
			}
		}
		select {
		case <-changed:
			t.Error("what is not taken changes the log")
		default:
		}
		if !w.log.hear(at, next) {
			t.Fatal("what comes next is not taken")
		}
		got, _ := w.log.View()
		if got.Cursor.N != at.N+2 || len(got.Endings) != len(v.Endings)+2 || got.Endings[len(got.Endings)-1].SID != "b" || got.Confirmed != v.Confirmed {
			t.Errorf("heard, the log is %+v", got)
		}
		select {
		case <-changed:
		default:
			t.Error("nobody is told that the log is another")
		}
	})
}

// TestHeardAndReadMakeOneLog: while much ends here and the log is read all the
// time, it has every ending once, in order.
func TestHeardAndReadMakeOneLog(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var sessions []credentials.Session
		for range 60 {
			sessions = append(sessions, w.session())
		}
		var ending, reading sync.WaitGroup
		over := make(chan struct{})
		reading.Go(func() {
			for last := false; !last; {
				select {
				case <-over:
					last = true
				default:
				}
				v, err := w.log.Since(t.Context(), time.Now())
				if err != nil {
					t.Error(err)
					return
				}
				if err := whole(v); err != nil {
					t.Error(err)
					return
				}
			}
		})
		for i := range 4 {
			ending.Go(func() {
				for j := i; j < len(sessions); j += 4 {
					w.over(sessions[j])
				}
			})
		}
		ending.Wait()
		close(over)
		reading.Wait()
		time.Sleep(time.Nanosecond) // a read of this moment of the bubble may have begun before the last ending
		if v, err := w.log.Since(t.Context(), time.Now()); err != nil || len(v.Endings) != len(sessions) || whole(v) != nil {
			t.Errorf("of %d endings the log has %d: %v, %v", len(sessions), len(v.Endings), whole(v), err)
		}
	})
}

// TestAReadGoesOnFromWhatWasHeardMeanwhile: neither does anything come twice, nor is
// anything forgotten.
func TestAReadGoesOnFromWhatWasHeardMeanwhile(t *testing.T) {
	t.Parallel()
	upTo := func(n int64) (v View) {
		for v.Cursor.Epoch = "e"; v.Cursor.N < n; {
			v.Cursor.N++
			v.Endings = append(v.Endings, credentials.Ending{N: v.Cursor.N})
		}
		return v
	}
	for heard := range int64(7) { // a read that began at 2 found 3 and 4
		got := upTo(heard).readOn(credentials.Cursor{Epoch: "e", N: 4}, upTo(4).Endings[min(heard, 2):])
		if err := whole(got); err != nil || got.Cursor.N != max(heard, 4) {
			t.Errorf("heard up to %d: %v, up to %s", heard, err, got.Cursor)
		}
	}
}

// whole is an error where a log has not every ending up to its cursor, once.
func whole(v View) error {
	var numbers []int64
	for _, e := range v.Endings {
		numbers = append(numbers, e.N)
	}
	for i, n := range numbers {
		if n != int64(i)+1 {
			return fmt.Errorf("the log has %v", numbers)
		}
	}
	if v.Cursor.N != int64(len(numbers)) || !slices.IsSorted(numbers) {
		return fmt.Errorf("the log has come to %d and has %v", v.Cursor.N, numbers)
	}
	return nil
}
