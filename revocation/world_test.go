package revocation

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store"
)

const (
	audience = "https://docs.example/api"
	life     = 5 * time.Minute
)

// world is a node: a real store, the log, and the feed behind a real HTTP server.
// Inside a bubble of synctest its network is in memory and its time is the
// bubble's, so that minutes pass at once.
type world struct {
	t     *testing.T
	store *store.Store
	log   *Log
	feed  *Feed
	pipes *pipes
	as    string // the audience of who connects; empty: audience
	long  bool   // what their bearers say lives for years
	n     int
}

// inBubble runs f with a node on SQLite, in a time of its own.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	bubble(t, func(conn net.Conn) func([]byte) (int, error) { return conn.(*piped).try }, f)
}

// inBubbles runs f with readers who are a crowd, and with readers who are written
// to by a goroutine each.
func inBubbles(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("in a crowd", func(t *testing.T) { inBubble(t, f) })
	t.Run("each alone", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(net.Conn) func([]byte) (int, error) { return nil }, f)
	})
}

func bubble(t *testing.T, prompt func(net.Conn) func([]byte) (int, error), f func(t *testing.T, w *world)) {
	t.Helper()
	dir, secrets := t.TempDir(), keystest.Secrets(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(dir, "db"), Secrets: secrets, Migrate: true, Access: life,
			Clients: map[string]store.Client{"docs": {Enforces: credentials.ByGuard}}})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, store: s, pipes: &pipes{next: make(chan net.Conn), over: make(chan struct{})}}
		w.run(prompt)
		f(t, w)
	})
}

// run starts the jobs, and ends all of it with the test.
func (w *world) run(prompt func(net.Conn) func([]byte) (int, error)) {
	quiet := slog.New(slog.DiscardHandler)
	w.log = NewLog(w.store, time.Second, time.Now, quiet)
	receipts := NewReceipts(w.store, w.log, quiet)
	w.feed = NewFeed(w.log, receipts, quiet)
	w.feed.prompt = prompt
	server := &http.Server{ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, Handler: http.HandlerFunc(w.serve)}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 3)
	go func() { ended <- w.log.Run(ctx) }()
	go func() { ended <- receipts.Run(ctx) }()
	go func() { ended <- server.Serve(w.pipes) }()
	w.t.Cleanup(func() {
		w.feed.Close()
		_ = server.Close()
		cancel()
		for range 3 {
			if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
				w.t.Errorf("a job ended with %v", err)
			}
		}
		w.store.Close()
	})
}

// serve is what the API does once it knows who asks.
func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	s := Subscriber{Client: "docs-api", Audience: r.Header.Get("Audience"), Instance: r.URL.Query().Get("instance"), Staleness: 10 * time.Second,
		Accepted: time.Now(), Expires: time.Now().Add(life)}
	if w.long {
		s.Expires = s.Accepted.AddDate(10, 0, 0)
	}
	opened, err := w.feed.Open(r.Context(), s)
	if err != nil {
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
		return
	}
	opened.Serve(out, r)
}

// end opens a session, gives a token of it to the app, and ends it.
func (w *world) end() credentials.Session {
	w.t.Helper()
	return w.over(w.session())
}

func (w *world) session() credentials.Session {
	w.t.Helper()
	w.n++
	id := fmt.Sprintf("acme%d", w.n)
	c := credentials.Credential{ID: credentials.NewID(), Account: id, Policy: "temporary-login", Kind: credentials.Password, State: credentials.Live,
		Scopes: []string{"documents.read"}, Email: id + "@x.example", RedeemWithin: 4 * time.Hour, Session: time.Hour, Idle: 30 * time.Minute,
		Minter: credentials.Owner{Issuer: "i", Subject: "o"}}
	account := credentials.Account{ID: id, Connector: "c", Name: id, Handle: id}
	if _, _, err := w.store.Mint(w.t.Context(), credentials.Minting{Account: account, Credential: c, Verifier: []byte("v"), By: credentials.Mark{Who: "owner"}}); err != nil {
		w.t.Fatal(err)
	}
	login, err := w.store.Login(w.t.Context(), c.Email)
	if err != nil {
		w.t.Fatal(err)
	}
	agent := credentials.Agent{Issuer: "i", Subject: "a", Name: "Dana"}
	s, err := w.store.RedeemPassword(w.t.Context(), credentials.PasswordTry{Login: login, ID: "p", Agent: &agent, Right: true, SID: credentials.NewID(), Reason: "r"})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Issue(w.t.Context(), credentials.Grant{ID: credentials.NewID(), Account: id, SID: s.ID, Client: "docs", Audience: audience,
		Scope: "documents.read", TokenID: credentials.NewID()}); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) over(s credentials.Session) credentials.Session {
	w.t.Helper()
	s, err := w.store.End(w.t.Context(), s.Account.ID, s.ID, credentials.CauseRevoked, credentials.Mark{Who: "owner"})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// listener is an app that listens, over a connection of its own.
type listener struct {
	t     *testing.T
	conn  net.Conn
	lines chan string // closed when the stream is over
	code  int
}

// connect opens a stream and reads it.
func (w *world) connect(query string) *listener {
	w.t.Helper()
	l := w.dial(query)
	reader := bufio.NewReader(l.conn)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	l.code = answer.StatusCode
	go func() {
		defer close(l.lines)
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if lines.Text() != "" {
				l.lines <- lines.Text()
			}
		}
	}()
	return l
}

// dial opens a connection and sends the request, and does not read.
func (w *world) dial(query string) *listener {
	w.t.Helper()
	pass(time.Millisecond) // or what was read before would be as new as the stream: here time stands still
	conn := w.pipes.dial()
	w.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /?"+query+" HTTP/1.1\r\nHost: x\r\nAudience: "+cmp.Or(w.as, audience)+"\r\n\r\n"); err != nil {
		w.t.Fatal(err)
	}
	return &listener{t: w.t, conn: conn, lines: make(chan string, 100000)}
}

// said is everything that came until now.
func (l *listener) said() string {
	synctest.Wait()
	var out strings.Builder
	for {
		select {
		case line, more := <-l.lines:
			if !more {
				return out.String() + "OVER\n"
			}
			out.WriteString(line + "\n")
		default:
			return out.String()
		}
	}
}

// pipes is a network in memory.
type pipes struct {
	next chan net.Conn
	over chan struct{}
}

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.next <- &piped{Conn: there, room: roomOfAPipe}
	return here
}

// roomOfAPipe is how much a connection takes before anybody reads, in bytes.
const roomOfAPipe = 4 << 10

// piped is an end of a pipe with a buffer, as one of the kernel's: what is put
// into it without waiting goes out, in order, as it is read.
type piped struct {
	net.Conn
	mu    sync.Mutex
	held  []byte
	room  int
	going bool
	idle  chan struct{} // closed when what was held has gone
	err   error         // known only after something was written
}

func (p *piped) try(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	n := min(len(text), p.room-len(p.held))
	if p.held = append(p.held, text[:n]...); !p.going && n > 0 {
		p.going, p.idle = true, make(chan struct{})
		go p.drain()
	}
	return n, nil
}

func (p *piped) drain() {
	for {
		p.mu.Lock()
		text := p.held
		if len(text) == 0 {
			p.going = false
			close(p.idle)
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		n, err := p.Conn.Write(text)
		p.mu.Lock()
		if p.held = p.held[n:]; err != nil {
			p.held, p.err = nil, err
		}
		p.mu.Unlock()
	}
}

// Write waits for what was put in before.
func (p *piped) Write(text []byte) (int, error) {
	p.wait()
	return p.Conn.Write(text)
}

// Close does too, without keeping anybody.
func (p *piped) Close() error {
	go func() {
		p.wait()
		_ = p.Conn.Close()
	}()
	return nil
}

func (p *piped) wait() {
	p.mu.Lock()
	idle := p.idle
	p.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.over); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
