package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestEndingsAreStreamed follows the feed through a replay, an ending, a resumed
// place, and places that do not exist.
func TestEndingsAreStreamed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		before := b.session(dana, b.pin("support-pin"))
		b.revokeAll()
		f := b.follow(b.docsAPI(), "", "instance", "one", "max_staleness", "5s")
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
			if got := f.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		first, said := f.ended()
		if said.SID != b.access(before).SID || said.Cause != "revoked" || said.Credential == "" || first.id == "" {
			t.Errorf("the replay begins with %+v %+v", first, said)
		}
		if now := f.fresh(); now.Seq != said.Seq {
			t.Errorf("fresh up to %d, want %d", now.Seq, said.Seq)
		}

		// Another product's app learns that a session ended, and no more.
		foreign := b.follow(b.metricsAPI(), "")
		if _, told := foreign.ended(); told.SID != said.SID || told.Cause != "" || told.Credential != "" {
			t.Errorf("another audience is told %+v", told)
		}

		got := b.session(sam, b.pin("support-pin"))
		sid := b.access(got).SID
		b.revokeAll()
		second, live := f.ended()
		if live.SID != sid || live.Seq != said.Seq+1 || time.Since(live.EndedAt) > patience {
			t.Errorf("the live ending is %+v after %+v", live, said)
		}

		resumed := b.follow(b.docsAPI(), first.id)
		if e, after := resumed.ended(); e.id != second.id || after.SID != sid {
			t.Errorf("from %s on the stream says %+v", first.id, e)
		}
		if now := b.follow(b.docsAPI(), second.id).fresh(); now.Seq != live.Seq {
			t.Errorf("from the end on it is fresh up to %d", now.Seq)
		}
		epoch, _, _ := strings.Cut(second.id, "-"+strconv.FormatInt(live.Seq, 10))
		for what, id := range map[string]string{
			"of another epoch": "other-1", "from the future": fmt.Sprintf("%s-%d", epoch, live.Seq+1), "that is none": "x",
		} {
			again := b.follow(b.docsAPI(), id)
			again.next("reset")
			if _, told := again.ended("keys"); told.SID != said.SID {
				t.Errorf("a cursor %s: the replay begins with %+v", what, told)
			}
			again.stop()
		}
		b.stop()
		hinted := false
		for e := range f.events {
			hinted = hinted || e.retry != ""
		}
		if !hinted {
			t.Error("a node that shuts down gives no hint when to come back")
		}
	})
}

func TestWhoMayFollowEndings(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.SQLite(t))
	for what, c := range map[string]struct {
		target, bearer string
		status         int
	}{
		"nobody":                  {"/api/v1/endings", "", http.StatusUnauthorized},
		"a support token":         {"/api/v1/endings", b.session(dana, b.pin("support-pin")).Access, http.StatusUnauthorized},
		"another scope":           {"/api/v1/endings", b.apiToken(b.settings()), http.StatusForbidden},
		"an instance of no name":  {"/api/v1/endings?instance=", b.apiToken(b.docsAPI()), http.StatusBadRequest},
		"a long one":              {"/api/v1/endings?instance=" + strings.Repeat("x", 101), b.apiToken(b.docsAPI()), http.StatusBadRequest},
		"a control character":     {"/api/v1/endings?instance=a%0ab", b.apiToken(b.docsAPI()), http.StatusBadRequest},
		"a staleness of a day":    {"/api/v1/endings?max_staleness=24h", b.apiToken(b.docsAPI()), http.StatusBadRequest},
		"a staleness of nothing":  {"/api/v1/endings?max_staleness=0", b.apiToken(b.docsAPI()), http.StatusBadRequest},
		"a parameter of nobody's": {"/api/v1/endings?since=1", b.apiToken(b.docsAPI()), http.StatusBadRequest},
		"a token in the query":    {"/api/v1/endings?access_token=x", b.apiToken(b.docsAPI()), http.StatusBadRequest},
	} {
		if got := b.get(c.target, c.bearer); got.status != c.status || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s, want %d", what, got.status, got.header.Get("Content-Type"), got.body, c.status)
		}
	}
}

// TestReceipts: what an app acknowledges is in the record once, and the API says
// how long it took.
func TestReceipts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		one, two := b.follow(b.docsAPI(), "", "instance", "one"), b.follow(b.docsAPI(), "", "instance", "two")
		got := b.session(dana, b.pin("support-pin"))
		sid := b.access(got).SID
		b.revokeAll()
		at, _ := one.ended()
		two.ended()
		ack := func(id, instance string) exchange {
			t.Helper()
			return b.api(b.docsAPI(), http.MethodPost, "/endings/ack", map[string]any{"instance": instance, "id": id, "age_ms": 3})
		}
		if a := ack(at.id, "one"); a.status != http.StatusNoContent {
			t.Fatalf("an acknowledgement: %d %s", a.status, a.body)
		}
		if n := b.receipts(sid); n != 0 {
			t.Errorf("%d receipts while one of two instances has said nothing", n)
		}
		for range 2 {
			if a := ack(at.id, "two"); a.status != http.StatusNoContent {
				t.Fatalf("an acknowledgement: %d %s", a.status, a.body)
			}
		}
		b.eventually("the receipt is in the record", func() bool { return b.receipts(sid) == 1 })
		var listed struct {
			Items []struct {
				SID  string `json:"sid"`
				Apps []struct {
					Client    string     `json:"client"`
					Enforces  string     `json:"enforces"`
					AppliedAt *time.Time `json:"applied_at"`
					AfterMS   *int64     `json:"after_ms"`
					RefusesBy time.Time  `json:"refuses_by"`
				} `json:"apps"`
			} `json:"items"`
		}
		b.api(b.settings(), http.MethodGet, "/accounts/"+acme.id+"/sessions", nil).decode(t, &listed)
		if len(listed.Items) != 1 || len(listed.Items[0].Apps) != 1 {
			t.Fatalf("the API lists %+v", listed)
		}
		if a := listed.Items[0].Apps[0]; a.Client != "docs" || a.Enforces != "guard" || a.AppliedAt == nil || a.AfterMS == nil || !a.RefusesBy.Equal(*a.AppliedAt) {
			t.Errorf("the API says of the app: %+v", a)
		}
		for what, id := range map[string]string{"another epoch": "other-1", "the future": at.id + "0"} {
			if a := ack(id, "one"); a.status != http.StatusConflict {
				t.Errorf("%s is acknowledged: %d %s", what, a.status, a.body)
			}
		}
		if a := ack("x", "one"); a.status != http.StatusUnprocessableEntity {
			t.Errorf("an id that is none: %d %s", a.status, a.body)
		}
		if a := b.api(b.settings(), http.MethodPost, "/endings/ack", map[string]any{"instance": "one", "id": at.id}); a.status != http.StatusForbidden {
			t.Errorf("a client without endings.read: %d %s", a.status, a.body)
		}
	})
}

// TestEndingsReachEveryNode: what one node commits, the other pushes.
func TestEndingsReachEveryNode(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.Postgres(t))
	second := b.sibling()
	f := second.follow(b.docsAPI(), "")
	f.fresh()
	got := b.session(dana, b.pin("support-pin"))
	b.revokeAll()
	if _, told := f.ended(); told.SID != b.access(got).SID {
		t.Errorf("the other node pushes %+v", told)
	}
	second.kill()
	if _, more := <-f.events; more {
		for range f.events {
		}
	}
}
