package guard_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// endingOf is how a session ended, as the app may tell.
func endingOf(t testing.TB, err error) guard.Ending {
	t.Helper()
	var f *guard.Refusal
	if !errors.Is(err, guard.ErrEnded) || !errors.As(err, &f) || f.Ending == nil {
		t.Fatalf("%v is no ending", err)
	}
	return *f.Ending
}

// TestHowASessionEnded: an app can say how and when; who calls an API is not
// told.
func TestHowASessionEnded(t *testing.T) {
	var last error
	bubble(t, func(w *world) {
		for _, cause := range []string{"revoked", "signed_out", "cancelled", "idle", "time", "reuse", "operator", "of another version"} {
			want := cause
			if cause == "of another version" {
				want = ""
			}
			token := w.broker.Mint(reader(cause))
			w.want(w.request("GET", document, token), 200, "")
			at := time.Now()
			w.broker.End(cause, cause)
			w.settle()
			r := w.request("GET", document, token)
			w.want(r, 401, "session_ended")
			if has(r.Body.String(), `"cause"`) || want != "" && has(r.Body.String(), want) {
				w.Errorf("the caller is told %s", r.Body)
			}
			w.g.End(cause) // what else says so later knows no cause
			for _, err := range []error{last, w.g.Live(w.Context(), cause)} {
				if got := endingOf(w, err); got.Cause != want || got.At.Sub(at).Abs() > time.Second {
					w.Errorf("%s: ended by %q at %v, want %v", cause, got.Cause, got.At, at)
				}
			}
		}
	}, func(c *guard.Config) {
		c.Refuse = func(rw http.ResponseWriter, r *http.Request, f *guard.Refusal) {
			last = f
			f.ServeHTTP(rw, r)
		}
	})
}

// interrupted ends a session while an action of it is on its way to the record.
type interrupted struct {
	http.RoundTripper
	end func()
}

func (x *interrupted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == actionsPath {
		x.end()
	}
	return x.RoundTripper.RoundTrip(r)
}

// TestTheRecordSaysHowItEnded: also where the feed is not there to say so.
func TestTheRecordSaysHowItEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := guardtest.New(t, guardtest.InMemory())
		broker.Fail("/api/v1/endings", 503)
		w := newWorld(t, broker, func(c *guard.Config) {
			c.HTTPClient = &http.Client{Transport: &interrupted{c.HTTPClient.Transport, func() { broker.End("s1", "operator") }}}
		})
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 401, "session_ended")
		if got := endingOf(t, w.g.Live(t.Context(), "s1")); got.Cause != "operator" || time.Since(got.At).Abs() > time.Second {
			t.Errorf("ended by %q at %v", got.Cause, got.At)
		}
	})
}

// TestAnEndingOfNoTime: what the broker cannot have meant is taken for now, so that
// no session is forgotten to have ended while a token of it could live.
func TestAnEndingOfNoTime(t *testing.T) {
	for _, at := range []string{"0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z", "1600-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		t.Run(at, func(t *testing.T) {
			bubble(t, func(w *world) {
				token := w.broker.Mint(reader("s1"))
				w.want(w.request("GET", document, token), 200, "")
				w.broker.Emit("event: ended\nid: " + w.broker.Position() + "\ndata: {\"seq\":1,\"sid\":\"s1\",\"ended_at\":\"" + at + "\"}\n\n")
				for range 20 {
					time.Sleep(10 * time.Second)
					w.want(w.request("GET", document, token), 401, "session_ended")
				}
			})
		})
	}
}
