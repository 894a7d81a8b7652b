package guardtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// What the app's client is called, and its audience, unless an option says
// otherwise.
const (
	ClientID     = "app"
	ClientSecret = "the app's secret: of 100 % tests" // with what form encoding must not break
	Audience     = "https://app.example/api"
	APIClientID  = "app-api" // a second client of that audience and secret, that nothing more is demanded of
)

// Broker is a broker in the test's process. All methods may be called at any time,
// from any goroutine.
type Broker struct {
	URL string // the issuer

	t      testing.TB
	mux    *http.ServeMux
	client *http.Client

	mu       sync.Mutex
	life     time.Duration // of API tokens
	keys     []key
	tokens   map[string]time.Time // API tokens, until when
	sessions map[string]*session
	epoch    string
	endings  []ending
	raw      []string // events that a test made up
	keyTurns int      // "keys" events
	silent   bool     // no "fresh"
	mode     mode
	fails    map[string]int
	seen     map[string]int
	actions  []Action
	byID     map[string]int // in actions
	acks     []Ack
	signIns
	demands
	changed chan struct{} // closed when any of this changes
}

// mode is how the broker treats those who come.
type mode int

const (
	up     mode = iota
	paused      // takes requests and never answers
	down        // cuts connections off
)

type key struct {
	id      string
	private *ecdsa.PrivateKey
}

// Option changes how a broker is made.
type Option func(*settings)

type settings struct {
	memory bool
	life   time.Duration
}

// InMemory makes the broker reachable through [Broker.Client] alone, without a
// network.
func InMemory() Option { return func(s *settings) { s.memory = true } }

// APITokenLife is how long tokens for the API live, and with them a stream of
// endings; 5 minutes without it.
func APITokenLife(d time.Duration) Option { return func(s *settings) { s.life = d } }

// New starts a broker. It ends with the test.
func New(t testing.TB, options ...Option) *Broker {
	t.Helper()
	s := settings{life: 5 * time.Minute}
	for _, option := range options {
		option(&s)
	}
	b := &Broker{
		t: t, mux: http.NewServeMux(), life: s.life, epoch: rand.Text()[:8], changed: make(chan struct{}),
		tokens: map[string]time.Time{}, sessions: map[string]*session{}, fails: map[string]int{}, seen: map[string]int{}, byID: map[string]int{},
		signIns: newSignIns(), demands: newDemands(),
	}
	b.keys = []key{newKey()}
	b.mount()
	b.listen(s.memory)
	return b
}

func newKey() key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	return key{rand.Text(), private}
}

func (b *Broker) listen(memory bool) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	var listener net.Listener
	var err error
	if memory {
		p := newPipes()
		listener, transport.DialContext, b.URL = p, p.dial, "http://localhost"
	} else if listener, err = (&net.ListenConfig{}).Listen(b.t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		b.t.Fatalf("guardtest: %v", err)
	} else {
		b.URL = "http://" + listener.Addr().String()
	}
	b.client = &http.Client{Transport: transport}
	server := &http.Server{Handler: http.HandlerFunc(b.serve), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // until Close
	}()
	b.t.Cleanup(func() {
		b.Down()
		_ = server.Close() // in a test's cleanup nobody is left to tell
		<-done
		transport.CloseIdleConnections()
	})
}

// Client is an HTTP client that reaches the broker.
func (b *Broker) Client() *http.Client { return b.client }

// Config is a configuration for a guard of this broker's app.
func (b *Broker) Config() guard.Config {
	return guard.Config{Issuer: b.URL, Audience: Audience, ClientID: ClientID, ClientSecret: ClientSecret, HTTPClient: b.client}
}

// APIConfig is [Broker.Config] with a client that is not the one which agents sign in
// with: LoginConfig then has a client of its own.
func (b *Broker) APIConfig() guard.Config {
	c := b.Config()
	c.ClientID = APIClientID
	return c
}

// Handle adds an endpoint that a test needs besides.
func (b *Broker) Handle(pattern string, h http.Handler) { b.mux.Handle(pattern, h) }

// serve counts, and then is as well as it is told to be.
func (b *Broker) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.seen[r.URL.Path]++
	fail := b.fails[r.URL.Path]
	b.mu.Unlock()
	if !b.await(r.Context()) {
		panic(http.ErrAbortHandler)
	}
	if fail != 0 {
		http.Error(w, `{"error":"as_the_test_wants"}`, fail)
		return
	}
	b.mux.ServeHTTP(w, r)
}

// await waits while the broker is paused; false where it is down.
func (b *Broker) await(ctx context.Context) bool {
	for {
		b.mu.Lock()
		mode, changed := b.mode, b.changed
		b.mu.Unlock()
		if mode != paused {
			return mode == up
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// change changes something and wakes who follows.
func (b *Broker) change(how func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	how()
	close(b.changed)
	b.changed = make(chan struct{})
}

// Pause makes the broker a black hole: it takes requests and sends nothing more.
func (b *Broker) Pause() { b.change(func() { b.mode = paused }) }

// Down cuts all streams and refuses all requests.
func (b *Broker) Down() { b.change(func() { b.mode = down }) }

// Up ends Pause and Down.
func (b *Broker) Up() { b.change(func() { b.mode = up }) }

// StopFresh stops the confirmations on streams, as of a node that cannot read its
// database. Endings still come.
func (b *Broker) StopFresh() { b.change(func() { b.silent = true }) }

// StartFresh ends StopFresh.
func (b *Broker) StartFresh() { b.change(func() { b.silent = false }) }

// Fail answers all requests to a path with a status; 0 ends that.
func (b *Broker) Fail(path string, status int) {
	b.change(func() { b.fails[path] = status })
}

// Requests counts the requests to a path, such as /jwks.
func (b *Broker) Requests(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[path]
}

// ForgetRequests begins to count anew.
func (b *Broker) ForgetRequests() {
	b.change(func() { maps.DeleteFunc(b.seen, func(string, int) bool { return true }) })
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // nobody to tell, if not there
}
