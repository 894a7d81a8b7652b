package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

const header = "database  mode                 clients      per second     p50 ms     p99 ms   broker CPU ms   database CPU ms   commits  statements"

// warmUp is how long each row runs before it is measured.
const warmUp = 300 * time.Millisecond

// row measures one mode with so many clients and prints it.
func row(ctx context.Context, p plan, b *rig.Broker, m mode, n int) error {
	clients := make([]*rig.Client, n)
	for i := range clients {
		clients[i] = rig.NewClient(b, fmt.Sprintf("%s-%d-%d", m.name, n, i), i)
		defer clients[i].Close()
	}
	if m.prepare != nil {
		if err := together(clients, func(c *rig.Client) error { return m.prepare(ctx, c) }); err != nil {
			return err
		}
	}
	if _, err := loop(ctx, clients, m, warmUp); err != nil {
		return err
	}
	before := b.Usage()
	begun := time.Now()
	took, err := loop(ctx, clients, m, p.during)
	if err != nil {
		return err
	}
	elapsed := time.Since(begun)
	used := b.Usage().Minus(before)
	slices.Sort(took)
	ops := float64(len(took))
	fmt.Printf("%-9s %-20s %7d %15.0f %10.2f %10.2f %15.3f %17.3f %9.2f %11.2f\n", b.DB.Name, m.name, n, ops/elapsed.Seconds(),
		rig.Milliseconds(took[len(took)/2]), rig.Milliseconds(took[len(took)*99/100]), rig.Milliseconds(used.Broker)/ops, rig.Milliseconds(used.Database)/ops, float64(used.Commits)/ops, float64(used.Statements)/ops)
	return nil
}

// loop has every client do the mode's operation again and again for a while, and
// returns how long each took. The first error ends it.
func loop(ctx context.Context, clients []*rig.Client, m mode, during time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, during+time.Minute)
	defer cancel()
	var mu sync.Mutex
	var all []time.Duration
	until := time.Now().Add(during)
	err := together(clients, func(c *rig.Client) error {
		var took []time.Duration
		for time.Now().Before(until) {
			begun := time.Now()
			if err := m.do(ctx, c); err != nil {
				return err
			}
			took = append(took, time.Since(begun))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, took...)
		return nil
	})
	if err == nil && len(all) == 0 {
		err = errors.New("nothing came to an end in time")
	}
	return all, err
}

func together(clients []*rig.Client, f func(*rig.Client) error) error {
	var wait sync.WaitGroup
	errs := make([]error, len(clients))
	for i, c := range clients {
		wait.Go(func() { errs[i] = f(c) })
	}
	wait.Wait()
	return errors.Join(errs...)
}
