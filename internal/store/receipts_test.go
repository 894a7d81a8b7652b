package store

import (
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
func (w *world) present(t *testing.T, list ...Instance) {
	t.Helper()
	if err := w.Present(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].AckedAt = w.clock.now()
	}
	if err := w.Acked(t.Context(), list); err != nil {
		t.Fatal(err)
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
