package revocation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

// Limits of calling an app back.
const (
	callTimeout   = 5 * time.Second
	callsPerApp   = 16               // at once, on one node; apps do not wait for one another
	callLease     = 15 * time.Second // after which another node may repeat a call whose outcome is not known
	maxCallReply  = 64 << 10         // bytes of a body and of headers; nothing in them is looked at
	callLook      = 250 * time.Millisecond
	keptOpenAtAll = 64 // connections
)

// pauses are those between the first tries of a call: at 0, 0.2, 0.5, 1, 2 and
// 5 seconds. From then on there is one every lastPause, until the session would
// have ended by itself: no token of it is alive after that.
var pauses = []time.Duration{200 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, time.Second, 3 * time.Second}

const lastPause = 5 * time.Second

// What becomes of a call.
const (
	Delivered = "delivered" // the app has taken it
	Failed    = "failed"    // it will be tried again
	GivenUp   = "given_up"
)

// Logouts calls back each app that held a token of an ended session and wants
// to be told so (OpenID Connect Back-Channel Logout 1.0). Which calls are
// outstanding stands in the database, with the ending, so none is lost with a
// node; a node takes a call for as long as a lease. An app may be called twice
// for one ending, never with the same token. Every field without a default is
// set before Run.
type Logouts struct {
	Store *store.Store
	// URIs are the backchannel_logout_uri of the clients that have one, from the
	// configuration and nowhere else.
	URIs map[string]string
	// Token makes the logout token of a session for a client.
	Token func(ctx context.Context, s credentials.Session, client string) (string, error)
	// Wake gives a channel that is closed when there may be a new ending. Nil: a
	// look every quarter of a second must do.
	Wake func() <-chan struct{}
	// Count is told what became of each call; nil: nobody counts.
	Count func(outcome string)
	// Transport sends the calls; nil: over the network.
	Transport http.RoundTripper
	Now       func() time.Time
	Log       *slog.Logger
}

// Run calls apps back until ctx ends. Calls that are under way then come to
// their end first.
func (l *Logouts) Run(ctx context.Context) error {
	if len(l.URIs) == 0 {
		<-ctx.Done()
		return nil
	}
	c := &calls{Logouts: l, busy: map[string]int{}, done: make(chan struct{}, 1), client: newCallClient(l.Transport)}
	defer c.client.CloseIdleConnections()
	defer c.under.Wait()
	for failing := false; ; {
		woken := c.wake()
		wait, err := c.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			l.Log.Error("who is to be called back cannot be read: apps are told of endings later", "error", err)
		case err == nil && wait == 0:
			continue
		}
		if failing = err != nil; failing {
			wait = callLook
		}
		timer := time.NewTimer(wait)
		select {
		case <-woken:
		case <-c.done:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (l *Logouts) wake() <-chan struct{} {
	if l.Wake == nil {
		return nil
	}
	return l.Wake()
}

// newCallClient makes what calls apps. It follows no redirects: where they are is in
// the configuration. It believes no proxy but the operator's.
func newCallClient(t http.RoundTripper) *http.Client {
	if t == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxResponseHeaderBytes, own.MaxIdleConnsPerHost, own.MaxIdleConns = maxCallReply, callsPerApp, keptOpenAtAll
		t = own
	}
	return &http.Client{Timeout: callTimeout, Transport: t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// calls is one run of the job.
type calls struct {
	*Logouts
	client *http.Client
	under  sync.WaitGroup
	done   chan struct{} // a call has come to its end

	mu   sync.Mutex
	busy map[string]int // calls under way, by client
}

// look takes what is due and begins it. It returns how long there is nothing
// more to begin; 0: look again at once.
func (c *calls) look(ctx context.Context) (time.Duration, error) {
	pending, err := c.Store.PendingLogouts(ctx)
	if err != nil {
		return 0, err
	}
	wait, now := callLook, c.Now()
	for client, next := range pending {
		uri, places := c.URIs[client], c.places(client)
		if uri == "" || places == 0 {
			continue // configured no more; or the end of one of its calls is waited for
		}
		if next.After(now) {
			wait = min(wait, next.Sub(now))
			continue
		}
		jobs, err := c.Store.ClaimLogouts(ctx, client, callLease, places)
		if err != nil {
			return 0, err
		}
		for _, job := range jobs {
			c.begin(ctx, uri, job)
		}
		if len(jobs) > 0 {
			wait = 0
		}
	}
	return wait, nil
}

// places is how many more calls of a client may be under way.
func (c *calls) places(client string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return callsPerApp - c.busy[client]
}

func (c *calls) count(client string, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy[client] += by
}

// begin makes one call beside the others. It is not cut short with ctx.
func (c *calls) begin(ctx context.Context, uri string, job store.Logout) {
	c.count(job.Client, 1)
	c.under.Go(func() {
		c.deliver(context.WithoutCancel(ctx), uri, job)
		c.count(job.Client, -1)
		select {
		case c.done <- struct{}{}:
		default:
		}
	})
}

// deliver makes one call and writes down what became of it. What cannot be
// written down is repeated when the lease is over.
func (c *calls) deliver(ctx context.Context, uri string, job store.Logout) {
	begun := c.Now()
	log := c.Log.With("client", job.Client, "sid", job.SID, "tries", job.Tries)
	err := c.call(ctx, uri, job)
	if err == nil {
		defer c.counted(Delivered)
		if err = c.Store.LogoutDone(ctx, job, c.Now()); err != nil {
			log.Error("an app was called back, which could not be written down; it will be called again", "error", err)
		}
		return
	}
	next, outcome := nextTry(begun, job), Failed
	switch {
	case next.IsZero():
		outcome = GivenUp
		log.Error("an app was not told of an ending, and is called back no more: no token of the session is alive", "error", err)
	case job.Tries == 1:
		log.Warn("an app could not be called back; it is tried again until no token of the session is alive", "error", err)
	default:
		log.Debug("an app could not be called back", "error", err)
	}
	defer c.counted(outcome)
	if err := c.Store.PutOffLogout(ctx, job, next); err != nil {
		log.Error("what became of calling an app back could not be written down", "error", err)
	}
}

func (c *calls) counted(outcome string) {
	if c.Count != nil {
		c.Count(outcome)
	}
}

// nextTry is when a call that failed is tried again; the zero time: no more.
// The first tries are made even where the session would be over.
func nextTry(begun time.Time, job store.Logout) time.Time {
	if job.Tries <= len(pauses) {
		return begun.Add(pauses[job.Tries-1])
	}
	if next := begun.Add(lastPause); !next.After(job.Until) {
		return next
	}
	return time.Time{}
}

// errRefused says that the app answered something else than that it has taken
// the token.
var errRefused = errors.New("the app did not take it")

// call sends a logout token, a new one each time: an app may remember those it
// has seen. Any 2xx is the app's word; everything else may pass.
func (c *calls) call(ctx context.Context, uri string, job store.Logout) error {
	session, err := c.Store.Session(ctx, job.SID)
	if err != nil {
		return err
	}
	token, err := c.Token(ctx, session, job.Client)
	if err != nil {
		return err
	}
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "valetkey")
	answer, err := c.client.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxCallReply) // so that the connection can be used again
	_ = answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("%w: %s", errRefused, answer.Status)
	}
	return nil
}
