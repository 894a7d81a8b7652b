package revocation

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAnEndingIsTold(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		before := w.end()
		l := w.connect("instance=one")
		first := l.said()
		want := fmt.Sprintf("data: {\"seq\":1,\"sid\":%q,\"ended_at\":%q,\"credential\":%q,\"cause\":\"revoked\"}\n",
			before.ID, before.EndedAt.Format("2006-01-02T15:04:05.000000Z"), before.Credential)
		if !strings.Contains(first, "event: ended\nid: ") || !strings.Contains(first, want) || !strings.Contains(first, "event: fresh\ndata: {\"seq\":1,\"since_open_ms\":0}\n") {
			t.Errorf("at first it says\n%s", first)
		}
		s := w.end()
		if got := l.said(); !strings.Contains(got, s.ID) || strings.Contains(got, before.ID) {
			t.Errorf("then it says\n%s", got)
		}
	})
}

// TestFreshNeedsARead: what a node cannot read it does not vouch for, and when
// it says something it counts from the beginning of its read.
func TestFreshNeedsARead(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		l := w.connect("")
		pass(7 * time.Second)
		since := regexp.MustCompile(`"since_open_ms":(\d+)`).FindAllStringSubmatch(l.said(), -1)
		if len(since) != 4 || since[0][1] != "0" || since[3][1] < "5000" || since[3][1] > "6000" {
			t.Errorf("in seven seconds it is fresh at %v", since)
		}
		w.store.Close()
		pass(3 * time.Second) // what was read before may still be told
		l.said()
		pass(time.Minute)
		if got := l.said(); strings.Contains(got, "fresh") || !strings.Contains(got, ":\n") {
			t.Errorf("a minute without a database it says\n%s", got)
		}
		if refused := w.connect(""); refused.code != 503 {
			t.Errorf("who comes while the log cannot be read is answered %d", refused.code)
		}
	})
}

func TestASlowReaderIsDropped(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		w.end()
		w.dial("instance=slow") // and never reads
		synctest.Wait()
		if n := w.feed.Streams(); n != 1 {
			t.Fatalf("%d streams are open, want 1", n)
		}
		pass(writeTimeout + time.Second)
		if n := w.feed.Streams(); n != 0 {
			t.Errorf("%d streams are open after the reader did not read", n)
		}
	})
}

// TestStreamsOutliveTheServersLimits: a request may be read for 30 seconds and
// answered for 60; a stream lives as long as its bearer, and a little less.
func TestStreamsOutliveTheServersLimits(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		l := w.connect("")
		pass(life - 11*time.Second)
		if got := l.said(); strings.Contains(got, "OVER") {
			t.Errorf("the stream is over before its bearer expires")
		}
		pass(11 * time.Second)
		if got := l.said(); !strings.Contains(got, "OVER") {
			t.Error("the stream goes on after its bearer has expired")
		}
	})
}

// TestNoStreamIsForEver: a bearer that says it lives for years may be made by
// somebody who has got hold of a key. When that is taken away they are to be gone
// soon, too.
func TestNoStreamIsForEver(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		w.long = true
		l := w.connect("")
		pass(time.Hour - time.Minute)
		if got := l.said(); strings.Contains(got, "OVER") {
			t.Errorf("the stream is over already")
		}
		pass(time.Minute)
		if got := l.said(); !strings.Contains(got, "OVER") {
			t.Error("the stream goes on")
		}
	})
}

// TestAShutdownScattersTheReaders: who all come back at once are a crowd.
func TestAShutdownScattersTheReaders(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		var all []*listener
		for i := range 20 {
			all = append(all, w.connect(fmt.Sprintf("instance=i%d", i)))
		}
		for _, l := range all {
			l.said()
		}
		w.feed.Close()
		hints := map[string]bool{}
		for _, l := range all {
			got := l.said()
			hint := regexp.MustCompile(`retry: \d+`).FindString(got)
			if hint == "" || !strings.Contains(got, "OVER") {
				t.Fatalf("at the end a stream says\n%s", got)
			}
			hints[hint] = true
		}
		if len(hints) < 10 {
			t.Errorf("20 readers are given %d hints", len(hints))
		}
	})
}

func TestKeysAreAnnounced(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		l := w.connect("")
		l.said()
		for range 2 {
			w.feed.Keys()
			if got := l.said(); got != "event: keys\ndata: {}\n" {
				t.Errorf("other keys are announced as\n%s", got)
			}
		}
	})
}

// TestWhatNobodyNeedsIsForgotten: after the last token and the margin an ending
// is told to nobody who comes, and the memory is free.
func TestWhatNobodyNeedsIsForgotten(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		s := w.end()
		pass(life + credentials.EndingMargin - time.Second)
		if got := w.connect("").said(); !strings.Contains(got, s.ID) {
			t.Errorf("while a token may live the replay is\n%s", got)
		}
		pass(forgetEvery + time.Second)
		if v, _ := w.log.View(); len(v.Endings) != 0 || v.Cursor.N != 1 {
			t.Errorf("%d endings are kept at %v", len(v.Endings), v.Cursor)
		}
		if got := w.connect("").said(); strings.Contains(got, s.ID) || !strings.Contains(got, `"seq":1`) {
			t.Errorf("when no token can live the replay is\n%s", got)
		}
	})
}

// TestARestoreResetsTheReaders: after a recovery the log has another epoch.
func TestARestoreResetsTheReaders(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		w.end()
		l := w.connect("")
		l.said()
		out, err := w.store.Recover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		got := l.said()
		reset, again := strings.Index(got, "event: reset\ndata: {}\nevent: keys\ndata: {}\n"), strings.Index(got, "id: "+out.Epoch+"-1\n")
		if reset < 0 || again < reset {
			t.Errorf("after a recovery the stream says\n%s", got)
		}
	})
}

func TestReceiptsWaitForEveryInstance(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		one := w.connect("instance=one")
		w.connect("instance=two")
		s := w.end()
		synctest.Wait()
		v, _ := w.log.View()
		applied := func() (out credentials.Receipt) {
			t.Helper()
			synctest.Wait()
			found, err := w.store.Receipts(ctx, s.Account.ID, []string{s.ID})
			if err != nil || len(found[s.ID]) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			return found[s.ID][0]
		}
		me := Subscriber{Client: "docs-api", Audience: audience, Instance: "one", Staleness: 10 * time.Second}
		if err := w.feed.Ack(ctx, me, v.Cursor, 0); err != nil {
			t.Fatal(err)
		}
		if got := applied(); !got.AppliedAt.IsZero() || got.RefusesBy() != s.EndedAt.Add(10*time.Second) {
			t.Errorf("with one of two the receipt is %+v", got)
		}
		_ = one.conn.Close()
		me.Instance = "two"
		pass(time.Second)
		at := time.Now().Add(-400 * time.Millisecond)
		if err := w.feed.Ack(ctx, me, v.Cursor, 400*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if got := applied(); !got.AppliedAt.Equal(at) || got.RefusesBy() != got.AppliedAt || got.Instances != 2 {
			t.Errorf("with both the receipt is %+v, want it applied at %v", got, at)
		}
		for _, c := range []credentials.Cursor{{Epoch: v.Cursor.Epoch, N: v.Cursor.N + 1}, {Epoch: "other", N: 1}} {
			if err := w.feed.Ack(ctx, me, c, 0); !errors.Is(err, ErrCursor) {
				t.Errorf("%v is acknowledged: %v", c, err)
			}
		}
	})
}

// TestAnInstanceThatIsGoneIsNotWaitedFor: once it must have stopped believing
// what it knew.
func TestAnInstanceThatIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		gone := w.connect("instance=gone")
		w.connect("instance=here")
		_ = gone.conn.Close()
		pass(time.Second)
		s := w.end()
		synctest.Wait()
		v, _ := w.log.View()
		me := Subscriber{Client: "docs-api", Audience: audience, Instance: "here", Staleness: 10 * time.Second}
		if err := w.feed.Ack(ctx, me, v.Cursor, 0); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			pass time.Duration
			done bool
		}{{7 * time.Second, false}, {8 * time.Second, true}} {
			pass(step.pass)
			found, err := w.store.Receipts(ctx, s.Account.ID, []string{s.ID})
			if err != nil || found[s.ID][0].AppliedAt.IsZero() == step.done {
				t.Errorf("%v later: %+v, %v", step.pass, found, err)
			}
		}
	})
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	v := View{Cursor: credentials.Cursor{Epoch: "e-1", N: 9}}
	for id, want := range map[string]struct {
		n     int64
		reset bool
	}{"": {0, false}, "e-1-0": {0, false}, "e-1-9": {9, false}, "e-1-10": {0, true}, "e-2-3": {0, true}, "e-1-": {0, true}, "x": {0, true}, "e-1--1": {0, true}} {
		if n, reset := place(id, v); n != want.n || reset != want.reset {
			t.Errorf("%q is place %d, reset %v", id, n, reset)
		}
	}
}

// TestAFailoverThatLostEndings: numbers that were told before are given to others,
// so the readers have to hear everything anew.
func TestAFailoverThatLostEndings(t *testing.T) {
	t.Parallel()
	at := func(n int64, sid string) View {
		return View{Cursor: credentials.Cursor{Epoch: "e", N: n}, Confirmed: time.Now(), Endings: []credentials.Ending{{N: n, SID: sid}}}
	}
	s := &stream{accepted: time.Now().Add(-time.Minute)}
	s.begin("", at(2, "lost"))
	s.show(at(2, "lost"))
	s.buf = nil
	s.show(at(1, "another"))
	if got := string(s.buf); !strings.HasPrefix(got, "event: reset\n") || !strings.Contains(got, "id: e-1\n") || !strings.Contains(got, "another") {
		t.Errorf("the reader is told\n%s", got)
	}
}

// TestNobodyIsToldBeforeTheyAreKnown: an app that hears what is fresh is one that
// receipts wait for. Where it cannot be written down that it is here, it is not
// answered.
func TestNobodyIsToldBeforeTheyAreKnown(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		quiet := slog.New(slog.DiscardHandler)
		feed := NewFeed(w.log, NewReceipts(w.store, w.log, quiet), quiet) // whose job does not run
		s := Subscriber{Client: "docs-api", Audience: audience, Instance: "one", Staleness: time.Second, Accepted: time.Now()}
		if _, err := feed.Open(w.t.Context(), s); !errors.Is(err, ErrNotConfirmed) {
			t.Errorf("an instance that is written nowhere is answered: %v", err)
		}
		s.Instance, s.Accepted = "", time.Now()
		if _, err := feed.Open(w.t.Context(), s); err != nil {
			t.Errorf("who acknowledges nothing has to wait: %v", err)
		}
	})
}
