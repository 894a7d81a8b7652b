package revocation

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// Feed serves the stream of endings. Every field is set before it is used.
type Feed struct {
	Log      *Log
	Receipts *Receipts
	Logger   *slog.Logger

	mu      sync.Mutex
	keys    chan struct{} // closed, and replaced, when the signing keys change
	leaving chan struct{}
	once    sync.Once
	streams atomic.Int64
	crowd   crowd
	prompt  func(net.Conn) func([]byte) (int, error) // see promptly; tests have connections of their own
}

// NewFeed makes a feed.
func NewFeed(l *Log, receipts *Receipts, log *slog.Logger) *Feed {
	f := &Feed{Log: l, Receipts: receipts, Logger: log, keys: make(chan struct{}), leaving: make(chan struct{}), prompt: promptly}
	f.crowd.feed = f
	return f
}

// Subscriber is the client at the other end of a stream.
type Subscriber struct {
	Client    string
	Audience  string // of which it may know details; empty: none
	Instance  string // its own name for this running copy; empty: it acknowledges nothing
	Staleness time.Duration
	Expires   time.Time // of its bearer token
	LastID    string    // the Last-Event-ID that it came with
	Accepted  time.Time // when its request came, by the monotonic clock
}

const (
	freshEvery    = 2 * time.Second
	silence       = 5 * time.Second  // after which a comment asks whether anybody is there
	writeTimeout  = 10 * time.Second // of a reader who does not read
	confirmWithin = 3 * time.Second
	closeWithin   = 2 * time.Second
	maxStream     = time.Hour                                            // whatever its bearer says
	retryHint     = "retry: 1000\n: the endings of support sessions\n\n" // milliseconds
)

// ErrNotConfirmed says that the log could not be read just now.
var ErrNotConfirmed = errors.New("the log of endings cannot be confirmed")

// Subscription is a stream that has not begun yet.
type Subscription struct {
	Subscriber
	feed  *Feed
	view  View
	leave func()
}

// Open looks at the log as of now and notes who is here, before anything is
// answered. Who comes while that cannot be is better off at another node.
func (f *Feed) Open(ctx context.Context, s Subscriber) (*Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	v, err := f.Log.Since(ctx, s.Accepted)
	if err != nil {
		return nil, ErrNotConfirmed
	}
	leave := func() {}
	if s.Instance != "" && s.Audience != "" {
		if leave, err = f.Receipts.arrive(ctx, s); err != nil {
			return nil, ErrNotConfirmed
		}
	}
	return &Subscription{Subscriber: s, feed: f, view: v, leave: leave}, nil
}

// ErrCursor says that a cursor is of another epoch, or from the future.
var ErrCursor = errors.New("there is no such place in the log of endings")

// Ack takes an instance's word that it has applied everything up to a place, and
// returns when that is written.
func (f *Feed) Ack(ctx context.Context, s Subscriber, at credentials.Cursor, age time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	v, _ := f.Log.View()
	if at.Epoch != v.Cursor.Epoch || at.N > v.Cursor.N { // another node may have come further
		var err error
		if v, err = f.Log.Since(ctx, time.Now()); err != nil {
			return ErrNotConfirmed
		}
	}
	if at.Epoch != v.Cursor.Epoch || at.N > v.Cursor.N {
		return ErrCursor
	}
	return f.Receipts.ack(ctx, s, at, age)
}

// Streams is how many are open.
func (f *Feed) Streams() int64 { return f.streams.Load() }

// Close ends every stream, each with a hint of its own when to come back, and
// returns when they are over, or have had their time.
func (f *Feed) Close() {
	f.once.Do(func() { close(f.leaving) })
	f.crowd.leave()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for until := time.Now().Add(closeWithin); f.Streams() > 0 && time.Now().Before(until); {
		<-look.C
	}
}

// Serve writes the stream until the client leaves, its bearer expires, it reads
// too slowly, or the node shuts down. Over HTTP/1.1 it takes the connection and
// returns at once: what the server holds for a request is several times what an
// idle stream needs.
func (s *Subscription) Serve(w http.ResponseWriter, r *http.Request) {
	s.feed.streams.Add(1)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would gather events before it passes them on
	control := http.NewResponseController(w)
	if r.ProtoMajor == 1 && r.ProtoMinor == 1 {
		if conn, _, err := control.Hijack(); err == nil {
			go s.overConnection(conn, h.Clone())
			return
		}
	}
	_ = control.SetReadDeadline(time.Time{}) // the server's is for reading a request
	defer s.over()
	out := s.begin(func(text []byte) error {
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // where the writer has none, the server's holds
		if _, err := w.Write(text); err != nil {
			return err
		}
		return control.Flush()
	})
	_ = s.feed.follow(r.Context(), out) // whatever it was, the reader comes back to its place
}

// overConnection writes the answer itself: its head, what the reader has missed,
// and, unless the crowd does, the rest. That the client has gone shows when
// something is written, a few seconds later at the most.
func (s *Subscription) overConnection(conn net.Conn, h http.Header) {
	_ = conn.SetDeadline(time.Time{})
	out := s.begin(func(text []byte) error {
		_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := conn.Write(text)
		return err
	})
	h.Set("Connection", "close")
	head := bytes.NewBufferString("HTTP/1.1 200 OK\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n")
	_ = h.Write(head) // into memory
	head.WriteString("\r\n")
	head.Write(out.buf)
	out.buf = head.Bytes()
	m := &member{stream: *out, conn: conn, over: s.over, place: -1}
	if m.flush() != nil {
		m.close()
		return
	}
	if m.try = s.feed.prompt(conn); m.try == nil || !s.feed.crowd.join(m) {
		m.alone(s.feed)
	}
}

// begin finds the reader's place, and gathers what is to be written first.
func (s *Subscription) begin(write func([]byte) error) *stream {
	life := min(time.Until(s.Expires), maxStream)
	early := time.Duration(0)
	if tenth := min(life/10, 10*time.Second); tenth > 0 {
		early = rand.N(tenth) //nolint:gosec // jitter
	}
	out := &stream{write: write, audience: s.Audience, accepted: s.Accepted, until: time.Now().Add(life - early), keys: s.feed.otherKeys()}
	out.text(retryHint)
	out.begin(s.LastID, s.view)
	out.show(s.view)
	s.view, s.LastID = View{}, "" // the log's, and the request's, not this stream's to keep
	return out
}

func (s *Subscription) over() {
	s.leave()
	s.feed.streams.Add(-1)
}

// Keys has every reader fetch the JWKS now.
func (f *Feed) Keys() {
	f.mu.Lock()
	close(f.keys)
	f.keys = make(chan struct{})
	f.mu.Unlock()
	f.crowd.keys()
}

func (f *Feed) otherKeys() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys
}

// follow writes what changes, until the stream's time is over or somebody is.
func (f *Feed) follow(ctx context.Context, out *stream) error {
	end := time.NewTimer(time.Until(out.until))
	defer end.Stop()
	fresh := time.NewTicker(freshEvery)
	defer fresh.Stop()
	for {
		v, changed := f.Log.View()
		out.show(v)
		if err := out.flush(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-out.keys:
			out.keys = f.otherKeys()
			out.text(otherKeys)
		case <-fresh.C:
			out.due = true
		case <-end.C:
			return nil
		case <-f.leaving:
			out.text(hint())
			return out.flush()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// place reads where a subscriber has come to. reset: it has to forget that.
func place(lastID string, v View) (n int64, reset bool) {
	if lastID == "" {
		return 0, false
	}
	at, ok := credentials.ParseCursor(lastID)
	if !ok || at.Epoch != v.Cursor.Epoch || at.N > v.Cursor.N {
		return 0, true
	}
	return at.N, false
}
