package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/bench/internal/rig"
	"github.com/valetkey/valetkey/guard"
)

// app is one instance of the relying app: its guard, and a handler behind it.
type app struct {
	turn    atomic.Pointer[turn] // looked at whenever the guard reads its clock: see now
	guard   *guard.Guard
	handler http.Handler
	watch   *watch
	known   []*guard.Session // of the row
	refused []time.Time      // since when each is
}

// answer is what a request came to, without the work of writing a response.
type answer struct {
	session *guard.Session
	refusal *guard.Refusal
	header  http.Header
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }
func (a *answer) WriteHeader(int)             {}

// newApp connects an instance to a node. The transport leads to that node,
// whatever name it is asked for: the issuer's is the same for all.
func newApp(ctx context.Context, b *rig.Broker, transport http.RoundTripper, name string) (*app, error) {
	a := &app{}
	g, err := guard.New(ctx, guard.Config{
		Issuer: b.Issuer, Audience: "https://docs.bench.example/api", ClientID: "docs-api", ClientSecret: b.Secret, Instance: name,
		HTTPClient: &http.Client{Transport: transport}, Logger: slog.New(slog.DiscardHandler), Now: a.now,
		Refuse: func(w http.ResponseWriter, _ *http.Request, f *guard.Refusal) { w.(*answer).refusal = f },
	})
	if err != nil {
		return nil, err
	}
	a.guard = g
	a.handler = g.Wrap(g.Open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(*answer).session, _ = guard.SessionFrom(r.Context())
	})), nil)
	return a, nil
}

// ask sends a request through the app's handler.
func (a *app) ask(r *http.Request) answer {
	var got answer
	a.handler.ServeHTTP(&got, r)
	return got
}

// enter asks until the app knows enough to let the session in.
func (a *app) enter(ctx context.Context, r *http.Request) (*guard.Session, error) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		got := a.ask(r)
		switch {
		case got.session != nil:
			return got.session, nil
		case got.refusal == nil:
			return nil, fmt.Errorf("a request was neither refused nor served")
		case got.refusal.Status != http.StatusServiceUnavailable:
			return nil, fmt.Errorf("a guard refuses a live session: %w", got.refusal)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// transportTo makes connections to one node.
func transportTo(b *rig.Broker) *http.Transport {
	address := strings.TrimPrefix(b.At, "http://")
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
		},
		MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Second, DisableCompression: true,
	}
}

// connect connects every guard, and says what a stream costs the first node.
func (c *course) connect(ctx context.Context) error {
	before := c.settled(ctx)
	transports := make([]*http.Transport, len(c.nodes))
	for i, b := range c.nodes {
		transports[i] = transportTo(b)
	}
	for i := range c.guards {
		a, err := newApp(ctx, c.nodes[i%len(c.nodes)], transports[i%len(c.nodes)], fmt.Sprintf("instance-%d", i))
		if err != nil {
			return err
		}
		c.apps = append(c.apps, a)
	}
	s, err := c.signIn(ctx)
	if err == nil {
		err = c.all(func(a *app) error { _, err := a.enter(ctx, s.request); return err })
	}
	if err != nil {
		return err
	}
	after := c.settled(ctx)
	streams := (len(c.apps) + len(c.nodes) - 1) / len(c.nodes)
	fmt.Printf("%-9s %5d  the first node's memory, without guards %.1f MiB, with %d %.1f MiB: %.1f KiB each\n", c.database, len(c.nodes),
		rig.Mebibytes(before), streams, rig.Mebibytes(after), float64(after-before)/1024/float64(streams))
	return nil
}

// settled is the first node's memory once it has had some quiet time.
func (c *course) settled(ctx context.Context) int64 {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return c.nodes[0].Memory()
}

// all does something with every app, on all processors.
func (c *course) all(f func(*app) error) error {
	var wait sync.WaitGroup
	var mu sync.Mutex
	var first error
	for _, a := range c.apps {
		wait.Go(func() {
			if err := f(a); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	wait.Wait()
	return first
}

func (c *course) close() { _ = c.all(func(a *app) error { return a.guard.Close() }) }
