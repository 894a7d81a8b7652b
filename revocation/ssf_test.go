package revocation_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/revocation"
)

// TestAReceiverPolls walks through the life of a stream.
func TestAReceiverPolls(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(false)
		r := n.receiver("docs-api")
		before := n.ended(docs) // a token of it may still live: it is told
		foreign := n.ended(metrics)
		id, endpoint := r.polled()
		if got := sids(r.take(endpoint, 1)); got[before] != 1 || got[foreign] != 0 {
			t.Errorf("at first %v comes, want %s", got, before)
		}
		r.want(204, "verification", r.call(http.MethodPost, r.endpoint("verification_endpoint"), object{"stream_id": id, "state": "state-1"}))
		for _, e := range r.take(endpoint, 1) {
			if e.Audience != "docs-api" || e.Subject.Format != "opaque" || e.Subject.ID != id || e.Events[verification]["state"] != "state-1" {
				t.Errorf("the verification: %s", e.raw)
			}
		}
		s := n.end(n.session(metrics, docs), credentials.CauseRevoked)
		n.ended(metrics)
		list := r.poll(endpoint, object{}) // waits
		if again := r.poll(endpoint, object{"returnImmediately": true}); len(list) != 1 || len(again) != 1 {
			t.Fatalf("%d events, and %d before they are acknowledged", len(list), len(again))
		}
		for _, e := range r.take(endpoint, 1) {
			if list[e.ID].raw != e.raw {
				t.Errorf("another event comes the second time: %s", e.raw)
			}
			checkRevoked(t, n, e, s)
		}
		if left := r.poll(endpoint, object{"returnImmediately": true}); len(left) != 0 {
			t.Errorf("after all: %v", left)
		}
		r.want(204, "deleting", r.call(http.MethodDelete, r.endpoint("configuration_endpoint")+"?stream_id="+id, nil))
		r.want(404, "polling what was deleted", r.call(http.MethodPost, endpoint, object{}))
	})
}

// checkRevoked compares an event with the session that ended.
func checkRevoked(t *testing.T, n *node, e event, s credentials.Session) {
	t.Helper()
	what := e.Events[sessionRevoked]
	if e.Audience != "docs-api" || e.TXN == "" || e.Subject.Format != "complex" || e.Subject.Session.Format != "opaque" || e.Subject.Session.ID != s.ID ||
		e.Subject.User.Format != "iss_sub" || e.Subject.User.Iss != n.issuer || e.Subject.User.Sub != "guest:"+s.Credential+"@"+docs {
		t.Errorf("whose session it was: %s", e.raw)
	}
	if reason, _ := what["reason_admin"].(object); what["event_timestamp"] != float64(s.EndedAt.Unix()) || what["initiating_entity"] != "user" || reason["en"] == "" || reason["en"] == nil {
		t.Errorf("what happened to it: %s", e.raw)
	}
}

// TestEachCauseSaysWhoAndWhy as CAEP wants it said.
func TestEachCauseSaysWhoAndWhy(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	n := p.start(false)
	r := n.receiver("docs-api")
	_, endpoint := r.polled()
	want := map[string]string{}
	for cause, who := range map[credentials.Cause]string{
		credentials.CauseRevoked: "user", credentials.CauseSignedOut: "user", credentials.CauseCancelled: "user",
		credentials.CauseReuse: "policy", credentials.CauseOperator: "admin",
	} {
		want[n.end(n.session(docs), cause).ID] = who
	}
	seen := map[string]bool{}
	for _, e := range r.take(endpoint, len(want)) {
		what := e.Events[sessionRevoked]
		reason, _ := what["reason_admin"].(object)
		why, _ := reason["en"].(string)
		if what["initiating_entity"] != want[e.Subject.Session.ID] || why == "" || seen[why] {
			t.Errorf("%s, want %s", e.raw, want[e.Subject.Session.ID])
		}
		seen[why] = true
	}
}

// TestEventsGoToThoseWhoHeldATokenOnly: two clients of one audience hear of the
// same sessions, each over a stream that no other can touch.
func TestEventsGoToThoseWhoHeldATokenOnly(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(false)
		one, two, other := n.receiver("docs-api"), n.receiver("docs-two"), n.receiver("metrics-api")
		id, first := one.polled()
		_, second := two.polled()
		_, third := other.polled()
		unknown := two.want(201, "creating", two.streams(http.MethodPost, object{"events_requested": []string{"urn:example:unknown"}}))
		want := n.ended(docs)
		nobody, both := n.ended(), n.ended(docs, metrics)
		for name, got := range map[string]map[string]int{"one": sids(one.take(first, 2)), "two": sids(two.take(second, 2))} {
			if got[want] != 1 || got[both] != 1 || got[nobody] != 0 {
				t.Errorf("%s hears of %v", name, got)
			}
		}
		if got := sids(other.take(third, 1)); got[both] != 1 || len(got) != 1 {
			t.Errorf("the other app hears of %v", got)
		}
		if left := other.poll(third, object{"returnImmediately": true}); len(left) != 0 {
			t.Errorf("and of %v", left)
		}
		if left := two.poll(unknown.body["delivery"].(object)["endpoint_url"].(string), object{"returnImmediately": true}); len(left) != 0 {
			t.Errorf("who asked for other events gets %v", left)
		}
		for what, answer := range map[string]said{
			"read":    two.call(http.MethodGet, two.endpoint("configuration_endpoint")+"?stream_id="+id, nil),
			"change":  two.streams(http.MethodPatch, object{"stream_id": id, "description": "mine"}),
			"replace": two.streams(http.MethodPut, object{"stream_id": id}),
			"delete":  two.call(http.MethodDelete, two.endpoint("configuration_endpoint")+"?stream_id="+id, nil),
			"status":  two.call(http.MethodGet, two.endpoint("status_endpoint")+"?stream_id="+id, nil),
			"disable": two.call(http.MethodPost, two.endpoint("status_endpoint"), object{"stream_id": id, "status": "disabled"}),
			"verify":  two.call(http.MethodPost, two.endpoint("verification_endpoint"), object{"stream_id": id}),
			"poll":    two.call(http.MethodPost, first, object{"returnImmediately": true}),
		} {
			if answer.status != 404 {
				t.Errorf("%s another's stream: %d %s", what, answer.status, answer.raw)
			}
		}
	})
}

// TestAPausedStreamHoldsAndADisabledOneDrops (section 8.1.2.1 of the framework).
func TestAPausedStreamHoldsAndADisabledOneDrops(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(false)
		r := n.receiver("docs-api")
		id, endpoint := r.polled()
		_, witness := r.polled()
		set := func(status string) {
			t.Helper()
			answer := r.want(200, status, r.call(http.MethodPost, r.endpoint("status_endpoint"), object{"stream_id": id, "status": status, "reason": "because"}))
			again := r.call(http.MethodGet, r.endpoint("status_endpoint")+"?stream_id="+id, nil)
			if answer.body["status"] != status || again.raw != answer.raw || again.body["reason"] != "because" {
				t.Errorf("%s: %s, then %s", status, answer.raw, again.raw)
			}
		}
		set("paused")
		held := n.ended(docs)
		r.take(witness, 1) // by now it has been gathered
		if got := r.poll(endpoint, object{"returnImmediately": true}); len(got) != 0 {
			t.Errorf("a paused stream gives %v", got)
		}
		set("enabled")
		if got := sids(r.poll(endpoint, object{})); got[held] != 1 {
			t.Errorf("enabled again it gives %v", got)
		}
		set("disabled") // what it held goes
		n.ended(docs)
		r.take(witness, 1)
		answer := r.call(http.MethodPost, r.endpoint("verification_endpoint"), object{"stream_id": id, "state": "x"})
		r.want(400, "verifying a disabled stream", answer)
		set("enabled")
		after := n.ended(docs)
		if got := sids(r.take(endpoint, 1)); got[after] != 1 || len(got) != 1 {
			t.Errorf("after it was disabled it gives %v, want %s", got, after)
		}
	})
}

// TestAStreamThatIsFullIsPausedAndSaysSo: it holds no more than it may, and goes
// on when its receiver wants it to.
func TestAStreamThatIsFullIsPausedAndSaysSo(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(false, func(s *revocation.SSF) { s.Most = 3 })
		r := n.receiver("docs-api")
		id, endpoint := r.polled()
		ended := map[string]bool{}
		for range 5 {
			ended[n.ended(docs)] = true
		}
		status := func() said { return r.call(http.MethodGet, r.endpoint("status_endpoint")+"?stream_id="+id, nil) }
		eventually(t, func() bool { return status().body["status"] == "paused" })
		told := r.take(endpoint, 1)
		for _, e := range told {
			if what := e.Events[streamUpdated]; what["status"] != "paused" || what["reason"] == "" || e.Subject.ID != id {
				t.Errorf("it is told by %s", e.raw)
			}
		}
		gathered := func() bool { behind, err := n.store.SSFBehind(t.Context()); return err == nil && len(behind) == 0 }
		eventually(t, gathered) // or what ended last pauses it anew
		r.want(200, "enabling", r.call(http.MethodPost, r.endpoint("status_endpoint"), object{"stream_id": id, "status": "enabled"}))
		if got := r.poll(endpoint, object{"returnImmediately": true}); len(got) != 3 {
			t.Errorf("it holds %d events, and may hold 3", len(got))
		}
		for sid, times := range sids(r.take(endpoint, 3)) {
			if times != 1 || !ended[sid] {
				t.Errorf("then %s comes %d times", sid, times)
			}
		}
		after := n.ended(docs)
		if got := sids(r.take(endpoint, 1)); got[after] != 1 {
			t.Errorf("then %v", got)
		}
		if !strings.Contains(n.logs.String(), "is paused") {
			t.Error("the log says nothing of it")
		}
	})
}

// TestMoreThanFits: maxEvents is obeyed, and what is left is said.
func TestMoreThanFits(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	n := p.start(false)
	r := n.receiver("docs-api")
	for range 5 {
		n.ended(docs)
	}
	_, endpoint := r.polled()
	_, other := r.polled()
	r.take(other, 5)
	for most, want := range map[int]string{0: "0 true", 2: "2 true", 5: "5 <nil>", 7: "5 <nil>"} {
		answer := r.call(http.MethodPost, endpoint, object{"maxEvents": most, "returnImmediately": true})
		if got := fmt.Sprint(len(answer.body["sets"].(object)), " ", answer.body["moreAvailable"]); got != want {
			t.Errorf("of 5, %d: %s, want %s", most, got, want)
		}
	}
	list := r.poll(endpoint, object{"maxEvents": 1})
	for jti := range list { // refused for good
		r.poll(endpoint, object{"maxEvents": 0, "setErrs": object{jti: object{"err": "invalid_request", "description": "no\nthanks"}}})
		if again := r.poll(endpoint, object{}); len(again) != 4 || again[jti].ID != "" {
			t.Errorf("after an error %d come", len(again))
		}
	}
	if !strings.Contains(n.logs.String(), "invalid_request") {
		t.Error("the log does not say what the receiver cannot take")
	}
}
