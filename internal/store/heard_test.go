package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/valetkey/valetkey/credentials"
)

// TestWhatIsHeardIsWhatIsRead: what a node tells of its commits, put together by
// its numbers, is the log as any node reads it. What the listener has taken it is
// not woken to read; what it has not, it is.
func TestWhatIsHeardIsWhatIsRead(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var heard []credentials.Ending
		takes := true
		w.Hear(func(after credentials.Cursor, endings []credentials.Ending) bool {
			mu.Lock()
			defer mu.Unlock()
			for i, e := range endings {
				if e.N != after.N+1+int64(i) {
					t.Errorf("after %s comes %d", after, e.N)
				}
			}
			heard = append(heard, endings...)
			return takes
		})
		sessions := w.guests(24)
		w.endWithTokens(1, "with-tokens", "docs")
		for len(w.Wake()) > 0 {
			<-w.Wake()
		}
		parallel(len(sessions), func(i int) { w.end(sessions[i]) })
		if !w.engine.notify && len(w.Wake()) > 0 {
			t.Error("who has heard it all is woken to read")
		}
		slices.SortFunc(heard, func(a, b credentials.Ending) int { return int(a.N - b.N) })
		_, read := w.told(0, 1000)
		if len(heard) != len(read) {
			t.Fatalf("%d are heard and %d read", len(heard), len(read))
		}
		for i := range read {
			if heard, read := fmt.Sprintf("%+v", heard[i]), fmt.Sprintf("%+v", read[i]); heard != read {
				t.Errorf("heard is\n%s\nand read\n%s", heard, read)
			}
		}
		takes = false
		w.end(w.guests(1)[0])
		if len(w.Wake()) == 0 {
			t.Error("who has not taken it is not woken to read")
		}
	})
}

// TestNothingIsHeardOfACommitThatIsInDoubt: it may not be stored, so it is to be read.
func TestNothingIsHeardOfACommitThatIsInDoubt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.guests(1)[0]
		w.Hear(func(credentials.Cursor, []credentials.Ending) bool {
			t.Error("it is heard")
			return true
		})
		w.probe = func(statement string) error {
			if statement == "COMMITTED" {
				return errors.New("lost on the way")
			}
			return nil
		}
		_, err := w.End(t.Context(), s.Account.ID, s.ID, credentials.CauseSignedOut, byOwner)
		if w.probe = nil; !errors.Is(err, credentials.ErrUnknownResult) {
			t.Errorf("a commit in doubt returns %v", err)
		}
		if len(w.Wake()) == 0 {
			t.Error("nobody is woken to read")
		}
	})
}
