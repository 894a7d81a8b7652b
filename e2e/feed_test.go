package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// event is one of a stream, as the standard's parser sees it.
type event struct {
	kind, id, data string
	retry          string
}

// ended is the data of an ended event.
type ended struct {
	Seq        int64     `json:"seq"`
	SID        string    `json:"sid"`
	EndedAt    time.Time `json:"ended_at"`
	Credential string    `json:"credential"`
	Cause      string    `json:"cause"`
}

// fresh is the data of a fresh event.
type fresh struct {
	Seq   int64  `json:"seq"`
	Since *int64 `json:"since_open_ms"`
}

// feed is a stream of endings, read by a client that knows Server-Sent Events
// and nothing of the program.
type feed struct {
	t      testing.TB
	header http.Header
	events chan event // closed when the stream is over
	stop   context.CancelFunc
}

// follow opens a stream.
func (b *broker) follow(client app, lastID string, query ...string) *feed {
	b.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	target := "/api/v1/endings"
	if len(values) > 0 {
		target += "?" + values.Encode()
	}
	request := b.request(http.MethodGet, target, nil)
	ctx, cancel := context.WithCancel(b.t.Context())
	request = request.WithContext(ctx)
	request.Header.Set("Authorization", "Bearer "+b.apiToken(client))
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		b.t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "text/event-stream" {
		body, _ := io.ReadAll(response.Body)
		b.t.Fatalf("the stream of endings: %d %s %s", response.StatusCode, kind, body)
	}
	f := &feed{t: b.t, header: response.Header, events: make(chan event, 10000), stop: cancel}
	b.t.Cleanup(cancel)
	go f.read(response.Body)
	return f
}

func (f *feed) read(body io.ReadCloser) {
	defer close(f.events)
	defer func() { _ = body.Close() }()
	var e event
	for lines := bufio.NewScanner(body); lines.Scan(); {
		line := lines.Text()
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if e != (event{}) {
				f.events <- e
			}
			e = event{}
		case name == "event":
			e.kind = value
		case name == "id":
			e.id = value
		case name == "data":
			e.data += value
		case name == "retry":
			e.retry = value
		}
	}
}

// next waits for an event of a kind, passing over what is not of it. An event of
// none of the kinds that are to be passed over fails the test; the keys may
// change at any time.
func (f *feed) next(kind string, over ...string) event {
	f.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e, more := <-f.events:
			switch {
			case !more:
				f.t.Fatalf("the stream ended before the event %s", kind)
			case e.kind == kind:
				return e
			case e.kind != "" && e.kind != "keys" && !strings.Contains(strings.Join(over, " "), e.kind):
				f.t.Fatalf("the stream says %+v, want %s", e, kind)
			}
		case <-limit:
			f.t.Fatalf("no event %s within %v", kind, patience)
		}
	}
}

func (f *feed) ended(over ...string) (event, ended) {
	f.t.Helper()
	var out ended
	e := f.next("ended", append(over, "fresh")...)
	if err := json.Unmarshal([]byte(e.data), &out); err != nil {
		f.t.Fatalf("%q: %v", e.data, err)
	}
	return e, out
}

func (f *feed) fresh(over ...string) fresh {
	f.t.Helper()
	var out fresh
	e := f.next("fresh", over...)
	if err := json.Unmarshal([]byte(e.data), &out); err != nil || out.Since == nil || *out.Since < 0 {
		f.t.Fatalf("%q: %v", e.data, err)
	}
	if e.id != "" {
		f.t.Errorf("a fresh event has the id %q: a reader would go on from it", e.id)
	}
	return out
}

// revokeAll takes back everything of the account acme.
func (b *broker) revokeAll() {
	b.t.Helper()
	if answer := b.api(b.settings(), http.MethodDelete, "/accounts/"+acme.id+"/credentials", nil); answer.status != http.StatusNoContent {
		b.t.Fatalf("revoking everything: %d %s, want 204", answer.status, answer.body)
	}
}

// receipts counts the entries of the record that say that an app has applied the
// ending of a session.
func (b *broker) receipts(sid string) (n int) {
	b.t.Helper()
	for _, line := range strings.Split(string(b.api(b.settings(), http.MethodGet, "/accounts/"+acme.id+"/record?format=jsonl", nil).body), "\n") {
		if strings.Contains(line, `"ending.applied"`) && strings.Contains(line, `"`+sid+`"`) {
			n++
		}
	}
	return n
}

// eventually waits for something that the program does by itself.
func (b *broker) eventually(what string, is func() bool) {
	b.t.Helper()
	limit := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-limit:
			b.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
