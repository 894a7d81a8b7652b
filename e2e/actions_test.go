package e2e

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// act is what an app reports.
func act(sid, outcome string) map[string]any {
	return map[string]any{
		"id": rand.Text(), "sid": sid, "action": "document.open", "target": "invoice-7.pdf",
		"scope": "documents.read", "outcome": outcome,
	}
}

// TestActionsAreRecordedOrNotDone follows the reports of an app through a
// session and beyond its end.
func TestActionsAreRecordedOrNotDone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		pin := b.pin("support-pin")
		got := b.session(dana, pin)
		sid := b.access(got).SID
		post := func(what string, client app, body any, want int) exchange {
			t.Helper()
			answer := b.api(client, http.MethodPost, "/actions", body)
			if answer.status != want {
				t.Errorf("%s: %d %s, want %d", what, answer.status, answer.body, want)
			}
			return answer
		}
		var first, again struct {
			Seq int64 `json:"seq"`
		}
		started := act(sid, "started")
		post("an action", b.docsAPI(), started, http.StatusCreated).decode(t, &first)
		post("the same again", b.docsAPI(), started, http.StatusOK).decode(t, &again)
		if first.Seq == 0 || first.Seq != again.Seq {
			t.Errorf("an action has seq %d and, sent again, %d", first.Seq, again.Seq)
		}
		post("a refused one", b.docsAPI(), act(sid, "refused"), http.StatusCreated)
		post("another product's", b.metricsAPI(), act(sid, "started"), http.StatusForbidden)
		post("one of no session", b.docsAPI(), act("nobody", "started"), http.StatusForbidden)
		post("an outcome nobody knows", b.docsAPI(), act(sid, "maybe"), http.StatusUnprocessableEntity)
		if answer := b.api(b.settings(), http.MethodPost, "/actions", act(sid, "started")); answer.status != http.StatusForbidden {
			t.Errorf("a client without actions.write: %d %s, want 403", answer.status, answer.body)
		}

		before := time.Now()
		b.revoke(pin)
		b.wantConflict(sid, before)
		post("a refused one after the end", b.docsAPI(), act(sid, "refused"), http.StatusCreated)
		// What was recorded in time is not recorded again, and no leave to act now.
		post("the first again after the end", b.docsAPI(), started, http.StatusConflict)
		b.checkBatch(sid, started)

		record := b.api(b.settings(), http.MethodGet, acme.path()+"/record", nil)
		if n := strings.Count(string(record.body), "document.open"); record.status != http.StatusOK || n != 7 {
			t.Errorf("the record tells of %d actions, want 7: %d %s", n, record.status, record.body)
		}
	})
}

// wantConflict wants an action after the end to be refused with the reason.
func (b *broker) wantConflict(sid string, before time.Time) {
	b.t.Helper()
	answer := b.api(b.docsAPI(), http.MethodPost, "/actions", act(sid, "started"))
	var said struct {
		EndedAt time.Time `json:"ended_at"`
		Cause   string    `json:"cause"`
	}
	answer.decode(b.t, &said)
	if answer.status != http.StatusConflict || said.Cause != "revoked" {
		b.t.Errorf("an action after the end: %d %s, want 409 and cause revoked", answer.status, answer.body)
	}
	if said.EndedAt.Before(before.Add(-time.Second)) || said.EndedAt.After(time.Now().Add(time.Second)) {
		b.t.Errorf("the session ended at %v, which is not when it was revoked", said.EndedAt)
	}
}

// checkBatch reports several at once, each with an answer of its own.
func (b *broker) checkBatch(ended string, old map[string]any) {
	b.t.Helper()
	live := b.access(b.session(agent(1), b.pin("support-pin"))).SID
	batch := []any{act(live, "started"), old, act(ended, "started"), act(ended, "refused"), act("nobody", "started")}
	answer := b.api(b.docsAPI(), http.MethodPost, "/actions", batch)
	var said struct {
		Items []struct {
			Status int    `json:"status"`
			Seq    int64  `json:"seq"`
			Cause  string `json:"cause"`
		} `json:"items"`
	}
	answer.decode(b.t, &said)
	if answer.status != http.StatusOK || len(said.Items) != len(batch) {
		b.t.Fatalf("a batch: %d %s, want 200 with %d answers", answer.status, answer.body, len(batch))
	}
	for i, want := range []int{201, 409, 409, 201, 403} {
		if said.Items[i].Status != want {
			b.t.Errorf("item %d of the batch: %+v, want %d", i, said.Items[i], want)
		}
	}
	if said.Items[2].Cause != "revoked" {
		b.t.Errorf("the late item of the batch says cause %q", said.Items[2].Cause)
	}
}
