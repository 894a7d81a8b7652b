package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// stream makes a stream to which events are pushed.
func (w *world) stream() SSFStream {
	w.t.Helper()
	s, made, err := w.CreateSSF(w.t.Context(), SSFStream{ID: credentials.NewID(), Client: "docs-api", Method: SSFPush, Endpoint: "https://x.example", Status: SSFEnabled}, 10)
	if err != nil || !made {
		w.t.Fatalf("made %v, %v", made, err)
	}
	return s
}

func docsOnly(SSFStream) string { return "https://docs.example/api" }

// gathered ends a session of docs and gathers for the stream.
func (w *world) gathered(s SSFStream, id string) credentials.Session {
	w.t.Helper()
	found := w.enter(agent(0), id, "123456")
	if _, err := w.Issue(w.t.Context(), grant(found)); err != nil {
		w.t.Fatal(err)
	}
	ended, err := w.End(w.t.Context(), id, found.ID, credentials.CauseRevoked, byOwner)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.GatherSSF(w.t.Context(), s.Client, s.ID, docsOnly, 10); err != nil {
		w.t.Fatal(err)
	}
	return ended
}

// TestALeaseKeepsAStreamForOne node, until its time is over or the stream changes.
func TestALeaseKeepsAStreamForOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.stream()
		if due, err := w.SSFDue(ctx, 10); err != nil || len(due) != 0 {
			t.Errorf("with nothing to push, %v is due: %v", due, err)
		}
		w.gathered(s, "acme")
		lease := func() (time.Time, bool) {
			_, at, ok, err := w.LeaseSSF(ctx, s.ID, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return at, ok
		}
		events := func(at time.Time) int {
			list, err := w.SSFEvents(ctx, s.ID, at, 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		wins := make([]bool, 20)
		parallel(len(wins), func(i int) { _, wins[i] = lease() })
		n := 0
		for _, won := range wins {
			if won {
				n++
			}
		}
		if due, err := w.SSFDue(ctx, 10); n != 1 || err != nil || len(due) != 0 {
			t.Errorf("%d of 20 have it, and %v is due: %v", n, due, err)
		}
		w.clock.add(time.Minute)
		first, ok := lease()
		if !ok || events(first) != 1 {
			t.Errorf("when the time of the first is over: %v, %d events", ok, events(first))
		}
		if _, err := w.ChangeSSF(ctx, s.Client, s.ID, func(s *SSFStream) error { s.Endpoint = "https://y.example"; return nil }); err != nil {
			t.Fatal(err)
		}
		if events(first) != 0 {
			t.Error("after a change, events go on to where they went before")
		}
		w.clock.add(time.Microsecond)
		second, ok := lease()
		if err := w.ReleaseSSF(ctx, s.ID, first, 5, time.Hour); err != nil || !ok || events(second) != 1 {
			t.Errorf("who had it before gives it back: %v", err)
		}
		if err := w.ReleaseSSF(ctx, s.ID, second, 1, time.Second); err != nil {
			t.Fatal(err)
		}
		if _, ok := lease(); ok {
			t.Error("it is tried again without a pause")
		}
		w.clock.add(time.Second)
		if got, _, ok, err := w.LeaseSSF(ctx, s.ID, time.Minute); !ok || err != nil || got.Tries != 1 || got.Endpoint != "https://y.example" {
			t.Errorf("after the pause: %+v %v %v", got, ok, err)
		}
		w.sound()
	})
}

// TestEachEndingBecomesOneEvent whoever gathers, and however often the same is
// done again because nobody knew whether it was.
func TestEachEndingBecomesOneEvent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.stream()
		w.gathered(s, "acme")
		before, err := w.SSFEvents(ctx, s.ID, time.Time{}, 10)
		if err != nil || len(before) != 1 {
			t.Fatalf("%v, %v", before, err)
		}
		found := w.enter(agent(1), "globex", "123456")
		if _, err := w.Issue(ctx, grant(found)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.End(ctx, "globex", found.ID, credentials.CauseRevoked, byOwner); err != nil {
			t.Fatal(err)
		}
		w.probe = func(statement string) error {
			if statement == "COMMIT" || strings.HasPrefix(statement, "UPDATE ssf_streams SET epoch") {
				return errors.New("the wire is cut")
			}
			return nil
		}
		if _, _, err := w.GatherSSF(ctx, s.Client, s.ID, docsOnly, 10); err == nil {
			t.Error("a cut wire is no error")
		}
		w.probe = nil
		parallel(10, func(int) {
			if _, _, err := w.GatherSSF(ctx, s.Client, s.ID, docsOnly, 10); err != nil {
				t.Error(err)
			}
		})
		// Gathered from the beginning, they are the same events.
		if _, err := w.engine.write.ExecContext(ctx, `UPDATE ssf_streams SET n = 0`); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.GatherSSF(ctx, s.Client, s.ID, docsOnly, 10); err != nil {
			t.Fatal(err)
		}
		after, err := w.SSFEvents(ctx, s.ID, time.Time{}, 10)
		if err != nil || len(after) != 2 || after[0].JTI != before[0].JTI || after[1].SID != found.ID || after[1].TXN == after[0].TXN {
			t.Errorf("%+v, %v", after, err)
		}
		if left, err := w.SSFBehind(ctx); err != nil || len(left) != 0 {
			t.Errorf("behind are %v, %v", left, err)
		}
		if _, _, err := w.GatherSSF(ctx, "docs-two", s.ID, docsOnly, 10); !errors.Is(err, credentials.ErrNotFound) {
			t.Errorf("for another client: %v", err)
		}
		w.sound()
	})
}

// TestNobodyHoldsTheLogForEver: a stream that nobody gathers for keeps the endings
// as long as it would have kept their events. Then it has missed them, and is told.
func TestNobodyHoldsTheLogForEver(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s, other := w.stream(), w.stream()
		w.gathered(s, "acme")
		if _, _, err := w.GatherSSF(ctx, other.Client, other.ID, docsOnly, 10); err != nil {
			t.Fatal(err)
		}
		missed := w.enter(agent(1), "globex", "123456")
		if _, err := w.Issue(ctx, grant(missed)); err != nil {
			t.Fatal(err)
		}
		ended, err := w.End(ctx, "globex", missed.ID, credentials.CauseRevoked, byOwner)
		if err != nil {
			t.Fatal(err)
		}
		if _, paused, err := w.GatherSSF(ctx, other.Client, other.ID, docsOnly, 10); err != nil || paused != "" {
			t.Fatalf("one that is gathered for in time: %q, %v", paused, err)
		}
		_, log := w.told(0, 9)
		needed := log[len(log)-1].NeededUntil
		for _, step := range []struct {
			at   time.Time
			left int
		}{{needed.Add(keepEndings - time.Microsecond), 1}, {needed.Add(keepEndings), 0}} {
			w.clock.add(step.at.Sub(w.clock.now()))
			if err := w.pruneEndings(ctx); err != nil {
				t.Fatal(err)
			}
			if n := w.number(`SELECT count(*) FROM endings`); n != step.left {
				t.Errorf("at %v %d endings are kept, want %d", step.at.Sub(ended.EndedAt), n, step.left)
			}
		}
		_, paused, err := w.GatherSSF(ctx, s.Client, s.ID, docsOnly, 10)
		if err != nil || paused == "" {
			t.Errorf("it has missed an ending: %q, %v", paused, err)
		}
		list, err := w.SSFEvents(ctx, s.ID, time.Time{}, 10)
		if err != nil || len(list) != 1 || list[0].Kind != SSFUpdated || list[0].What != SSFPaused || list[0].Text != paused {
			t.Errorf("its receiver is told %+v, %v", list, err)
		}
		if _, paused, err := w.GatherSSF(ctx, other.Client, other.ID, docsOnly, 10); err != nil || paused != "" {
			t.Errorf("one that missed nothing: %q, %v", paused, err)
		}
		w.sound()
	})
}
