package store

import (
	"errors"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestAClockThatIsBehindShortensNoEnding: revoking works whatever the clock says,
// and how long the apps are told of it is counted from the last token, which a
// clock that was right has dated.
func TestAClockThatIsBehindShortensNoEnding(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if err := w.lengthen(t.Context(), 5*time.Minute); err != nil {
			t.Fatal(err)
		}
		s := w.enter(agent(1), "acme", "123456")
		if _, err := w.Issue(t.Context(), grant(s)); err != nil {
			t.Fatal(err)
		}
		w.clock.add(-time.Hour)
		if err := w.CheckClock(t.Context()); err != nil || !errors.Is(w.Clock(), credentials.ErrClock) {
			t.Fatal(err, w.Clock())
		}
		if err := w.Revoke(t.Context(), "acme", s.Credential, byOwner); err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Hour)
		for _, pass := range []struct {
			after time.Duration
			left  int
		}{{5 * time.Minute, 1}, {credentials.EndingMargin + time.Microsecond, 0}} {
			w.clock.add(pass.after)
			w.clockBad.Store(false) // the database's goes on by itself
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, log := w.told(0, 9); len(log) != pass.left {
				t.Errorf("%v later the log has %+v, want %d", pass.after, log, pass.left)
			}
		}
		w.sound()
	})
}
