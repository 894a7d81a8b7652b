package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// worker is one of those that ask a server at the same time.
type worker struct {
	*rig.Visitor
	forms  [][]string
	tokens rig.Tokens
}

// mode is one thing that workers do again and again.
type mode struct {
	name    string
	site    func(*rig.Site) *rig.Site // as it is seen for that; nil: it is not offered
	session bool                      // it needs a session
	do      func(context.Context, *worker) error
}

var modes = []mode{
	{"signin", func(s *rig.Site) *rig.Site { return s }, false, func(ctx context.Context, w *worker) error { return w.enter(ctx) }},
	{"client_credentials", func(s *rig.Site) *rig.Site { return offered(s, s.Machine) }, false, func(ctx context.Context, w *worker) error {
		_, err := w.APIToken(ctx, w.Site.Machine)
		return err
	}},
	{"introspection", func(s *rig.Site) *rig.Site { return offered(s, s.Asker) }, true, func(ctx context.Context, w *worker) error {
		active, err := w.Active(ctx, w.tokens.Access)
		if err == nil && !active {
			err = errors.New("introspection calls a live token dead")
		}
		return err
	}},
	{"refresh", func(s *rig.Site) *rig.Site { return s.Offline }, true, func(ctx context.Context, w *worker) (err error) {
		w.tokens, err = w.Refresh(ctx, w.tokens)
		return err
	}},
}

func offered(s *rig.Site, a rig.App) *rig.Site {
	if a.ID == "" {
		return nil
	}
	return s
}

func (w *worker) enter(ctx context.Context) (err error) {
	w.tokens, err = w.SignIn(ctx, rig.Jar{}, w.forms)
	return err
}

// prepareTries is how often a session is asked for that is not measured, at a
// server whose transactions clash.
const prepareTries = 10

func (w *worker) prepare(ctx context.Context, clashes bool) (err error) {
	for range prepareTries {
		if err = w.enter(ctx); err == nil || !clashes {
			return err
		}
	}
	return err
}

// most is the share of a peer's replies in a round that may be failures: with more,
// the round is not compared.
const most = 1.0 / 3

// compare measures one mode at every server that offers it, in rounds, prints the
// table, and returns how the broker compares.
func compare(ctx context.Context, p plan, all []*server, m mode, n int) ([]string, error) {
	var taking []*server
	for _, s := range all {
		if m.site(s.site) != nil {
			taking = append(taking, s)
		}
	}
	got := results{}
	for round := range p.rounds {
		order := slices.Clone(taking)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			measured, err := measure(ctx, p, s, m, n)
			if err != nil {
				return nil, fmt.Errorf("%s of %s with %d clients: %w\nit said %s", m.name, s.name, n, err, s.process().Said())
			}
			got[s] = append(got[s], measured)
		}
	}
	got.print(m, n, taking)
	return got.beside(n, taking), nil
}

// measure has new workers do it for one round.
func measure(ctx context.Context, p plan, s *server, m mode, n int) (rig.Measured, error) {
	workers, visitors := make([]*worker, n), make([]*rig.Visitor, n)
	err := rig.Together(n, func(i int) (err error) {
		workers[i] = &worker{Visitor: rig.NewVisitor(m.site(s.site)), forms: s.forms}
		visitors[i] = workers[i].Visitor
		if s.broker != nil {
			workers[i].forms, err = lent(ctx, s.broker, i)
		}
		if err == nil && m.session {
			err = workers[i].prepare(ctx, s.clashes)
		}
		return err
	})
	for _, w := range workers {
		defer w.Close()
	}
	if err != nil {
		return rig.Measured{}, err
	}
	return rig.Measure(ctx, visitors, p.during, s.usage, func(ctx context.Context, i int) error {
		err := m.do(ctx, workers[i])
		if err != nil && s.clashes && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", rig.ErrCounted, err)
		}
		return err
	})
}

// lent mints a temporary login at the broker, which is what peers' people have
// from the beginning.
func lent(ctx context.Context, b *rig.Broker, i int) ([][]string, error) {
	c := rig.NewClient(b, fmt.Sprintf("peers-%d-%d", time.Now().UnixNano(), i), i)
	defer c.Close()
	minted, err := c.Mint(ctx, "holder")
	return minted.Forms(), err
}
