package revocation_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/valetkey/valetkey/credentials"
)

// inbox is where a receiver has events pushed to.
type inbox struct {
	*httptest.Server
	mu      sync.Mutex
	got     []string // as they came
	headers []http.Header
	answer  func(w http.ResponseWriter, r *http.Request, nth int) // nil: 202
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in.mu.Lock()
		in.got, in.headers = append(in.got, string(body)), append(in.headers, r.Header)
		nth, answer := len(in.got), in.answer
		in.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		answer(w, r, nth)
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) say(answer func(w http.ResponseWriter, r *http.Request, nth int)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answer = answer
}

func (in *inbox) all() ([]string, []http.Header) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]string(nil), in.got...), append([]http.Header(nil), in.headers...)
}

// await waits for so many deliveries.
func (in *inbox) await(t *testing.T, n int) []string {
	t.Helper()
	eventually(t, func() bool { got, _ := in.all(); return len(got) >= n })
	got, _ := in.all()
	return got
}

func (in *inbox) delivery(header string) object {
	return object{"method": "urn:ietf:rfc:8935", "endpoint_url": in.URL + "/events", "authorization_header": header}
}

// TestAReceiverIsPushed: each event once where it is taken, with the header that
// the receiver chose.
func TestAReceiverIsPushed(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		in := newInbox(t)
		p.pushed = []string{in.URL + "/events"}
		n := p.start(false)
		r := n.receiver("docs-api")
		id, _ := r.stream(in.delivery("Bearer of-the-receiver"))
		s := n.end(n.session(docs), credentials.CauseRevoked)
		n.ended(metrics)
		checkRevoked(t, n, r.open(in.await(t, 1)[0]), s)
		r.want(204, "verification", r.call(http.MethodPost, r.endpoint("verification_endpoint"), object{"stream_id": id, "state": "s"}))
		if e := r.open(in.await(t, 2)[1]); e.Events[verification]["state"] != "s" {
			t.Errorf("the verification: %s", e.raw)
		}
		_, headers := in.all()
		for _, h := range headers {
			if h.Get("Content-Type") != "application/secevent+jwt" || h.Get("Accept") != "application/json" || h.Get("Authorization") != "Bearer of-the-receiver" {
				t.Errorf("headers: %v", h)
			}
		}
		// Another address: the header was for the one before.
		r.want(200, "changing", r.streams(http.MethodPatch, object{"stream_id": id, "delivery": in.delivery("")}))
		n.ended(docs)
		in.await(t, 3)
		if _, headers := in.all(); headers[2].Get("Authorization") != "" {
			t.Errorf("without a header it sends %v", headers[2])
		}
		r.want(404, "polling what is pushed", r.call(http.MethodPost, p.issuer+"/ssf/poll/"+id, object{}))
	})
}

// TestWhatAReceiverAnswers: what may pass is tried again and is the same event,
// what is refused for good is not, and no answer leads anywhere else.
func TestWhatAReceiverAnswers(t *testing.T) {
	t.Parallel()
	elsewhere := newInbox(t)
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		again  bool
	}{
		"accepted": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }, false},
		"done":     {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, false},
		"refused for good": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"err":"invalid_request","description":"what a strange event"}`)
		}, false},
		"400 because of our key": {func(w http.ResponseWriter) { // it has not fetched the new one, or a cache keeps the old
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"err":"invalid_key","description":"?"}`)
		}, true},
		"400 because of who it thinks it is": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"err":"invalid_audience","description":"?"}`)
		}, true},
		"a head without end": {func(w http.ResponseWriter) {
			for i := range 40 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 2000))
			}
			w.WriteHeader(http.StatusAccepted)
		}, true},
		"400 without a reason": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }, true},
		"400 with a strange one": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"err":""}`)
		}, true},
		"401 with a reason": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"err":"invalid_request"}`)
		}, true},
		"400 because of us": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"err":"authentication_failed"}`)
		}, true},
		"unauthorized":      {func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }, true},
		"too many requests": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) }, true},
		"an error":          {func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, true},
		"a redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, true},
		"an endless answer": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(make([]byte, 1<<20))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInbox(t)
			p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
			p.pushed = []string{in.URL + "/events"}
			in.say(func(w http.ResponseWriter, _ *http.Request, nth int) {
				if nth == 1 {
					c.answer(w)
					return
				}
				w.WriteHeader(http.StatusAccepted)
			})
			n := p.start(false)
			r := n.receiver("docs-api")
			r.stream(in.delivery(""))
			first := n.ended(docs)
			in.await(t, 1)
			want := 2
			if c.again {
				want = 3
			}
			second := n.ended(docs)
			got := in.await(t, want)
			order := []string{}
			for _, set := range got {
				order = append(order, r.open(set).Subject.Session.ID)
			}
			if c.again && (order[1] != first || order[2] != second || r.open(got[0]).ID != r.open(got[1]).ID) || !c.again && order[1] != second {
				t.Errorf("the events came as %v; the first is %s, the second %s", order, first, second)
			}
			if got, _ := elsewhere.all(); len(got) > 0 {
				t.Error("it followed")
			}
			if log := n.logs.String(); strings.Contains(log, "what a strange event") != (name == "refused for good") {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// TestEventsArePushedNowhereElse: whoever manages streams cannot have us call
// what the operator has not written down for this very client.
func TestEventsArePushedNowhereElse(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	p.pushed = []string{in.URL + "/events"}
	n := p.start(true)
	r := n.receiver("docs-api")
	id, _ := r.polled()
	for _, url := range []string{
		"", in.URL, in.URL + "/", in.URL + "/events/", in.URL + "/Events", in.URL + "/events?x=1", in.URL + "/events#x", in.URL + "/events/../admin", in.URL + "/%65vents",
		strings.Replace(in.URL, "http://", "http://user@", 1) + "/events", strings.Replace(in.URL, "http://", "HTTP://", 1) + "/events", in.URL + ".evil.example/events",
		strings.Replace(in.URL, "127.0.0.1", "localhost", 1) + "/events", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://127.0.0.1:5432/", "http://0/",
		"file:///etc/passwd", "gopher://127.0.0.1/", "//evil.example", "/events", "https://evil.example/events", " " + in.URL + "/events", in.URL + "/events\n", in.URL + "/events\x00",
	} {
		delivery := object{"method": "urn:ietf:rfc:8935", "endpoint_url": url}
		for what, answer := range map[string]said{
			"creating":  r.streams(http.MethodPost, object{"delivery": delivery}),
			"changing":  r.streams(http.MethodPatch, object{"stream_id": id, "delivery": delivery}),
			"replacing": r.streams(http.MethodPut, object{"stream_id": id, "delivery": delivery}),
		} {
			if answer.status != 400 {
				t.Errorf("%s with %q: %d %s", what, url, answer.status, answer.raw)
			}
		}
	}
	other := n.receiver("docs-two")
	other.want(400, "another client's address", other.streams(http.MethodPost, object{"delivery": in.delivery("")}))
	for _, header := range []string{"Bearer x\r\nX-Other: y", "Bearer \x00", "Bearer ü", strings.Repeat("x", 4001)} {
		r.want(400, "a header of another kind", r.streams(http.MethodPost, object{"delivery": in.delivery(header)}))
	}
	if got, _ := in.all(); len(got) > 0 {
		t.Errorf("it was called %d times", len(got))
	}
}

// TestAnAddressThatIsTakenOutOfTheConfigurationIsCalledNoMore.
func TestAnAddressThatIsTakenOutOfTheConfigurationIsCalledNoMore(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	p.pushed = []string{in.URL + "/events"}
	n := p.start(false)
	r := n.receiver("docs-api")
	r.stream(in.delivery(""))
	n.ended(docs)
	in.await(t, 1)
	n.stop()
	p.pushed = nil
	n = p.start(false)
	n.ended(docs)
	eventually(t, func() bool { return strings.Contains(n.logs.String(), "not in the client's ssf_push_uris any more") })
	if got, _ := in.all(); len(got) != 1 {
		t.Errorf("it was called %d times", len(got))
	}
}

// TestTheAuthorizationHeaderIsASecret of the receiver: it is nowhere to be read.
func TestTheAuthorizationHeaderIsASecret(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	in.say(func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusInternalServerError) })
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	p.pushed = []string{in.URL + "/events", in.URL + "/other"}
	n := p.start(false)
	r := n.receiver("docs-api")
	answer := r.streams(http.MethodPost, object{"delivery": in.delivery("Bearer hush-hush")})
	id := answer.body["stream_id"]
	said := answer.raw + r.call(http.MethodGet, r.endpoint("configuration_endpoint"), nil).raw
	n.ended(docs)
	in.await(t, 1)
	list, err := n.store.SSFStreams(t.Context(), "docs-api")
	must(t, err)
	said += fmt.Sprintf("%s %+v", list[0].Header, list) + n.logs.String()
	if strings.Contains(said, "hush-hush") || len(list[0].Header) == 0 {
		t.Errorf("it is in %s", said)
	}
	// Sealed for one address, it is of no use at another.
	_, err = n.ssf.Headers.OpenBytes(list[0].Header, fmt.Sprint("ssf_streams/", id, " ", in.URL, "/other"))
	if plain, right := n.ssf.Headers.OpenBytes(list[0].Header, fmt.Sprint("ssf_streams/", id, " ", in.URL, "/events")); err == nil || right != nil || string(plain) != "Bearer hush-hush" {
		t.Errorf("it opens elsewhere: %v; here: %q %v", err, plain, right)
	}
}
