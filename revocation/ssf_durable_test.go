package revocation_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/revocation"
)

// TestNothingIsLostWhenNodesStop: what ended while no node gathered events, and
// what was gathered and not taken, comes after any number of restarts, each with
// the same jti, however long ago it was.
func TestNothingIsLostWhenNodesStop(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(false)
		r := n.receiver("docs-api")
		_, endpoint := r.polled()
		want := map[string]int{n.ended(docs): 1}
		first := r.poll(endpoint, object{}) // and does not acknowledge
		n.stop()

		n = p.start(true) // the endings are written, and nobody gathers events
		for range 3 {
			want[n.ended(docs)] = 1
		}
		n.stop()

		for range 3 {
			n = p.start(false)
			n.stop()
		}
		n = p.start(false)
		r.at = n.at
		got := r.take(endpoint, len(want))
		if !maps.Equal(sids(got), want) {
			t.Errorf("after all, %v came, want %v", sids(got), want)
		}
		for jti := range first {
			if got[jti].raw != first[jti].raw {
				t.Error("what was not acknowledged came as another event")
			}
		}
	})
}

// TestAnEndingIsKeptUntilEachStreamHasIt: it is not forgotten for being needed by
// no token any more, and is forgotten after that.
func TestAnEndingIsKeptUntilEachStreamHasIt(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(true)
		r := n.receiver("docs-api")
		_, endpoint := r.polled()
		want := n.ended(docs)
		n.stop()
		// Much later: the store's clock is an hour ahead.
		late, err := store.Open(t.Context(), store.Options{DSN: p.dsn, Secrets: p.secrets, Access: 5 * time.Minute})
		must(t, err)
		late.Close()
		ahead := &ahead{}
		late, err = store.Open(t.Context(), store.Options{DSN: p.dsn, Secrets: p.secrets, Access: 5 * time.Minute, Now: ahead.now})
		must(t, err)
		defer late.Close()
		ahead.by(time.Hour)
		must(t, late.SweepOnce(t.Context()))
		n = p.start(false)
		r.at = n.at
		if got := sids(r.take(endpoint, 1)); got[want] != 1 {
			t.Errorf("an hour later %v comes, want %s", got, want)
		}
		must(t, late.SweepOnce(t.Context()))
		if _, left, err := late.Endings(t.Context(), 0, 10); err != nil || len(left) > 0 {
			t.Errorf("then the log still has %v, %v", left, err)
		}
	})
}

// ahead is a clock that can be put forward.
type ahead struct {
	mu sync.Mutex
	d  time.Duration
}

func (a *ahead) by(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.d = d
}

func (a *ahead) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Add(a.d)
}

// TestManyNodesMakeEachEventOnce, and push it by one of them at a time.
func TestManyNodesMakeEachEventOnce(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		in := newInbox(t)
		p.pushed = []string{in.URL + "/events"}
		nodes := []*node{p.start(false)}
		if strings.HasPrefix(p.dsn, "postgres") { // SQLite has one
			nodes = append(nodes, p.start(false), p.start(false))
		}
		r := nodes[0].receiver("docs-api")
		_, endpoint := r.polled()
		r.stream(in.delivery(""))
		want := map[string]int{}
		for i := range 30 {
			want[nodes[i%len(nodes)].ended(docs)] = 1
		}
		if got := sids(r.take(endpoint, len(want))); !maps.Equal(got, want) {
			t.Errorf("polled: %d sessions, want %d: %v", len(got), len(want), got)
		}
		in.await(t, len(want))
		eventually(t, func() bool { due, err := nodes[0].store.SSFDue(t.Context(), 10); return err == nil && len(due) == 0 })
		got, _ := in.all()
		jtis, pushed := map[string]bool{}, map[string]int{}
		for _, set := range got {
			e := r.open(set)
			if jtis[e.ID] {
				t.Errorf("the event %s was pushed twice, though it was taken", e.ID)
			}
			jtis[e.ID] = true
			pushed[e.Subject.Session.ID]++
		}
		if !maps.Equal(pushed, want) {
			t.Errorf("pushed: %d sessions, want %d", len(pushed), len(want))
		}
	})
}

// TestANodeThatDiesWhilePushing leaves the event to the others, who push the very
// same one.
func TestANodeThatDiesWhilePushing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	in := newInbox(t)
	p.pushed = []string{in.URL + "/events"}
	n := p.start(false)
	r := n.receiver("docs-api")
	r.stream(in.delivery(""))
	dying := make(chan struct{})
	in.say(func(w http.ResponseWriter, r *http.Request, nth int) {
		if nth == 1 {
			close(dying)
			<-r.Context().Done() // it is answered when the node has gone
		}
		w.WriteHeader(http.StatusAccepted)
	})
	n.ended(docs)
	<-dying
	n.stop()
	n = p.start(false)
	got := in.await(t, 2)
	if r.at = n.at; r.open(got[0]).raw != r.open(got[1]).raw {
		t.Errorf("%s\nand then\n%s", r.open(got[0]).raw, r.open(got[1]).raw)
	}
}

// TestAfterARecovery a stream hears of everything that the new epoch begins with,
// as those who follow the log do.
func TestAfterARecovery(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(false)
		r := n.receiver("docs-api")
		_, endpoint := r.polled()
		before := n.ended(docs)
		r.take(endpoint, 1)
		alive := n.session(docs)
		n.stop()
		s, err := store.Open(t.Context(), store.Options{DSN: p.dsn, Secrets: p.secrets, Recover: true, Access: 5 * time.Minute})
		must(t, err)
		_, err = s.Recover(t.Context())
		s.Close()
		must(t, err)
		n = p.start(false)
		r.at = n.at
		if got := sids(r.take(endpoint, 2)); got[before] != 1 || got[alive.ID] != 1 {
			t.Errorf("after a recovery %v comes", got)
		}
	})
}

// TestManyWhoPollAtOnce get the same events, until they are acknowledged.
func TestManyWhoPollAtOnce(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(false)
		r := n.receiver("docs-api")
		_, endpoint := r.polled()
		answers := make([]map[string]event, 20)
		var wait sync.WaitGroup
		for i := range answers {
			wait.Go(func() { answers[i] = r.poll(endpoint, object{}) })
		}
		sid := n.ended(docs)
		wait.Wait()
		for _, got := range answers {
			if sids(got)[sid] != 1 {
				t.Errorf("one who waited gets %v", got)
			}
		}
		if all := slices.Collect(maps.Keys(answers[0])); len(all) != 1 {
			t.Errorf("%d events", len(all))
		}
		var acks sync.WaitGroup
		for range 5 {
			acks.Go(func() { r.poll(endpoint, object{"ack": slices.Collect(maps.Keys(answers[0])), "maxEvents": 0}) })
		}
		acks.Wait()
		if left := r.poll(endpoint, object{"returnImmediately": true}); len(left) != 0 {
			t.Errorf("acknowledged by five at once, there is %v", left)
		}
	})
}

// FuzzPoll: whatever a receiver sends is answered by 200 or 400.
func FuzzPoll(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"maxEvents":0}`, `{"maxEvents":1,"returnImmediately":true,"ack":["a"],"setErrs":{"b":{"err":"x","description":"y"}}}`, `{"ack":null}`, `{`, `[]`, `{"maxEvents":-1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := revocation.ReadPoll(body)
		if err == nil && (in.Max != nil && *in.Max < 0 || len(in.Taken)+len(in.Errors) > 2000) {
			t.Errorf("%q is taken for %s", body, fmt.Sprint(in))
		}
	})
}
