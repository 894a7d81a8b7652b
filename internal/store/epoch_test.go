package store

import (
	"errors"
	"sync"
	"testing"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestANewEpochTellsEverythingAnew: what a token could need is in the new epoch,
// from 1 on, with what its apps are waited for; a reader of the old one sees
// that it is another.
func TestANewEpochTellsEverythingAnew(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.clients = map[string]Client{"docs": {Enforces: credentials.ByGuard}}
		over := w.enter(agent(1), "acme", "111111")
		w.end(over)
		w.clock.add(noted + credentials.EndingMargin)
		needed, alive := w.enter(agent(2), "acme", "222222"), w.enter(agent(3), "acme", "333333")
		if _, err := w.Issue(t.Context(), grant(needed)); err != nil {
			t.Fatal(err)
		}
		w.end(needed)
		before, _ := w.told(0, 10)
		done, err := w.Recover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at, log := w.told(0, 10)
		if at.Epoch == before.Epoch || at.Epoch != done.Epoch || at.N != 2 || log[0].SID != needed.ID || log[1].SID != alive.ID {
			t.Errorf("%+v after %+v: %+v", at, before, log)
		}
		if at, log := w.told(before.N, 10); at.Epoch != done.Epoch || len(log) != 0 {
			t.Errorf("to a reader of the old epoch: %+v, %v", at, log)
		}
		w.present(here("a", at))
		if _, err := w.CompleteReceipts(t.Context(), theAudience, at.Epoch); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Receipts(t.Context(), "acme", []string{needed.ID}); err != nil || got[needed.ID][0].AppliedAt.IsZero() {
			t.Errorf("acknowledged in the new epoch: %+v, %v", got, err)
		}
		w.sound()
	})
}

// TestNoEndingIsLeftInAnOldEpoch: a recovery on PostgreSQL beside a session that
// ends at the same moment, because somebody forgot to stop a node.
func TestNoEndingIsLeftInAnOldEpoch(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	s, node := w.enter(agent(1), "acme", "123456"), w.beside(nil)
	ended := make(chan error, 1)
	var once sync.Once
	w.probe = func(statement string) error {
		if statement == carryEndings {
			once.Do(func() {
				go func() {
					_, err := node.End(t.Context(), "acme", s.ID, credentials.CauseSignedOut, byOwner)
					ended <- err
				}()
				w.locked() // it waits for the counter
			})
		}
		return nil
	}
	_, err := w.Recover(t.Context())
	w.probe = nil
	if err := errors.Join(err, <-ended); err != nil {
		t.Fatal(err)
	}
	if _, log := w.told(0, 9); len(log) != 1 || log[0].SID != s.ID {
		t.Errorf("the new epoch tells %+v", log)
	}
	w.sound()
}
