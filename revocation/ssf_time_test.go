package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
)

// transmits puts a transmitter on the node, whose receivers are called by f.
func (w *world) transmits(secrets *keys.Secrets, f func(r *http.Request) (int, error)) (s *SSF, stop func()) {
	w.t.Helper()
	s = &SSF{Issuer: "https://access.example", Store: w.store, View: w.log.View, Client: &http.Client{Transport: called(f)},
		Receivers: map[string]Receiver{"docs-api": {Audience: audience, PushURIs: []string{"https://docs.example/events"}}},
		Authenticate: func(*http.Request) (string, []string, error) {
			return "docs-api", []string{"endings.read"}, nil
		},
		Subject: func(context.Context, string, string) (string, error) { return "guest:x", nil },
		Sign:    func(payload []byte) (string, error) { return string(payload), nil },
		Headers: secrets.Sealer("x"), Logger: slog.New(slog.DiscardHandler), Most: SSFMost, Keep: time.Hour}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	return s, func() { cancel(); <-done }
}

type called func(r *http.Request) (int, error)

func (f called) RoundTrip(r *http.Request) (*http.Response, error) {
	status, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

func (s *SSF) ask(method, path, body string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer x")
	s.Handler().ServeHTTP(w, r)
	return w
}

const pushThere = `{"delivery":{"method":"urn:ietf:rfc:8935","endpoint_url":"https://docs.example/events"}}`

// made is the id of a new stream.
func (s *SSF) made(t *testing.T, body string) string {
	t.Helper()
	w := s.ask(http.MethodPost, "/ssf/streams", body)
	_, rest, _ := strings.Cut(w.Body.String(), `"stream_id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	if w.Code != http.StatusCreated || id == "" {
		t.Fatalf("creating: %d %s", w.Code, w.Body)
	}
	return id
}

// TestAReceiverWhoIsAwayIsTriedLessAndLess, and gets everything when it is back.
func TestAReceiverWhoIsAwayIsTriedLessAndLess(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var tried []time.Time
		away := true
		s, stop := w.transmits(keystest.Secrets(t), func(*http.Request) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			tried = append(tried, time.Now())
			if away {
				return 0, errors.New("connection refused")
			}
			return http.StatusAccepted, nil
		})
		tries := func(stay bool) []time.Time {
			mu.Lock()
			defer mu.Unlock()
			away = stay
			return tried
		}
		defer stop()
		id := s.made(t, pushThere)
		w.end()
		w.end()
		pass(18 * time.Minute)
		at := tries(false)
		for i := 1; i < len(at); i++ {
			if pause := at[i].Sub(at[i-1]); pause < min(pushFirst<<(i-1), pushPause)/2 || pause > min(pushFirst<<(i-1), pushPause)+2*ssfEvery {
				t.Errorf("the pause before try %d is %v", i+1, pause)
			}
		}
		if len(at) < 9 || len(at) > 20 {
			t.Errorf("in 18 minutes it was tried %d times", len(at))
		}
		pass(pushPause + 2*ssfEvery)
		if got := len(tries(true)) - len(at); got != 2 {
			t.Errorf("when it is back it gets %d events, want 2", got)
		}
		w.end()
		pass(18 * time.Minute)
		at = tries(false)
		if answer := s.ask(http.MethodPost, "/ssf/verify", `{"stream_id":"`+id+`"}`); answer.Code != http.StatusNoContent {
			t.Fatalf("verifying: %d %s", answer.Code, answer.Body)
		}
		pass(2 * ssfEvery)
		if got := len(tries(false)) - len(at); got != 2 {
			t.Errorf("when it asks whether the stream works it gets %d events, want 2", got)
		}
	})
}

// TestAReceiverThatStumblesIsNotTakenForOneThatIsAway: what counts is how often it
// failed since it last took something.
func TestAReceiverThatStumblesIsNotTakenForOneThatIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		calls, taken := 0, 0
		s, stop := w.transmits(keystest.Secrets(t), func(*http.Request) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls%2 == 0 {
				return http.StatusServiceUnavailable, nil
			}
			taken++
			return http.StatusAccepted, nil
		})
		defer stop()
		s.made(t, pushThere)
		for range 12 {
			w.end()
		}
		pass(12 * 3 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if taken != 12 {
			t.Errorf("of 12 events it has got %d", taken)
		}
	})
}

// TestEventsThatNobodyTakesAreForgottenInTheEnd, and the stream says so.
func TestEventsThatNobodyTakesAreForgottenInTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, stop := w.transmits(keystest.Secrets(t), func(*http.Request) (int, error) { return 500, nil })
		defer stop()
		id := s.made(t, "")
		w.end()
		pass(s.Keep - time.Minute)
		poll := func() string {
			return s.ask(http.MethodPost, "/ssf/poll/"+id, `{"returnImmediately":true}`).Body.String()
		}
		if got := poll(); !strings.Contains(got, "session-revoked") {
			t.Errorf("within its time: %s", got)
		}
		pass(3 * time.Minute)
		if got := poll(); strings.Contains(got, "session-revoked") || !strings.Contains(got, "stream-updated") {
			t.Errorf("after its time: %s", got)
		}
		if got := s.ask(http.MethodGet, "/ssf/status?stream_id="+id, "").Body.String(); !strings.Contains(got, `"paused"`) {
			t.Errorf("its status: %s", got)
		}
	})
}

// TestALongPollEnds when something has ended, after half a minute, and when the
// node shuts down.
func TestALongPollEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, stop := w.transmits(keystest.Secrets(t), nil)
		defer stop()
		id := s.made(t, "")
		answer := make(chan string, 1)
		poll := func() (begun time.Time) {
			begun = time.Now()
			go func() { answer <- fmt.Sprint(s.ask(http.MethodPost, "/ssf/poll/"+id, "{}").Body) }()
			synctest.Wait()
			return begun
		}
		begun := poll()
		pass(10 * time.Second)
		w.end()
		if got := <-answer; !strings.Contains(got, "session-revoked") || time.Since(begun) > 10*time.Second+ssfEvery {
			t.Errorf("after %v: %s", time.Since(begun), got)
		}
		s.ask(http.MethodPost, "/ssf/status", `{"stream_id":"`+id+`","status":"disabled"}`)
		begun = poll()
		if got := <-answer; !strings.Contains(got, `"sets":{}`) || time.Since(begun) != pollLong {
			t.Errorf("after %v: %s", time.Since(begun), got)
		}
		begun = poll()
		s.Close()
		if got := <-answer; !strings.Contains(got, `"sets":{}`) || time.Since(begun) > 0 {
			t.Errorf("at shutdown after %v: %s", time.Since(begun), got)
		}
	})
}

// TestOneVerificationInAWhile (section 8.1.4.2: 429).
func TestOneVerificationInAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, stop := w.transmits(keystest.Secrets(t), nil)
		defer stop()
		id := s.made(t, "")
		verify := func() int { return s.ask(http.MethodPost, "/ssf/verify", `{"stream_id":"`+id+`"}`).Code }
		if got := verify(); got != http.StatusNoContent {
			t.Errorf("the first: %d", got)
		}
		pass(verifyInterval - time.Second)
		if got := s.ask(http.MethodPost, "/ssf/verify", `{"stream_id":"`+id+`"}`); got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") != "5" {
			t.Errorf("too soon: %d %v", got.Code, got.Header())
		}
		pass(time.Second)
		if got := verify(); got != http.StatusNoContent {
			t.Errorf("after the interval: %d", got)
		}
	})
}

// TestSSFWithoutADatabase: 503, and nothing of what is wrong.
func TestSSFWithoutADatabase(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, stop := w.transmits(keystest.Secrets(t), nil)
		defer stop()
		id := s.made(t, "")
		w.store.Close()
		for _, c := range [][3]string{
			{"POST", "/ssf/streams", "{}"}, {"GET", "/ssf/streams", ""}, {"PATCH", "/ssf/streams", `{"stream_id":"` + id + `"}`}, {"DELETE", "/ssf/streams?stream_id=" + id, ""},
			{"GET", "/ssf/status?stream_id=" + id, ""}, {"POST", "/ssf/status", `{"stream_id":"` + id + `","status":"paused"}`}, {"POST", "/ssf/verify", `{"stream_id":"` + id + `"}`},
			{"POST", "/ssf/poll/" + id, "{}"},
		} {
			if got := s.ask(c[0], c[1], c[2]); got.Code != http.StatusServiceUnavailable || strings.Contains(got.Body.String(), "sql") || strings.Contains(got.Body.String(), "closed") {
				t.Errorf("%s %s: %d %s", c[0], c[1], got.Code, got.Body)
			}
		}
	})
}
