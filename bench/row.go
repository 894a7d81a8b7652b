package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

const header = "database  mode                 clients      per second     p50 ms     p99 ms   broker CPU ms   database CPU ms  generator CPU ms   commits  statements"

// row measures one mode with so many clients and prints it.
func row(ctx context.Context, p plan, b *rig.Broker, m mode, n int) error {
	got, err := measured(ctx, p, b, m, n, nil)
	if err != nil {
		return err
	}
	fmt.Printf("%-9s %-20s %7d %15.0f %10.2f %10.2f %15.3f %17.3f %17.3f %9.2f %11.2f\n", b.DB.Name, m.name, n, got.Rate, rig.Milliseconds(got.P50),
		rig.Milliseconds(got.P99), rig.Milliseconds(got.Server), rig.Milliseconds(got.Database), rig.Milliseconds(got.Generator), got.Commits, got.Statements)
	return nil
}

// atOnce is how many prepare themselves at the same time: the broker lets thirty
// local people of one address be about to sign in.
const atOnce = 16

// measured measures one mode with so many clients, whose accounts may be chosen.
func measured(ctx context.Context, p plan, b *rig.Broker, m mode, n int, accounts func(client int) func(n int) string) (rig.Measured, error) {
	clients, visitors := make([]*rig.Client, n), make([]*rig.Visitor, n)
	for i := range clients {
		clients[i] = rig.NewClient(b, fmt.Sprintf("%s-%dx%d", m.name, n, i), i)
		visitors[i] = clients[i].Visitor
		defer clients[i].Close()
		if accounts != nil {
			clients[i].Account = accounts(i)
		}
	}
	if m.prepare != nil {
		var group errgroup.Group
		group.SetLimit(atOnce)
		for _, c := range clients {
			group.Go(func() error { return m.prepare(ctx, c) })
		}
		if err := group.Wait(); err != nil {
			return rig.Measured{}, err
		}
	}
	return rig.Measure(ctx, visitors, p.during, b.Usage, func(ctx context.Context, i int) error { return m.do(ctx, clients[i]) })
}
