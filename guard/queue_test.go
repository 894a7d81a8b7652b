package guard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// failing has the broker answer single actions of a batch with a status, as when its
// database fails in the midst of one, without having recorded them.
type failing struct {
	next   http.RoundTripper
	fails  func(action string) bool
	status atomic.Int64
}

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	status := f.status.Load()
	if r.URL.Path != actionsPath || status == 0 {
		return f.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	var posted struct {
		Actions []map[string]any `json:"actions"`
	}
	if err != nil || json.Unmarshal(body, &posted) != nil || posted.Actions == nil {
		return nil, fmt.Errorf("no batch: %s, %w", body, err)
	}
	kept, items := []map[string]any{}, make([]any, len(posted.Actions))
	for i, a := range posted.Actions {
		if f.fails(a["action"].(string)) {
			items[i] = map[string]any{"status": status, "detail": "the database is away"}
			continue
		}
		kept = append(kept, a)
	}
	body, _ = json.Marshal(map[string]any{"actions": kept})
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer, err := f.next.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	var said struct {
		Items []any `json:"items"`
	}
	err = json.NewDecoder(answer.Body).Decode(&said)
	_ = answer.Body.Close()
	for i := range items {
		if items[i] == nil {
			items[i], said.Items = said.Items[0], said.Items[1:]
		}
	}
	body, _ = json.Marshal(map[string]any{"items": items})
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, err
}

// TestAnActionOfABatchThatCouldNotBeRecorded is reported again, and keeps no other
// from the record meanwhile.
func TestAnActionOfABatchThatCouldNotBeRecorded(t *testing.T) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			f := &failing{fails: func(action string) bool { return strings.Contains(action, "refused") }}
			bubble(t, func(w *world) {
				for _, name := range []string{"refused", "other"} {
					w.mux.Handle("GET /"+name, w.g.Require("documents.delete", http.NotFoundHandler(), guard.Action(name)))
				}
				token := w.broker.Mint(reader("s1"))
				f.status.Store(int64(status))
				w.want(w.request("GET", "/refused", token), 403, "insufficient_scope")
				time.Sleep(10 * time.Second)
				w.want(w.request("GET", "/other", token), 403, "insufficient_scope")
				time.Sleep(10 * time.Second)
				if got := w.broker.Actions(); len(got) != 1 || got[0].Action != "other" {
					w.Errorf("the record has %+v", got)
				}
				f.status.Store(0)
				time.Sleep(10 * time.Second)
				if got := w.broker.Actions(); len(got) != 2 || got[1].Action != "refused" {
					w.Errorf("the record has %+v\n%s", got, w.log)
				}
			}, func(c *guard.Config) {
				f.next = c.HTTPClient.Transport
				c.HTTPClient = &http.Client{Transport: f}
			})
		})
	}
}

// mute answers for nothing of a batch, as something between app and broker may.
type mute struct {
	next http.RoundTripper
	on   atomic.Bool
}

func (m *mute) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != actionsPath || !m.on.Load() {
		return m.next.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{}`)), Request: r}, nil
}

// TestABatchThatNobodyAnsweredFor is reported again: 200 alone records nothing.
func TestABatchThatNobodyAnsweredFor(t *testing.T) {
	m := &mute{}
	bubble(t, func(w *world) {
		w.mux.Handle("GET /refused", w.g.Require("documents.delete", http.NotFoundHandler(), guard.Action("refused")))
		token := w.broker.Mint(reader("s1"))
		m.on.Store(true)
		for range 2 { // alone, and with another
			w.want(w.request("GET", "/refused", token), 403, "insufficient_scope")
		}
		time.Sleep(10 * time.Second)
		m.on.Store(false)
		time.Sleep(10 * time.Second)
		if got := w.broker.Actions(); len(got) != 2 {
			w.Errorf("the record has %+v\n%s", got, w.log)
		}
	}, func(c *guard.Config) {
		m.next = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: m}
	})
}

// TestCloseTriesForFiveSeconds to write what is left: one failure loses nothing.
func TestCloseTriesForFiveSeconds(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.broker.Fail(actionsPath, 503)
		for range 150 {
			w.want(w.request("GET", document, token), 200, "")
		}
		go func() {
			time.Sleep(3 * time.Second)
			w.broker.Fail(actionsPath, 0)
		}()
		began := time.Now()
		w.g.Close()
		if n, took := len(w.broker.Actions()), time.Since(began); n != 150 || took > 6*time.Second {
			w.Fatalf("%d actions of 150 after %s", n, took)
		}
	}, async)
}

// TestAnActionThatNobodyRecorded does not run: 200 alone records nothing.
func TestAnActionThatNobodyRecorded(t *testing.T) {
	m := &mute{}
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		m.on.Store(true)
		w.want(w.request("GET", document, token), 503, "record_failed")
		m.on.Store(false)
		w.want(w.request("GET", document, token), 200, "")
		if n := w.ran.Load(); n != 2 || len(w.broker.Actions()) != 2 {
			w.Errorf("%d ran, and the record has %+v", n, w.broker.Actions())
		}
	}, func(c *guard.Config) {
		m.next = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: m}
	})
}
