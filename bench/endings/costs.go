package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	rounds     = 3
	newTokens  = 20 // of each round
	again      = 100_000
	verified   = 500
	introspect = 200
)

// costs compares what a request costs: guard's whole middleware with a token that
// it has not seen and with one that it has, go-oidc's verifier, which remembers
// nothing, and introspection. They take turns; the medians are printed.
func (c *course) costs(ctx context.Context) error {
	transport := transportTo(c.nodes[0])
	defer transport.CloseIdleConnections()
	a, err := newApp(ctx, c.nodes[0], transport, "costs")
	if err != nil {
		return err
	}
	defer func() { _ = a.guard.Close() }()
	first, err := c.signIn(ctx)
	if err == nil {
		_, err = a.enter(ctx, first.request) // with the keys fetched, and the endings known
	}
	if err != nil {
		return err
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, &http.Client{Transport: transport}), c.nodes[0].Issuer+"/jwks")
	verifier := oidc.NewVerifier(c.nodes[0].Issuer, keys, &oidc.Config{ClientID: "https://docs.bench.example/api", SupportedSigningAlgs: []string{"ES256"}})
	var took [4][]time.Duration
	for range rounds {
		var fresh []*session
		for range newTokens {
			s, err := c.signIn(ctx)
			if err != nil {
				return err
			}
			defer s.client.Close()
			fresh = append(fresh, s)
		}
		raw := first.client.Session.Access
		for i, work := range []struct {
			n  int
			do func(i int) error
		}{
			{newTokens, func(i int) error { return a.let(fresh[i].request) }},
			{again, func(int) error { return a.let(first.request) }},
			{verified, func(int) error { _, err := verifier.Verify(ctx, raw); return err }},
			{introspect, func(int) error {
				active, err := first.client.Active(ctx, raw)
				if err == nil && !active {
					err = errors.New("introspection calls a live session dead")
				}
				return err
			}},
		} {
			each, err := timed(work.n, work.do)
			if err != nil {
				return err
			}
			took[i] = append(took[i], each)
		}
	}
	var m [4]float64
	for i := range took {
		slices.Sort(took[i])
		m[i] = float64(took[i][rounds/2]) / float64(time.Microsecond)
	}
	fmt.Printf("a request through guard, µs: new token %.1f, seen before %.2f; go-oidc's verifier %.1f; introspection %.0f: seen before is %.0f times cheaper than go-oidc, %.0f times than introspection\n",
		m[0], m[1], m[2], m[3], m[2]/m[1], m[3]/m[1])
	return nil
}

// let wants a request to be let in.
func (a *app) let(r *http.Request) error {
	if got := a.ask(r); got.session == nil {
		return fmt.Errorf("a guard refuses a live session: %w", got.refusal)
	}
	return nil
}

// timed is how long one of n takes.
func timed(n int, do func(int) error) (time.Duration, error) {
	begun := time.Now()
	for i := range n {
		if err := do(i); err != nil {
			return 0, err
		}
	}
	return time.Since(begun) / time.Duration(n), nil
}
