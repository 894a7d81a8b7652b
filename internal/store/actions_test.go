package store

import (
	"errors"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

func TestActions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		act := func(a credentials.Action) credentials.Acted {
			t.Helper()
			acted, err := w.Act(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			return acted
		}
		elsewhere := grant(s)
		elsewhere.Client, elsewhere.Audience, elsewhere.Scope = "billing", "https://billing.example/api", "settings.write"
		if _, err := w.Issue(t.Context(), elsewhere); err != nil {
			t.Fatal(err)
		}
		a := action(s)
		for name, sid := range map[string]string{"no token for the audience": s.ID, "an unknown session": "nothing"} {
			a.SID = sid
			if _, err := w.Act(t.Context(), a); !errors.Is(err, credentials.ErrNotAudience) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.Issue(t.Context(), grant(s)); err != nil {
			t.Fatal(err)
		}
		a = action(s)
		first, again := act(a), act(a)
		if first.Err != nil || first.Repeat || again.Err != nil || !again.Repeat || again.Seq != first.Seq {
			t.Errorf("an action %+v, again %+v", first, again)
		}
		foreign := action(s)
		foreign.Scope = "documents.delete"
		for i := range 2 {
			if got := act(foreign); !errors.Is(got.Err, credentials.ErrNotLent) || got.Repeat != (i > 0) {
				t.Errorf("a scope that was not lent: %+v", got)
			}
		}
		refused := action(s)
		refused.Refused, refused.Scope = true, "billing.read"
		if got := act(refused); got.Err != nil {
			t.Errorf("a refusal by the app: %v", got.Err)
		}
		if err := w.Revoke(t.Context(), "acme", "", byOwner); err != nil {
			t.Fatal(err)
		}
		late := action(s)
		for range 2 {
			if got := act(late); !isEnded(got.Err, credentials.CauseRevoked) {
				t.Errorf("an action after the end: %v", got.Err)
			}
		}
		if got := act(a); !got.Repeat || !isEnded(got.Err, credentials.CauseRevoked) {
			t.Errorf("an action that had started, asked again after the end: %+v", got)
		}
		if got := act(refused); !got.Repeat || got.Err != nil {
			t.Errorf("a refusal, again after the end: %+v", got)
		}
		another := action(s)
		another.Refused = true
		if got := act(another); got.Err != nil || got.Repeat {
			t.Errorf("a refusal after the end: %+v", got)
		}
		n := w.kinds("acme")
		if n[credentials.RecordAction] != 1 || n[credentials.RecordRefusedAction] != 4 {
			t.Errorf("entries: %v", n)
		}
		w.sound()
	})
}

// TestActionInParallel: one id is one entry.
func TestActionInParallel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		if _, err := w.Issue(t.Context(), grant(s)); err != nil {
			t.Fatal(err)
		}
		a := action(s)
		seqs := make([]int64, 20)
		parallel(len(seqs), func(i int) {
			acted, err := w.Act(t.Context(), a)
			if err != nil || acted.Err != nil {
				t.Errorf("%v, %v", err, acted.Err)
			}
			seqs[i] = acted.Seq
		})
		for _, seq := range seqs {
			if seq != seqs[0] || seq == 0 {
				t.Errorf("places in the record: %v", seqs)
			}
		}
		w.sound()
	})
}

// TestActionIsActivity: an action keeps the session, and its id belongs to its
// account.
func TestActionIsActivity(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s, other := w.enter(agent(1), "acme", "123456"), w.enter(agent(2), "other", "123456")
		for _, s := range []credentials.Session{s, other} {
			if _, err := w.Issue(t.Context(), grant(s)); err != nil {
				t.Fatal(err)
			}
		}
		a := action(s)
		w.clock.add(9 * time.Minute)
		if acted, err := w.Act(t.Context(), a); err != nil || acted.Err != nil {
			t.Fatal(err, acted.Err)
		}
		stolen := action(other)
		stolen.ID = a.ID
		if _, err := w.Act(t.Context(), stolen); !errors.Is(err, credentials.ErrKeyReused) {
			t.Errorf("the id of another account's action: %v", err)
		}
		w.clock.add(9 * time.Minute)
		if acted, err := w.Act(t.Context(), action(s)); err != nil || acted.Err != nil {
			t.Errorf("nine minutes after an action: %v, %v", err, acted.Err)
		}
	})
}
