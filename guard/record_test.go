package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

const actionsPath = "/api/v1/actions"

func async(c *guard.Config) { c.Record = guard.Async }

func TestNoRecordNoAction(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		for _, status := range []int{500, 503, 404, 422, 429, 302} {
			w.broker.Fail(actionsPath, status)
			w.want(w.request("GET", document, token), 503, "record_failed")
		}
		w.broker.Fail(actionsPath, 403)
		w.want(w.request("GET", document, token), 403, "record_refused")
		w.broker.Fail(actionsPath, 0)
		w.broker.Fail("/token", 500)
		w.broker.ForgetAPITokens()
		w.want(w.request("GET", document, token), 503, "record_failed")
		w.broker.Fail("/token", 0)
		if w.ran.Load() != 0 {
			w.Fatal("it ran without being in the record")
		}
		w.want(w.request("GET", document, token), 200, "")
		w.broker.Pause()
		w.want(w.request("GET", document, token), 503, "record_failed")
		w.broker.Up()
		if w.ran.Load() != 1 {
			w.Fatal("it ran without being in the record")
		}
	})
}

// tardy takes its time for everything about an action, and then wants another token.
type tardy struct{ http.RoundTripper }

func (x tardy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := x.RoundTripper.RoundTrip(r)
	if r.URL.Path == "/token" || r.URL.Path == actionsPath {
		time.Sleep(4 * time.Second)
	}
	if err == nil && r.URL.Path == actionsPath {
		response.StatusCode = http.StatusUnauthorized
	}
	return response, err
}

// TestARequestDoesNotWaitForTheRecordForLong: not for a broker that says nothing, not
// for one that is slow, and no longer than the request's own context lasts.
func TestARequestDoesNotWaitForTheRecordForLong(t *testing.T) {
	for name, c := range map[string]struct {
		slow             bool
		deadline, waited time.Duration
	}{
		"silent":           {false, time.Hour, 10 * time.Second},
		"slow":             {true, time.Hour, 10 * time.Second},
		"with a deadline":  {false, time.Second, time.Second},
		"slow, a deadline": {true, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				token := w.broker.Mint(reader("s1"))
				w.want(w.request("GET", "/undeclared", token), 403, "undeclared_route") // it is known
				if !c.slow {
					w.broker.Pause()
				}
				ctx, cancel := context.WithTimeout(w.Context(), c.deadline)
				defer cancel()
				r := httptest.NewRequestWithContext(ctx, "GET", document, nil)
				r.Header.Set("Authorization", "Bearer "+token)
				begun := time.Now()
				w.want(w.serve(r), 503, "record_failed")
				if took := time.Since(begun); took != c.waited || w.ran.Load() != 0 {
					w.Errorf("answered after %s; the handler ran %d times", took, w.ran.Load())
				}
			}, func(cfg *guard.Config) {
				if c.slow {
					cfg.HTTPClient = &http.Client{Transport: tardy{cfg.HTTPClient.Transport}}
				}
			})
		})
	}
}

// lossy loses the answers to the first reports of actions.
type lossy struct {
	http.RoundTripper
	lose atomic.Int64
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err == nil && r.URL.Path == actionsPath && l.lose.Add(-1) >= 0 {
		response.Body.Close()
		return nil, errors.New("the connection broke")
	}
	return response, err
}

func TestLostAnswerIsAskedForUnderTheSameID(t *testing.T) {
	l := &lossy{}
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		l.lose.Store(1)
		w.want(w.request("GET", document, token), 200, "")
		if len(w.broker.Actions()) != 1 || w.broker.Requests(actionsPath) != 2 {
			w.Fatalf("recorded %v in %d requests", w.broker.Actions(), w.broker.Requests(actionsPath))
		}
		l.lose.Store(2)
		w.want(w.request("GET", document, token), 503, "record_failed")
		if w.ran.Load() != 1 {
			w.Fatal("it ran without being known to be in the record")
		}
	}, func(c *guard.Config) {
		l.RoundTripper = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: l}
	})
}

// TestRecordSaysThatItEnded: the answer of the record ends the session here, also
// where the feed has not said so yet.
func TestRecordSaysThatItEnded(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		s, err := w.g.Verify(w.Context(), token, nil)
		if err != nil {
			w.Fatal(err)
		}
		w.broker.Fail(actionsPath, 409)
		w.want(w.request("GET", document, token), 401, "session_ended")
		<-s.Done()
		w.broker.Fail(actionsPath, 0)
		w.want(w.request("GET", document, token), 401, "session_ended")
		if w.ran.Load() != 0 || w.broker.Requests(actionsPath) != 1 {
			w.Fatal("it ran, or was asked again")
		}
	})
}

// recorded ends a session between the record's answer, which has come whole, and the
// action.
type recorded struct {
	http.RoundTripper
	end func()
}

func (x *recorded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := x.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Path != actionsPath {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	x.end()
	return response, err
}

// TestEndingWhileAnActionIsRecorded: it is in the record, and is not done.
func TestEndingWhileAnActionIsRecorded(t *testing.T) {
	x := &recorded{}
	bubble(t, func(w *world) {
		x.end = func() { w.g.End("s1") }
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 401, "session_ended")
		if w.ran.Load() != 0 || len(w.broker.Actions()) != 1 {
			w.Fatalf("%d ran, recorded %+v", w.ran.Load(), w.broker.Actions())
		}
	}, func(c *guard.Config) {
		x.RoundTripper = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: x}
	})
}

func TestActionsAreNamed(t *testing.T) {
	bubble(t, func(w *world) {
		h := http.HandlerFunc(w.show)
		w.mux.Handle("POST example.com/named", w.g.Require("documents.write", h, guard.Action("Rename\ndocument"),
			guard.Target(func(r *http.Request) string { return "Q3\x00plan " + strings.Repeat("é", 300) })))
		w.mux.Handle("/any/{rest...}", w.g.Require("documents.write", h))
		token := w.broker.Mint(guardtest.Session{Scopes: []string{"documents.write"}})
		w.want(w.request("POST", "http://example.com/named", token), 200, "")
		w.want(w.request("DELETE", "/any/personal-name", token), 200, "")
		w.app = w.g.Wrap(w.g.Require("documents.write", h), nil)
		w.want(w.request("GET", "/personal-name", token), 200, "")
		got := w.broker.Actions()
		if len(got) != 3 || got[0].Action != "Rename document" || !strings.HasPrefix(got[0].Target, "Q3 plan é") || len(got[0].Target) > 500 ||
			got[1].Action != "DELETE /any/{rest...}" || got[2].Action != "GET documents.write" {
			w.Fatalf("%+v", got)
		}
		if got[0].ID == got[1].ID || got[0].ID == "" {
			w.Fatal("ids are not of one action each")
		}
		w.app = w.g.Wrap(w.mux, nil)
		w.want(w.request("POST", "http://example.com/named", w.broker.Mint(reader("s2"))), 403, "insufficient_scope")
		w.settle()
		if got := w.broker.Actions(); len(got) != 4 || got[3].Outcome != "refused" || got[3].Target != "" {
			w.Fatalf("who is refused has chosen what stands in the record: %+v", got)
		}
	})
}

func TestAsyncRecordsSoon(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.broker.Fail(actionsPath, 503)
		for range 250 {
			w.want(w.request("GET", document, token), 200, "")
		}
		w.broker.ForgetRequests()
		w.broker.Fail(actionsPath, 0)
		time.Sleep(20 * time.Second)
		if n := w.broker.Requests(actionsPath); len(w.broker.Actions()) != 250 || n > 5 {
			w.Fatalf("%d actions in %d requests", len(w.broker.Actions()), n)
		}
		w.broker.Fail(actionsPath, 409)
		w.want(w.request("GET", document, token), 200, "")
		synctest.Wait()
		w.broker.Fail(actionsPath, 0)
		w.want(w.request("GET", document, token), 401, "session_ended")
	}, async)
}

// TestFullQueueMeansBefore: what cannot wait is written first; a refused attempt
// that cannot wait is at least in the app's log.
func TestFullQueueMeansBefore(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.broker.Fail(actionsPath, 503)
		for w.g.Queued() < guard.MaxQueue {
			w.want(w.request("GET", document, token), 200, "")
		}
		w.want(w.request("GET", document, token), 503, "record_failed")
		w.want(w.request("GET", "/accounts/other/documents/1", token), 403, "wrong_account")
		if !has(w.log.String(), "a refused attempt is not in the record") {
			w.Fatal("it was lost without a word")
		}
		w.broker.Fail(actionsPath, 0)
		time.Sleep(10 * time.Second)
		if n := len(w.broker.Actions()); n < guard.MaxQueue {
			w.Fatalf("%d actions of %d", n, guard.MaxQueue)
		}
	}, async)
}

func TestOneInvalidActionKeepsNoOtherOut(t *testing.T) {
	bubble(t, func(w *world) {
		w.broker.Fail(actionsPath, 422)
		token := w.broker.Mint(reader("s1"))
		for range 3 {
			w.want(w.request("GET", "/accounts/other/documents/1", token), 403, "wrong_account")
		}
		time.Sleep(10 * time.Second)
		if w.g.Queued() != 0 || !has(w.log.String(), "an action was not recorded") {
			w.Fatal("they wait, or were lost without a word")
		}
	})
}

func TestCloseWritesWhatIsLeft(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.broker.Fail(actionsPath, 503)
		for range 150 {
			w.want(w.request("GET", document, token), 200, "")
		}
		w.broker.Fail(actionsPath, 0)
		w.broker.ForgetAPITokens() // even when another one is needed for it
		w.g.Close()
		if n := len(w.broker.Actions()); n != 150 {
			w.Fatalf("%d actions of 150", n)
		}
		w.want(w.request("GET", document, token), 503, "unknown_freshness")
	}, async)
}

func TestCloseSaysWhatItCouldNotWrite(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.broker.Fail(actionsPath, 503)
		w.want(w.request("GET", document, token), 200, "")
		w.broker.Pause()
		begun := time.Now()
		w.g.Close()
		if took := time.Since(begun); took > 12*time.Second || !has(w.log.String(), "actions are not in the record", "actions=1") {
			w.Fatalf("closed after %s\n%s", took, w.log)
		}
	}, async)
}

func TestCloseEndsEverything(t *testing.T) {
	// That nothing is left running is what the bubble itself checks at its end.
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		s, err := w.g.Verify(w.Context(), token, nil)
		if err != nil {
			w.Fatal(err)
		}
		for i := range 20 { // with work of all kinds going on
			go w.request("GET", document, w.broker.Mint(reader(fmt.Sprint("r", i))))
		}
		w.g.Close()
		<-s.Done()
		w.want(w.request("GET", document, token), 503, "unknown_freshness")
		w.want(w.request("GET", document, w.broker.Mint(reader("s2"))), 503, "unknown_freshness")
		if w.g.Live(w.Context(), "s1") == nil {
			w.Fatal("a session is alive")
		}
		if err := w.g.Close(); err != nil {
			w.Fatal(err)
		}
	})
}
