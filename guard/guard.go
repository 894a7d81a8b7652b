package guard

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// Config says who the app is and whom it trusts. Issuer, Audience, ClientID and
// ClientSecret, or a Key instead, are required; everything else has a default that
// is safe.
type Config struct {
	Issuer   string // the broker, as its configuration writes it: https, or http on loopback
	Audience string // the aud of this app's access tokens
	// ClientID is that of a client with that audience, grants: [client_credentials],
	// api: [endings.read, actions.write]. It cannot have require.dpop; the client of a
	// [Login] can, and then is another one.
	ClientID     string
	ClientSecret string
	// Key proves who the client is in place of a ClientSecret (private_key_jwt, RFC
	// 7523): P-256, Ed25519 or RSA, which signs by PS256. It may lie elsewhere, such as
	// in a key management service. Its public part is in the client's jwks; KeyID is
	// its kid there, if it has one. Nobody waits for a signature for longer than 5 s.
	Key   crypto.Signer
	KeyID string

	// MaxStaleness is how old the knowledge of endings may be; when it is older
	// the broker is asked about each request. Default 10 s, at most 2 min. The
	// broker confirms every 2 s, so that less than some 3 s asks often.
	MaxStaleness time.Duration
	// Instance names this process among the app's instances: 1 to 100 characters.
	// Default random.
	Instance string
	// Record says when an action is written to the record; default Before.
	Record Recording
	// BaseURL is the app's origin as its callers see it, such as
	// https://docs.northwind.example. It is needed for DPoP; without it (and URL)
	// tokens that are bound to a key are refused. Nothing is ever taken from Host
	// or X-Forwarded-* headers.
	BaseURL string
	// URL returns the address that a request was sent to, without its query,
	// where BaseURL and the request's path do not say it.
	URL func(*http.Request) string
	// Refuse answers a request that guard refuses; default [Refusal.ServeHTTP].
	Refuse func(http.ResponseWriter, *http.Request, *Refusal)
	// Keys are the broker's public keys; default: those it publishes.
	Keys KeySet

	HTTPClient *http.Client     // only its Transport is used, default one of the guard's own; redirects are never followed
	Logger     *slog.Logger     // default slog.Default()
	Now        func() time.Time // the wall clock, for tests; default time.Now
}

// Recording says when an action is written to the customer's record.
type Recording int

const (
	// Before writes the action first and runs the handler only once it is written.
	Before Recording = iota
	// Async runs the handler at once and writes soon after: up to some thousand
	// actions are lost if the process dies. When its queue is full it is Before.
	Async
)

// Guard lets support sessions into an app. It is made by [New], is safe for
// concurrent use, and lives as long as the app.
type Guard struct {
	cfg    Config
	log    *slog.Logger
	app    client
	client *http.Client // for requests
	stream *http.Client // for the feed, which has no end
	clock  *clock
	keys   KeySet

	// What an ending changes lies together: see watch.
	ledger   ledger
	position position
	acks     *acks

	discovery discovery
	token     apiToken
	cache     cache
	fresh     atomic.Pointer[instant] // every ending up to then is applied
	proofs    proofs
	actions   *queue
	asking    chan struct{}               // bounds introspections at a time
	source    atomic.Pointer[tokenSource] // see carry

	life   context.Context
	stop   context.CancelCauseFunc
	mu     sync.Mutex // guards closed with the beginning of work
	closed bool
	work   sync.WaitGroup
}

// errClosed is the cause of what ends because the guard was closed.
var errClosed = &Refusal{http.StatusServiceUnavailable, "unknown_freshness", "the app is shutting down", "", nil}

// New begins to follow the broker's endings. It does not wait for the broker: an
// app starts without it, and answers support sessions 503 until it is there.
// When the context ends, so does the guard, as with Close: it is the app's, and not
// that of a request or of a start-up with a time limit.
func New(ctx context.Context, cfg Config) (*Guard, error) {
	return newGuard(ctx, cfg, newClock(cfg.Now))
}

func newGuard(ctx context.Context, cfg Config, c *clock) (*Guard, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	app, err := newClient(cfg.ClientID, cfg.ClientSecret, cfg.Key, cfg.KeyID)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	g := &Guard{
		cfg: cfg, app: app, log: cfg.Logger, clock: c, keys: cfg.Keys,
		client: newTransport(cfg.HTTPClient, timeout), stream: newStream(cfg.HTTPClient),
		actions: newQueue(), acks: newAcks(), asking: make(chan struct{}, maxAsking),
	}
	g.ledger.g, g.cache.g, g.cache.most = g, g, maxCached
	if g.keys == nil {
		g.keys = &remoteKeys{g: g}
	}
	g.life, g.stop = context.WithCancelCause(ctx)
	g.start(g.follow)
	g.start(g.acknowledge)
	g.start(g.report)
	g.start(g.rest)
	return g, nil
}

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	if _, err := origin(c.Issuer); err != nil || strings.HasSuffix(c.Issuer, "/") {
		return errors.Join(fmt.Errorf("the Issuer %q is to be the broker's URL without a slash at the end", c.Issuer), err)
	}
	if c.Instance == "" {
		c.Instance = rand.Text()
	}
	switch {
	case c.Audience == "" || c.ClientID == "" || c.ClientSecret == "" && c.Key == nil:
		return errors.New("an Audience, a ClientID and a ClientSecret (or a Key) are required: those of the app's client in the broker's configuration")
	case c.MaxStaleness < 0 || c.MaxStaleness > replayMargin:
		return fmt.Errorf("the MaxStaleness is %s, and can be %s at most", c.MaxStaleness, replayMargin)
	case !utf8.ValidString(c.Instance) || utf8.RuneCountInString(c.Instance) > 100 || strings.ContainsFunc(c.Instance, unseen):
		return errors.New("an Instance is to have 1 to 100 characters, none of which controls or turns around what is written")
	case c.Record != Before && c.Record != Async:
		return errors.New("the Record is to be Before or Async")
	}
	if c.BaseURL != "" {
		if _, err := origin(c.BaseURL); err != nil {
			return fmt.Errorf("the BaseURL: %w", err)
		}
	}
	if c.MaxStaleness == 0 {
		c.MaxStaleness = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Refuse == nil {
		c.Refuse = func(w http.ResponseWriter, r *http.Request, f *Refusal) { f.ServeHTTP(w, r) }
	}
	return nil
}

// unseen are characters that the broker takes in no name.
func unseen(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) }

// start runs work that Close waits for; false says that it is too late.
func (g *Guard) start(work func(context.Context)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.life.Err() != nil {
		return false
	}
	g.work.Go(func() { work(g.life) })
	return true
}

// Close stops following endings, ends the requests of all support sessions, and
// writes what is left to be recorded, for at most 5 s. When it returns nothing of
// the guard runs any more, and support sessions are answered 503.
func (g *Guard) Close() error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.stop(errClosed)
	g.work.Wait()
	g.client.CloseIdleConnections()
	g.stream.CloseIdleConnections()
	return nil
}

// rest waits for the end and lets go of what the guard holds. An end that nobody
// asked for by Close would else be found out by the agents alone.
func (g *Guard) rest(ctx context.Context) {
	<-ctx.Done()
	g.mu.Lock()
	meant := g.closed
	g.mu.Unlock()
	if !meant {
		g.log.WarnContext(ctx, "guard: the context that New was given has ended, and the guard with it: support sessions are refused from now on."+
			" If the app goes on, give New a context that lasts as long as the app does", "cause", context.Cause(ctx))
	}
	g.ledger.close()
	g.fresh.Store(nil)
}

// carry sets where else than in the Authorization header a support token is
// found, before the guard serves; false says that something else has said so.
func (g *Guard) carry(source tokenSource) bool { return g.source.CompareAndSwap(nil, &source) }

// tokenSource finds the support token that a browser carries, and knows the keys
// that such tokens may be bound to.
type tokenSource struct {
	find  func(*http.Request) (raw string, found bool)
	holds func(jkt string) bool
}
