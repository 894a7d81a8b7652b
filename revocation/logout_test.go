package revocation_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/revocation"
)

const delivered, failed, givenUp = revocation.Delivered, revocation.Failed, revocation.GivenUp

// TestEachAppIsCalledBackOnce: a 2xx is the receipt of an app that learns of
// endings that way, and of no other.
func TestEachAppIsCalledBackOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := newOffice(t, dsn, map[string]credentials.Enforces{"docs": credentials.ByLogout, "files": credentials.ByGuard, "notes": credentials.ByNothing})
		docs, files := newApp(t, status(http.StatusNoContent)), newApp(t, status(http.StatusOK))
		j := o.run(o.store, map[string]string{"docs": docs.URL + "/bye", "files": files.URL, "notes": "http://127.0.0.1:1/never"}, nil)
		s, other := o.enter(), o.enter()
		o.end(s)
		j.await(t, delivered, delivered)
		for client, a := range map[string]*app{"docs": docs, "files": files} {
			if got := a.tokens(); len(got) != 1 || !strings.HasPrefix(got[0], "token of "+s.ID+" for "+client+" ") {
				t.Errorf("%s was sent %q", client, got)
			}
		}
		if got := o.receipts(); !slices.Equal(got, []string{s.ID + " docs logout"}) {
			t.Errorf("the record says %q", got)
		}
		o.end(other)
		j.await(t, delivered, delivered)
		j.halt(t)
		if got := o.receipts(); len(got) != 2 || o.pending() != 0 {
			t.Errorf("the record says %q, %d calls are left", got, o.pending())
		}
	})
}

// TestABadAppDelaysNobody: one that never answers has all the calls it may have
// under way; one sends the broker elsewhere, which it does not follow; one
// sends an endless reply.
func TestABadAppDelaysNobody(t *testing.T) {
	t.Parallel()
	const sessions = 40
	o := newOffice(t, storetest.SQLite(t), map[string]credentials.Enforces{
		"good": credentials.ByLogout, "hangs": credentials.ByLogout, "redirects": credentials.ByLogout, "endless": credentials.ByLogout})
	let, all := make(chan struct{}), make(chan struct{})
	hangs := &hanging{let: let}
	var led atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { led.Add(1) }))
	defer elsewhere.Close()
	redirects := newApp(t, func(n int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect}[n%3])
	})
	endless := newApp(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		for n := 0; r.Context().Err() == nil; n++ {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
			if n > 1000 {
				t.Error("an endless reply is read")
				return
			}
		}
	})
	good := newApp(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == sessions {
			close(all)
		}
		w.WriteHeader(http.StatusOK)
	})
	for range sessions {
		o.end(o.enter())
	}
	j := o.run(o.store, map[string]string{"good": good.URL, "hangs": "https://hangs.example/bye", "redirects": redirects.URL, "endless": endless.URL}, hangs)
	select {
	case <-all:
	case <-time.After(patience):
		t.Fatalf("the good app was sent %d of %d", len(good.tokens()), sessions)
	}
	for len(o.receiptsOf("good")) < sessions || len(o.receiptsOf("endless")) < sessions {
		<-j.outcomes
	}
	close(let)
	for len(o.receiptsOf("hangs")) < sessions {
		<-j.outcomes
	}
	j.halt(t)
	if hangs.most > 16 {
		t.Errorf("%d calls to one app at once", hangs.most)
	}
	if led.Load() != 0 || len(o.receiptsOf("redirects")) != 0 || len(redirects.tokens()) == 0 {
		t.Errorf("the redirect was followed %d times and is a receipt %d times", led.Load(), len(o.receiptsOf("redirects")))
	}
}

// hanging is a network in which one app does not answer before it is let, not
// even by a time-out.
type hanging struct {
	let      chan struct{}
	mu       sync.Mutex
	in, most int
}

// RoundTrip implements http.RoundTripper.
func (h *hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "hangs.example" {
		return http.DefaultTransport.RoundTrip(r)
	}
	h.count(1)
	defer h.count(-1)
	<-h.let
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

func (h *hanging) count(by int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.in += by
	h.most = max(h.most, h.in)
}

// receiptsOf are those of one app.
func (o *office) receiptsOf(client string) []string {
	o.t.Helper()
	return slices.DeleteFunc(o.receipts(), func(r string) bool { return !strings.Contains(r, " "+client+" ") })
}

// tries is an app over no network: it notes when it was called.
type tries struct {
	from  time.Time
	at    []time.Duration
	reply func(n int, r *http.Request) (int, error)
}

// RoundTrip implements http.RoundTripper.
func (a *tries) RoundTrip(r *http.Request) (*http.Response, error) {
	a.at = append(a.at, time.Since(a.from))
	code, err := a.reply(len(a.at), r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

func seconds(list ...float64) (out []time.Duration) {
	for _, s := range list {
		out = append(out, time.Duration(s*float64(time.Second)))
	}
	return out
}

// TestTheScheduleOfTries is that of the standard's apps: fast at first, patient
// then, and no longer than a token could live.
func TestTheScheduleOfTries(t *testing.T) {
	refuse := func(code int) func(int, *http.Request) (int, error) {
		return func(int, *http.Request) (int, error) { return code, nil }
	}
	for name, c := range map[string]struct {
		left  time.Duration // of the session when it ends
		reply func(n int, r *http.Request) (int, error)
		want  []time.Duration
		last  string
	}{
		"it fails for ever":       {27 * time.Second, refuse(503), seconds(0, .2, .5, 1, 2, 5, 10, 15, 20, 25), givenUp},
		"it does not know of it":  {12 * time.Second, refuse(404), seconds(0, .2, .5, 1, 2, 5, 10), givenUp},
		"it cannot be reached":    {12 * time.Second, func(int, *http.Request) (int, error) { return 0, errors.New("refused") }, seconds(0, .2, .5, 1, 2, 5, 10), givenUp},
		"it redirects":            {4 * time.Second, refuse(302), seconds(0, .2, .5, 1, 2, 5), givenUp},
		"the session is over too": {0, refuse(500), seconds(0, .2, .5, 1, 2, 5), givenUp},
		"it is there at once":     {time.Hour, refuse(204), seconds(0), delivered},
		"it fails seven times": {time.Hour, func(n int, _ *http.Request) (int, error) {
			if n <= 7 {
				return 500, nil
			}
			return 202, nil
		}, seconds(0, .2, .5, 1, 2, 5, 10, 15), delivered},
		"it does not answer": {12 * time.Second, func(_ int, r *http.Request) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		}, seconds(0, 5, 10, 15, 20, 25), givenUp},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "valetkey")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(dir) }()
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, "sqlite:"+dir+"/valetkey.db", map[string]credentials.Enforces{"docs": credentials.ByLogout})
				s := o.enter()
				time.Sleep(time.Hour - c.left)
				o.end(s)
				app := &tries{from: time.Now(), reply: c.reply}
				j := o.run(o.store, map[string]string{"docs": "https://docs.example/bye"}, app)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				j.halt(t)
				if !slices.Equal(app.at, c.want) {
					t.Errorf("called at %v, want %v", app.at, c.want)
				}
				if o.pending() != 0 || (len(o.receipts()) == 1) != (c.last == delivered) {
					t.Errorf("%d calls are left, the record says %q", o.pending(), o.receipts())
				}
				for range len(c.want) - 1 {
					j.await(t, failed)
				}
				j.await(t, c.last)
				o.store.Close()
			})
		})
	}
}

// TestNothingIsLostWithANode: it dies before the first try, between tries, and
// while a call is under way; the next one goes on.
func TestNothingIsLostWithANode(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "sqlite:"+dir+"/valetkey.db", map[string]credentials.Enforces{"docs": credentials.ByLogout})
		s := o.enter()
		o.end(s)
		o.store.Close() // before the first try

		next := func() *store.Store { o.store = o.open(); return o.store }
		app := &tries{from: time.Now(), reply: func(int, *http.Request) (int, error) { return 500, nil }}
		j := o.run(next(), map[string]string{"docs": "https://docs.example/bye"}, app)
		j.await(t, failed, failed, failed)
		j.halt(t)
		o.store.Close() // between tries

		claimed, err := next().ClaimLogouts(t.Context(), "docs", 15*time.Second, 1)
		if err != nil || len(claimed) != 0 {
			t.Fatalf("it is due at once: %v, %v", claimed, err)
		}
		time.Sleep(time.Second)
		if claimed, err = o.store.ClaimLogouts(t.Context(), "docs", 15*time.Second, 1); err != nil || len(claimed) != 1 || claimed[0].Tries != 4 {
			t.Fatalf("the fourth try: %+v, %v", claimed, err)
		}
		o.store.Close() // while the call is under way

		app = &tries{from: time.Now(), reply: func(int, *http.Request) (int, error) { return 200, nil }}
		j = o.run(next(), map[string]string{"docs": "https://docs.example/bye"}, app)
		j.await(t, delivered)
		j.halt(t)
		if !slices.Equal(app.at, seconds(15)) || o.pending() != 0 || len(o.receipts()) != 1 {
			t.Errorf("called at %v, %d left, the record says %q", app.at, o.pending(), o.receipts())
		}
		o.store.Close()
	})
}

// TestWhatIsUnderWayComesToItsEnd before the job does.
func TestWhatIsUnderWayComesToItsEnd(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storetest.SQLite(t), map[string]credentials.Enforces{"docs": credentials.ByLogout})
	came, let := make(chan struct{}), make(chan struct{})
	docs := newApp(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		close(came)
		<-let
		w.WriteHeader(http.StatusNoContent)
	})
	j := o.run(o.store, map[string]string{"docs": docs.URL}, nil)
	o.end(o.enter())
	<-came
	j.stop()
	select {
	case <-j.ended:
		t.Error("the job ended before its call")
	default:
	}
	close(let)
	if err := <-j.ended; err != nil || len(o.receipts()) != 1 || o.pending() != 0 {
		t.Errorf("%v; %d left, the record says %q", err, o.pending(), o.receipts())
	}
}

// TestTwoNodesShareTheCalls: each app is called once for each ending, by one of
// them, with a token of its own each time.
func TestTwoNodesShareTheCalls(t *testing.T) {
	t.Parallel()
	const sessions = 150
	o := newOffice(t, storetest.Postgres(t), map[string]credentials.Enforces{"docs": credentials.ByLogout, "files": credentials.ByLogout})
	docs, files := newApp(t, status(http.StatusNoContent)), newApp(t, status(http.StatusNoContent))
	uris := map[string]string{"docs": docs.URL, "files": files.URL}
	nodes := []*job{o.run(o.store, uris, nil), o.run(o.open(), uris, nil)}
	for range sessions {
		o.end(o.enter())
	}
	for range 2 * sessions {
		select {
		case got := <-nodes[0].outcomes:
			if got != delivered {
				t.Error(got)
			}
		case got := <-nodes[1].outcomes:
			if got != delivered {
				t.Error(got)
			}
		case <-time.After(patience):
			t.Fatal("not all calls were made")
		}
	}
	for _, j := range nodes {
		j.halt(t)
	}
	for name, a := range map[string]*app{"docs": docs, "files": files} {
		seen := map[string]bool{}
		for _, token := range a.tokens() {
			sid := strings.Fields(token)[2]
			if seen[sid] {
				t.Errorf("%s was called twice for %s", name, sid)
			}
			seen[sid] = true
		}
		if len(seen) != sessions {
			t.Errorf("%s was called for %d endings", name, len(seen))
		}
	}
	if got := o.receipts(); len(got) != 2*sessions || len(slices.Compact(got)) != 2*sessions || o.pending() != 0 {
		t.Errorf("%d entries, %d calls left", len(got), o.pending())
	}
}

// TestAWakeIsEnough: where somebody says that there is something new, nobody
// waits for the next look.
func TestAWakeIsEnough(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "sqlite:"+dir+"/valetkey.db", map[string]credentials.Enforces{"docs": credentials.ByLogout})
		s := o.enter()
		woken := make(chan struct{})
		app := &tries{reply: func(int, *http.Request) (int, error) { return 200, nil }}
		run := o.run(o.store, map[string]string{"docs": "https://docs.example/bye"}, app, func(l *revocation.Logouts) { l.Wake = func() <-chan struct{} { return woken } })
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		app.from = time.Now()
		o.end(s)
		close(woken)
		run.await(t, delivered)
		if app.at[0] != 0 {
			t.Errorf("called after %v", app.at[0])
		}
		run.halt(t)
		o.store.Close()
	})
}
