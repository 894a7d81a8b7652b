package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/valetkey/valetkey/bench/internal/past"
	"github.com/valetkey/valetkey/bench/internal/rig"
)

// room is what a full-sized past of both engines takes on the disk, with what
// they need while it is made.
const room = 15 << 30

// pair is one engine's broker with a past, and one that only has the accounts.
type pair struct {
	name         string
	young, grown *rig.Broker
	close        []func()
}

// compare measures every mode with a past beside the same without one. All
// databases are filled at the same time.
func compare(ctx context.Context, p plan, dir, program string) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return err
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < room { //nolint:gosec // blocks of a disk
		return fmt.Errorf("there are %.1f GiB free beside %s, and %d are needed: make room, or name another folder with TMPDIR", rig.Mebibytes(free)/1024, dir, room>>30)
	}
	fmt.Printf("%s, ID tokens %s; %d accounts, one in a hundred of them hot; the past: %d dead credentials with their sessions, %d entries in the record\n",
		rig.Machine(), p.alg, p.past.Accounts, p.past.Credentials, p.past.Entries)
	pairs := make([]*pair, len(p.databases))
	defer func() {
		for _, each := range pairs {
			for i := len(each.close) - 1; i >= 0; i-- {
				each.close[i]()
			}
		}
	}()
	for i, name := range p.databases {
		pairs[i] = &pair{name: name}
	}
	begun := time.Now()
	if err := rig.Together(2*len(pairs), func(i int) error { return pairs[i/2].start(ctx, p, program, i%2 == 1) }); err != nil {
		return err
	}
	fmt.Printf("filled in %v\n", time.Since(begun).Round(time.Second))
	for _, each := range pairs {
		fmt.Printf("%-9s %.0f MiB with the past, %.0f MiB without; start to ready %v and %v\n", each.name, rig.Mebibytes(each.grown.Size()), rig.Mebibytes(each.young.Size()),
			each.grown.Took.Round(time.Millisecond), each.young.Took.Round(time.Millisecond))
	}
	return table(ctx, p, pairs)
}

var mu sync.Mutex // of pairs' close, and of what is printed while they are filled

// start makes one of the two, and fills it.
func (each *pair) start(ctx context.Context, p plan, program string, grown bool) error {
	b, err := rig.Install(program, each.name, p.alg)
	if err != nil {
		return err
	}
	mu.Lock()
	each.close = append(each.close, b.Remove)
	if grown {
		each.grown = b
	} else {
		each.young = b
	}
	mu.Unlock()
	err = fill(ctx, b, p.past, !grown, func(what string, took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if grown {
			fmt.Printf("%-9s %s: %v\n", each.name, what, took.Round(100*time.Millisecond))
		}
	})
	if err != nil {
		return err
	}
	return b.Start(ctx)
}

// fill has the program make an empty database, and fills that while it does not
// run.
func fill(ctx context.Context, b *rig.Broker, with past.Past, accountsOnly bool, told func(what string, took time.Duration)) error {
	if err := errors.Join(b.Start(ctx), b.Stop()); err != nil {
		return err
	}
	at, err := b.SQL(ctx)
	if err != nil {
		return err
	}
	return errors.Join(with.Fill(ctx, at, b.DB.DSN != "", accountsOnly, told), at.Close())
}

// table measures the two of each pair in turns, in one order and then in the
// other, and prints the medians.
func table(ctx context.Context, p plan, pairs []*pair) error {
	fmt.Printf("\n%-9s %-20s %7s %14s %14s %8s %12s %12s %8s\n", "database", "mode", "clients", "a second", "with the past", "ratio", "CPU ms", "with the past", "ratio")
	for _, each := range pairs {
		for _, m := range p.modes() {
			for _, n := range p.clients {
				if err := each.row(ctx, p, m, n); err != nil {
					return fmt.Errorf("%s, %s with %d clients: %w", each.name, m.name, n, err)
				}
			}
		}
	}
	fmt.Printf("\nload at the end %s\n", rig.Load())
	return nil
}

func (each *pair) row(ctx context.Context, p plan, m mode, n int) error {
	var rates, costs [2][]float64
	var ratios, dearer []float64
	for round := range p.rounds {
		for _, k := range [...][2]int{{0, 1}, {1, 0}}[round%2] {
			got, err := measured(ctx, p, [...]*rig.Broker{each.young, each.grown}[k], m, n, p.accounts)
			if err != nil {
				return err
			}
			rates[k], costs[k] = append(rates[k], got.Rate), append(costs[k], rig.Milliseconds(got.Server+got.Database))
		}
		ratios = append(ratios, rates[1][round]/rates[0][round])
		dearer = append(dearer, costs[1][round]/costs[0][round])
	}
	fmt.Printf("%-9s %-20s %7d %14.0f %14.0f %8.2f %12.3f %12.3f %8.2f\n", each.name, m.name, n, rig.Median(rates[0]), rig.Median(rates[1]), rig.Median(ratios),
		rig.Median(costs[0]), rig.Median(costs[1]), rig.Median(dearer))
	return nil
}

// accounts gives each client accounts of its own, one after the other. The first
// one of every second client is hot.
func (p plan) accounts(client int) func(int) string {
	share := p.past.Accounts / rig.MaxClients
	first := client * share / 100 * 100
	if client%2 == 0 {
		first += past.Hot
	}
	return func(n int) string { return past.Account(first + (n-1)%(share-past.Hot)) }
}
