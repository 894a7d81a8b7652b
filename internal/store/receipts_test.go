package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

const theAudience = "https://docs.example/api"

// here is an instance that is connected to a node and has come so far.
func here(name string, at credentials.Cursor) Instance {
	return Instance{Client: "docs-api", Name: name, Audience: theAudience, Node: "node", Connected: true, Staleness: 10 * time.Second, Cursor: at}
}

// present has instances come to their nodes, and acknowledge as far as they are.
func (w *world) present(list ...Instance) {
	w.t.Helper()
	if err := w.Present(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	for i := range list {
		list[i].AckedAt = w.clock.now()
	}
	if err := w.Acked(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
}

// busy gives the installation thousands of endings, receipts and instances.
func (w *world) busy() {
	w.t.Helper()
	now := micros(w.clock.now())
	var endings, grants, receipts, instances [][]any
	for i := range 3000 {
		sid := fmt.Sprint("s", i)
		endings = append(endings, []any{"e", i + 1, sid, "acme", "c", "revoked", now, theAudience, now + int64(i)*1e6, 0})
		grants = append(grants, []any{credentials.NewID(), sid, "docs", theAudience, "documents.read", now})
		state := receiptApplied
		if i > 2900 {
			state = receiptWaiting
		}
		receipts = append(receipts, []any{sid, "docs", theAudience, "acme", "e", i + 1, "guard", state, now, now + int64(i)*1e6, now, 0, 0, 0, 0})
		instances = append(instances, []any{"docs-api", fmt.Sprint("i", i), fmt.Sprint(theAudience, i%30), fmt.Sprint("node", i%30), i % 2, 1e7, now, "e", i, now})
	}
	err := w.verb(w.t.Context(), func(t *tx) error {
		if _, err := t.exec(setEpoch, "e", 3000); err != nil {
			return err
		}
		for into, rows := range map[string][][]any{
			intoEndings: endings, `grants (id, sid, client, audience, scope, at)`: grants, intoReceipts: receipts,
			`instances (client, instance, audience, node, connected, staleness, seen_at, epoch, n, acked_at)`: instances,
		} {
			if err := t.insert(into, rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.engine.write.ExecContext(w.t.Context(), `ANALYZE`); err != nil {
		w.t.Fatal(err)
	}
}

// visit opens a session of which docs holds a token.
func (w *world) visit(n int) credentials.Session {
	w.t.Helper()
	s := w.guests(1)[0]
	g := grant(s)
	g.TokenID = fmt.Sprint(n)
	if _, err := w.Issue(w.t.Context(), g); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// follow sets how apps learn of endings.
func (w *world) follow() { w.clients = map[string]Client{"docs": {Enforces: credentials.ByGuard}} }

// complete completes the receipts.
func (w *world) complete() {
	w.t.Helper()
	at, _ := w.told(0, 1000)
	for more := true; more; {
		var err error
		if more, err = w.CompleteReceipts(w.t.Context(), theAudience, at.Epoch); err != nil {
			w.t.Fatal(err)
		}
	}
}

// receipt reads the only receipt of a session.
func (w *world) receipt(s credentials.Session) credentials.Receipt {
	w.t.Helper()
	got, err := w.Receipts(w.t.Context(), s.Account.ID, []string{s.ID})
	if err != nil || len(got[s.ID]) != 1 {
		w.t.Fatalf("receipts %+v, %v", got, err)
	}
	return got[s.ID][0]
}

// TestHowAnAppLearnsOfEndings: what is written down for each way, with the
// ending; a client that is not configured any more is promised nothing of.
func TestHowAnAppLearnsOfEndings(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.clients = map[string]Client{
			"guard": {Enforces: credentials.ByGuard}, "logout": {Enforces: credentials.ByLogout, Logout: true},
			"both": {Enforces: credentials.ByGuard, Logout: true}, "asks": {Enforces: credentials.ByIntrospection}, "none": {Enforces: credentials.ByNothing},
		}
		s := w.enter(agent(1), "acme", "123456")
		want := map[string]string{"guard": "guard waiting 0", "logout": "logout waiting 1", "both": "guard waiting 1",
			"asks": "introspection closed 0", "none": "none closed 0", "gone": "none closed 0"}
		for client := range want {
			g := grant(s)
			g.Client, g.Audience = client, client
			if _, err := w.Issue(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		ended := w.end(s)
		got, err := w.Receipts(t.Context(), "acme", []string{"none", s.ID, "other"})
		if err != nil || len(got) != 1 || len(got[s.ID]) != len(want) {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, r := range got[s.ID] {
			var state string
			var logout int64
			row := w.engine.read.QueryRowContext(t.Context(), `SELECT state, logout_next FROM receipts WHERE sid = $1 AND client = $2`, s.ID, r.Client)
			if err := row.Scan(&state, &logout); err != nil || logout != 0 && logout != micros(ended.EndedAt) {
				t.Fatal(err, logout)
			}
			if is := fmt.Sprint(r.Enforces, " ", state, " ", flag(logout != 0)); is != want[r.Client] {
				t.Errorf("%s is %s, want %s", r.Client, is, want[r.Client])
			}
			if r.Audience != r.Client || r.Account != "acme" || !r.EndedAt.Equal(ended.EndedAt) || !r.AppliedAt.IsZero() || r.Staleness != 0 {
				t.Errorf("%+v", r)
			}
		}
		if others, err := w.Receipts(t.Context(), "other", []string{s.ID}); err != nil || len(others) != 0 {
			t.Errorf("to another account: %v, %v", others, err)
		}
		w.sound()
	})
}

// TestAReceiptIsOfAllThatLive: an app has refused when the last of its instances
// has; who cannot let anybody in any more is not waited for, and counts until
// then; nor is who serves another audience, or came after.
func TestAReceiptIsOfAllThatLive(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.follow()
		s := w.visit(1)
		before, _ := w.told(0, 9)
		other := here("other", before)
		other.Audience = "https://other.example"
		w.present(here("a", before), here("b", before), here("gone", before), other)
		w.clock.add(time.Second)
		gone := here("gone", before)
		gone.Connected = false
		if err := w.Present(t.Context(), []Instance{gone}); err != nil { // it may let in for ten more seconds
			t.Fatal(err)
		}
		w.clock.add(time.Second)
		w.end(s)
		at, _ := w.told(0, 9)
		applied := func(what string, want time.Duration, instances int) {
			t.Helper()
			w.complete()
			r := w.receipt(s)
			if want == 0 && !r.AppliedAt.IsZero() || want != 0 && (r.After() != want || r.Instances != instances) {
				t.Errorf("%s: applied %v after %v by %d, want %v by %d", what, !r.AppliedAt.IsZero(), r.After(), r.Instances, want, instances)
			}
			if r.Staleness != 10*time.Second {
				t.Errorf("%s: they promise %v", what, r.Staleness)
			}
			w.sound()
		}
		applied("nobody has said a word", 0, 0)
		w.clock.add(12 * time.Millisecond)
		w.present(here("a", at))
		applied("one of two", 0, 0)
		stale := here("b", credentials.Cursor{Epoch: "another", N: 100})
		w.present(stale)
		applied("a place in another epoch", 0, 0)
		w.present(here("b", at))
		applied("one left with freshness in hand", 0, 0)
		w.clock.add(9*time.Second - 13*time.Millisecond)
		applied("just before it has run out", 0, 0)
		w.clock.add(time.Millisecond)
		if _, err := w.Vouch(t.Context(), "node"); err != nil {
			t.Fatal(err)
		}
		applied("it has run out", 9*time.Second, 2)
		w.present(here("late", before))
		w.clock.add(time.Hour)
		applied("once more", 9*time.Second, 2)
	})
}

// TestClocksOfNodesDiffer: no app has refused before the session had ended.
func TestClocksOfNodesDiffer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.follow()
		s := w.visit(1)
		w.end(s)
		at, _ := w.told(0, 9)
		early := here("a", at)
		early.AckedAt = w.clock.now().Add(-900 * time.Millisecond)
		if err := errors.Join(w.Present(t.Context(), []Instance{early}), w.Acked(t.Context(), []Instance{early})); err != nil {
			t.Fatal(err)
		}
		w.complete()
		if r := w.receipt(s); r.AppliedAt.IsZero() || r.AppliedAt.Before(r.EndedAt) {
			t.Errorf("%+v", r)
		}
		w.sound()
	})
}

// TestAThousandInstances: what they acknowledge takes as many statements as there
// are receipts, and none for each of them; nor does their being here.
func TestAThousandInstances(t *testing.T) {
	const many, endings = 1000, 100
	each(t, func(t *testing.T, w *world) {
		w.follow()
		var sessions []credentials.Session
		for i := range endings {
			sessions = append(sessions, w.visit(i))
		}
		count := func(f func()) (n int) {
			w.probe = func(string) error { n++; return nil }
			f()
			w.probe = nil
			return n
		}
		crowd := func(at credentials.Cursor) (out []Instance) {
			for i := range many {
				out = append(out, here(fmt.Sprint("i", i), at))
			}
			return out
		}
		at, _ := w.told(0, 9)
		if n := count(func() { w.present(crowd(at)...) }); n > 16 {
			t.Errorf("%d statements for %d to come and acknowledge", n, many)
		}
		if n := count(func() { _, _ = w.Vouch(t.Context(), "node") }); n > 5 {
			t.Errorf("%d statements to vouch for %d", n, many)
		}
		for _, s := range sessions {
			w.end(s)
		}
		at, _ = w.told(0, 1000)
		all := crowd(at)
		if n := count(func() { w.present(all[1:]...); w.complete() }); n > 20 {
			t.Errorf("%d statements while one is missing", n)
		}
		if n := count(func() { w.present(all[0]); w.complete() }); n > 2*endings+2*30 {
			t.Errorf("%d statements for %d receipts", n, endings)
		}
		if n := w.number(`SELECT count(*) FROM receipts WHERE state = 'applied' AND instances = $1`, many); n != endings {
			t.Errorf("%d receipts of %d", n, endings)
		}
		w.sound()
	})
}

// TestTwoNodesCompleteAtOnce: one entry for each.
func TestTwoNodesCompleteAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.follow()
		for i := range 30 {
			w.end(w.visit(i))
		}
		at, _ := w.told(0, 1000)
		w.present(here("a", at))
		parallel(8, func(int) { w.complete() })
		if n := w.number(`SELECT count(*) FROM receipts WHERE state = 'applied'`); n != 30 {
			t.Errorf("%d receipts", n)
		}
		w.sound()
	})
}
