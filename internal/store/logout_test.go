package store

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// calledBack makes docs an app that learns of endings by being called back, and
// files one that is called back besides.
func (w *world) calledBack() {
	w.clients = map[string]Client{"docs": {Enforces: credentials.ByLogout, Logout: true}, "files": {Enforces: credentials.ByGuard, Logout: true}}
}

// endWithTokens opens a session of an account, gives each client a token of it,
// and ends it.
func (w *world) endWithTokens(n int, id string, clients ...string) credentials.Session {
	w.t.Helper()
	s := w.enter(agent(n), id, "123456")
	for _, client := range clients {
		g := grant(s)
		g.Client, g.Audience = client, "https://"+client+".example/api"
		if _, err := w.Issue(w.t.Context(), g); err != nil {
			w.t.Fatal(err)
		}
	}
	s, err := w.End(w.t.Context(), id, s.ID, credentials.CauseSignedOut, byOwner)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) claim(client string, limit int) []Logout {
	w.t.Helper()
	out, err := w.ClaimLogouts(w.t.Context(), client, 15*time.Second, limit)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// TestACallIsClaimedForALease, by one at a time, and only while it is due.
func TestACallIsClaimedForALease(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.calledBack()
		first, second := w.endWithTokens(1, "acme", "docs", "files", "gone"), w.endWithTokens(2, "beta", "docs")
		pending, err := w.PendingLogouts(t.Context())
		if err != nil || len(pending) != 2 || !pending["docs"].Equal(first.EndedAt) || !pending["files"].Equal(first.EndedAt) {
			t.Errorf("pending are %v, %v", pending, err)
		}
		if got := w.claim("gone", 10); len(got) != 0 {
			t.Errorf("one that is not called back: %+v", got)
		}
		got := w.claim("docs", 1)
		if len(got) != 1 || got[0].SID != first.ID || got[0].Tries != 1 || got[0].Account != "acme" || got[0].Enforces != credentials.ByLogout ||
			!got[0].EndedAt.Equal(first.EndedAt) || !got[0].Until.Equal(first.EndsAt) {
			t.Fatalf("the first is %+v", got)
		}
		if rest := w.claim("docs", 10); len(rest) != 1 || rest[0].SID != second.ID {
			t.Errorf("the rest is %+v", rest)
		}
		w.clock.add(15*time.Second - time.Microsecond)
		if again := w.claim("docs", 10); len(again) != 0 {
			t.Errorf("claimed within the lease: %+v", again)
		}
		w.clock.add(time.Microsecond)
		again := w.claim("docs", 10)
		if len(again) != 2 || again[0].Tries != 2 {
			t.Fatalf("after the lease: %+v", again)
		}
		// The first one comes back late, and has no say any more.
		if err := w.PutOffLogout(t.Context(), got[0], time.Time{}); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(again, func(l Logout) bool { return l.SID == first.ID })
		if err := w.PutOffLogout(t.Context(), again[i], w.clock.now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Second)
		if next := w.claim("docs", 10); len(next) != 1 || next[0].SID != first.ID || next[0].Tries != 3 {
			t.Errorf("what was put off: %+v", next)
		}
	})
}

// TestAReceiptIsWrittenOnce, and only for an app that learns of endings by being
// called back.
func TestAReceiptIsWrittenOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.calledBack()
		s := w.endWithTokens(1, "acme", "docs", "files")
		docs, files := w.claim("docs", 1)[0], w.claim("files", 1)[0]
		w.clock.add(40 * time.Millisecond)
		at := w.clock.now()
		for range 3 {
			for _, l := range []Logout{docs, files} {
				if err := w.LogoutDone(t.Context(), l, at); err != nil {
					t.Fatal(err)
				}
			}
			w.clock.add(time.Minute)
		}
		if got := w.kinds("acme")[credentials.RecordReceipt]; got != 1 {
			t.Errorf("%d entries", got)
		}
		last := w.record("acme")
		if e := last[len(last)-1]; e.Facts["client"] != "docs" || e.Facts["how"] != "logout" || e.Facts["after_ms"] != "40" || e.Facts["instances"] != "" || e.Facts["sid"] != s.ID {
			t.Errorf("the entry says %v", e.Facts)
		}
		list, err := w.Receipts(t.Context(), "acme", []string{s.ID})
		if err != nil || len(list[s.ID]) != 2 || !list[s.ID][0].AppliedAt.Equal(at) || !list[s.ID][1].AppliedAt.IsZero() {
			t.Errorf("the receipts are %+v, %v", list, err)
		}
		if pending, err := w.PendingLogouts(t.Context()); err != nil || len(pending) != 0 {
			t.Errorf("pending are %v, %v", pending, err)
		}
		w.sound()
	})
}

// TestAReceiptThatCannotBeWritten is not half written, and comes again.
func TestAReceiptThatCannotBeWritten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.calledBack()
		w.endWithTokens(1, "acme", "docs")
		l := w.claim("docs", 1)[0]
		broken := errors.New("broken")
		for _, part := range []string{"SELECT id, connector", "UPDATE receipts SET state", "INSERT INTO record ", "UPDATE receipts SET logout_next = 0", "COMMIT"} {
			w.probe = func(statement string) error {
				if strings.HasPrefix(statement, part) {
					return broken
				}
				return nil
			}
			if err := w.LogoutDone(t.Context(), l, w.clock.now()); !errors.Is(err, broken) {
				t.Errorf("%s: %v", part, err)
			}
			w.probe = nil
			if w.number(`SELECT count(*) FROM receipts WHERE state = 'waiting' AND logout_next > 0`) != 1 || w.kinds("acme")[credentials.RecordReceipt] != 0 {
				t.Errorf("%s: it is half written", part)
			}
		}
		if err := w.LogoutDone(t.Context(), l, w.clock.now()); err != nil || w.kinds("acme")[credentials.RecordReceipt] != 1 {
			t.Errorf("mended: %v", err)
		}
		w.sound()
	})
}

// TestNodesDoNotClaimTheSameCall at the same moment.
func TestNodesDoNotClaimTheSameCall(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.calledBack()
	const endings = 30
	for i := range endings {
		w.endWithTokens(i, "acme", "docs")
	}
	w.clock.add(time.Second)
	var mu sync.Mutex
	seen := map[string]int{}
	parallel(24, func(int) {
		got, err := w.ClaimLogouts(t.Context(), "docs", time.Minute, 5)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, l := range got {
			seen[l.SID] += l.Tries
		}
	})
	for _, l := range w.claim("docs", endings) { // those that nobody came to
		seen[l.SID] += l.Tries
	}
	if len(seen) != endings {
		t.Errorf("%d of %d were claimed", len(seen), endings)
	}
	for sid, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", sid, n)
		}
	}
}
