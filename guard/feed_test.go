package guard_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// cursors notes what each stream asked to go on from.
type cursors struct {
	http.RoundTripper
	mu   sync.Mutex
	seen []string
}

func (c *cursors) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/api/v1/endings" {
		c.mu.Lock()
		c.seen = append(c.seen, r.Header.Get("Last-Event-ID"))
		c.mu.Unlock()
	}
	return c.RoundTripper.RoundTrip(r)
}

func (c *cursors) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.seen...)
}

func (c *cursors) change(cfg *guard.Config) {
	c.RoundTripper = cfg.HTTPClient.Transport
	cfg.HTTPClient = &http.Client{Transport: c}
}

// ends ends a session and says whether its tokens are refused at once, without
// the broker being asked.
func (w *world) ends(id string) {
	w.Helper()
	token := w.broker.Mint(reader(id))
	w.want(w.request("GET", document, token), 200, "")
	w.broker.End(id, "revoked")
	synctest.Wait()
	w.want(w.request("GET", document, token), 401, "session_ended")
}

func TestStreamIsRenewedWithoutAGap(t *testing.T) {
	c := &cursors{}
	bubbleWith(t, []guardtest.Option{guardtest.APITokenLife(time.Minute)}, func(w *world) {
		for i := range 400 {
			if !w.g.Fresh() {
				w.Fatalf("after %d s the endings were not known\n%s", i, w.log)
			}
			w.ends(fmt.Sprint("s", i))
			time.Sleep(time.Second)
		}
		if n := len(c.all()); n < 7 || n > 11 {
			w.Fatalf("%d streams in 400 s, with bearers of 60 s: %v", n, c.all())
		}
		if w.broker.Requests("/introspect") > 0 || has(w.log.String(), "stream of endings ended") {
			w.Fatal("a stream ended before the next was there\n" + w.log.String())
		}
	}, c.change)
}

func TestStreamResumesWhereItWasCut(t *testing.T) {
	c := &cursors{}
	bubble(t, func(w *world) {
		w.ends("s1")
		at, tokens := w.broker.Position(), map[string]string{}
		for i := range 3 {
			id := fmt.Sprint("cut-", i)
			tokens[id] = w.broker.Mint(reader(id))
			w.want(w.request("GET", document, tokens[id]), 200, "")
		}
		w.broker.Down()
		synctest.Wait()
		for id := range tokens {
			w.broker.End(id, "revoked")
		}
		w.broker.Up()
		time.Sleep(time.Second)
		for _, token := range tokens {
			w.want(w.request("GET", document, token), 401, "session_ended")
		}
		if got := c.all(); len(got) < 2 || got[0] != "" || got[len(got)-1] != at {
			w.Fatalf("the streams began at %q, want the last at %q", got, at)
		}
	}, c.change)
}

func TestResetForgetsTheCursorAndNoEnding(t *testing.T) {
	c := &cursors{}
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s0"))
		w.broker.End("s0", "revoked")
		w.ends("s1")
		old := w.broker.Position()
		w.broker.Reset()
		time.Sleep(time.Second)
		w.want(w.request("GET", document, token), 401, "session_ended")
		w.ends("s2")
		w.broker.Down()
		synctest.Wait()
		at := w.broker.Position()
		w.broker.Up()
		time.Sleep(time.Second)
		if got := c.all(); len(got) < 3 || got[1] != old || got[len(got)-1] != at {
			w.Fatalf("the streams began at %q, want %q and then %q", got, old, at)
		}
		if acks := w.broker.Acks(); acks[len(acks)-1].ID != at {
			w.Fatalf("acknowledged %v, want %s", acks, at)
		}
	}, c.change)
}

// TestResetWithinAnEpoch: a place that was forgotten is not asked for again.
func TestResetWithinAnEpoch(t *testing.T) {
	c := &cursors{}
	bubble(t, func(w *world) {
		w.ends("s1")
		w.broker.Emit("event: reset\ndata: {}\n\n")
		time.Sleep(3 * time.Second)
		w.broker.Down()
		synctest.Wait()
		w.broker.Up()
		time.Sleep(time.Second)
		if got := c.all(); len(got) != 2 || got[1] != "" {
			w.Fatalf("the streams began at %q", got)
		}
	}, c.change)
}

func TestWhatIsNotUnderstoodMeansAsking(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown event":            "event: narrowed\ndata: {}\n\n",
		"an ending without a session": "event: ended\nid: a-1\ndata: {}\n\n",
		"an ending without an id":     "event: ended\ndata: {\"sid\":\"x\"}\n\n",
		"an ending that is no JSON":   "event: ended\nid: a-1\ndata: {\n\n",
		"a confirmation of nothing":   "event: fresh\ndata: {}\n\n",
		"a confirmation of the past":  "event: fresh\ndata: {\"seq\":1,\"since_open_ms\":-5}\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, []guardtest.Option{guardtest.APITokenLife(time.Minute)}, func(w *world) {
				token := w.broker.Mint(reader("s1"))
				w.want(w.request("GET", document, token), 200, "")
				w.broker.Emit(text)
				time.Sleep(7 * time.Second) // with three confirmations that are not believed
				for i := range 3 {
					w.want(w.request("GET", document, token), 200, "")
					if n := w.broker.Requests("/introspect"); n != i+1 {
						w.Fatalf("%d introspections after %d requests", n, i+1)
					}
				}
				time.Sleep(time.Minute) // the next connection
				asked := w.broker.Requests("/introspect")
				w.want(w.request("GET", document, token), 200, "")
				if !w.g.Fresh() || w.broker.Requests("/introspect") != asked {
					w.Fatal("another connection did not help\n" + w.log.String())
				}
			})
		})
	}
}

func TestStreamThatIsNoneIsLeft(t *testing.T) {
	for name, text := range map[string]string{
		"a long line":  "data: " + string(make([]byte, 5<<10)) + "\n\n",
		"a long event": string(make([]byte, 0)) + repeat("data: 0123456789012345678901234567890123456789\n", 500) + "\n",
		"a lone CR":    "data: a\rb\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.broker.Emit(text)
				time.Sleep(time.Second)
				if n := w.broker.Requests("/api/v1/endings"); n != 2 || !w.g.Fresh() {
					w.Fatalf("%d streams, want another one\n%s", n, w.log)
				}
				w.ends("s1")
			})
		})
	}
}

func TestRetryIsHonoured(t *testing.T) {
	bubble(t, func(w *world) {
		w.broker.Emit("retry: 30000\n\n")
		synctest.Wait()
		w.broker.Down()
		synctest.Wait()
		w.broker.Up()
		time.Sleep(29 * time.Second)
		if n := w.broker.Requests("/api/v1/endings"); n != 1 {
			w.Fatalf("%d streams before the time that the broker asked for", n)
		}
		time.Sleep(2 * time.Second)
		if n := w.broker.Requests("/api/v1/endings"); n != 2 || !w.g.Fresh() {
			w.Fatalf("%d streams after it", n)
		}
	})
}

// TestACrowdDoesNotComeBackAtOneMoment: a node that died has told all of its apps to
// wait for equally long.
func TestACrowdDoesNotComeBackAtOneMoment(t *testing.T) {
	bubble(t, func(w *world) {
		waits := map[time.Duration]bool{}
		for n := 1; n <= 12; n++ {
			w.broker.Emit("retry: 1000\n\n")
			synctest.Wait()
			w.broker.Down()
			synctest.Wait()
			w.broker.Up()
			begun := time.Now()
			for w.broker.Requests("/api/v1/endings") == n {
				time.Sleep(10 * time.Millisecond)
			}
			waits[time.Since(begun)] = true
			if waited := time.Since(begun); waited < time.Second || waited > 2*time.Second {
				w.Errorf("it came back after %s", waited)
			}
			time.Sleep(time.Second)
		}
		if len(waits) < 4 {
			w.Errorf("12 times it waited for one of %v", waits)
		}
	})
}

func TestRefusedAPITokenIsReplaced(t *testing.T) {
	bubble(t, func(w *world) {
		w.broker.ForgetAPITokens()
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		w.broker.ForgetAPITokens()
		w.broker.Down()
		synctest.Wait()
		w.broker.Up()
		time.Sleep(2 * time.Second)
		w.ends("s2")
	})
}

func TestBrokerThatIsNotThereAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := guardtest.New(t, guardtest.InMemory())
		broker.Down()
		w := newWorld(t, broker)
		token := broker.Mint(reader("s1"))
		w.settle()
		r := w.request("GET", document, token)
		w.want(r, 503, "unknown_freshness")
		if r.Header().Get("Retry-After") == "" {
			t.Fatal("no Retry-After")
		}
		w.want(w.request("GET", document, ""), 200, "") // customers notice nothing
		broker.Up()
		time.Sleep(6 * time.Second)
		w.want(w.request("GET", document, token), 200, "")
		w.ends("s1")
	})
}

// TestConfirmationFromTheFuture: a node whose time runs faster than ours cannot say
// how fresh anything is.
func TestConfirmationFromTheFuture(t *testing.T) {
	bubble(t, func(w *world) {
		w.broker.Emit("event: fresh\ndata: {\"seq\":0,\"since_open_ms\":60000}\n\n")
		time.Sleep(2 * time.Second)
		if n := w.broker.Requests("/api/v1/endings"); n != 2 {
			w.Fatalf("%d streams, want another", n)
		}
	})
}

func TestBlackHoleIsLeft(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		w.broker.Pause()
		w.broker.End("s1", "revoked")
		time.Sleep(13 * time.Second) // MaxStaleness, and how old it was already
		w.want(w.request("GET", document, token), 503, "unknown_freshness")
		w.broker.Up()
		time.Sleep(6 * time.Second)
		w.want(w.request("GET", document, token), 401, "session_ended")
	})
}

func TestReceipts(t *testing.T) {
	bubble(t, func(w *world) {
		if n := len(w.broker.Acks()); n != 0 {
			w.Fatalf("%d receipts for nothing", n)
		}
		begun := time.Now()
		w.broker.End("s0", "revoked")
		time.Sleep(250 * time.Millisecond)
		acks := w.broker.Acks()
		if len(acks) != 1 || acks[0].ID != w.broker.Position() || acks[0].Instance != "app-1" ||
			acks[0].Age < 25*time.Millisecond || acks[0].Age != acks[0].At.Sub(begun).Truncate(time.Millisecond) {
			w.Fatalf("%+v after %s, want one receipt that says how old it is", acks, begun)
		}
		for i := range 100 {
			w.broker.End(fmt.Sprint("s", i+1), "revoked")
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(300 * time.Millisecond)
		if acks = w.broker.Acks(); len(acks) > 5 || acks[len(acks)-1].ID != w.broker.Position() {
			w.Fatalf("%d receipts for 101 endings in half a second, the last %v, at %s", len(acks), acks[len(acks)-1], w.broker.Position())
		}
		w.broker.Fail("/api/v1/endings/ack", 503)
		w.broker.End("late", "revoked")
		time.Sleep(400 * time.Millisecond)
		w.broker.Fail("/api/v1/endings/ack", 0)
		time.Sleep(10 * time.Second)
		last := w.broker.Acks()[len(w.broker.Acks())-1]
		if last.ID != w.broker.Position() || last.Age < 400*time.Millisecond || last.Age > 10*time.Second {
			w.Fatalf("%+v: a receipt that was not taken is to be sent again, and say how old it is", last)
		}
		sent := w.broker.Requests("/api/v1/endings/ack")
		time.Sleep(time.Minute)
		if n := w.broker.Requests("/api/v1/endings/ack"); n != sent {
			w.Fatalf("what was taken was sent %d times more", n-sent)
		}
	})
}

func TestReceiptAfterAReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := guardtest.New(t, guardtest.InMemory())
		for i := range 50 {
			broker.End(fmt.Sprint("s", i), "revoked")
		}
		w := newWorld(t, broker)
		w.settle()
		time.Sleep(time.Second)
		acks := broker.Acks()
		if w.g.Ended() != 50 || len(acks) == 0 || len(acks) > 3 || acks[len(acks)-1].ID != broker.Position() {
			t.Fatalf("%d endings applied, receipts %v", w.g.Ended(), acks)
		}
		broker.Down() // and after a replay of nothing
		synctest.Wait()
		broker.Up()
		time.Sleep(time.Second)
		if again := broker.Acks(); len(again) != len(acks)+1 || again[len(acks)].ID != broker.Position() {
			t.Fatalf("receipts %v", again)
		}
	})
}

func repeat(text string, n int) (out string) {
	for range n {
		out += text
	}
	return out
}
