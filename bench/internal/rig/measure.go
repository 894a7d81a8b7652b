package rig

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// warmUp is how long everything runs before it is measured.
const warmUp = 300 * time.Millisecond

// ErrCounted marks an error that does not end a measurement: it is counted, and
// what failed is not.
var ErrCounted = errors.New("it failed")

// Measured is what so many did, each one thing after the other.
type Measured struct {
	Rate                float64       // a second
	P50, P99            time.Duration // of one
	Server, Database    time.Duration // of processor, for one
	Generator           time.Duration // of processor, that all of this process took for one
	Commits, Statements float64       // of one
	Failed              float64       // share of those that were begun
}

// Measure has visitors do something again and again for a while. The first error
// ends it. The ID tokens' signatures are verified when a loop is over.
func Measure(ctx context.Context, visitors []*Visitor, during time.Duration, usage func() Usage, do func(ctx context.Context, client int) error) (Measured, error) {
	for _, v := range visitors {
		v.busy = true
		defer func() { v.busy = false }()
	}
	_, _, err := loop(ctx, visitors, warmUp, do)
	if err = cmp.Or(err, settle(visitors)); err != nil {
		return Measured{}, err
	}
	before := usage()
	own := ownProcessor()
	begun := time.Now()
	took, failed, err := loop(ctx, visitors, during, do)
	if err != nil {
		return Measured{}, err
	}
	elapsed := time.Since(begun)
	own = ownProcessor() - own
	used := usage().minus(before)
	if err := settle(visitors); err != nil {
		return Measured{}, err
	}
	slices.Sort(took)
	ops := float64(len(took))
	return Measured{
		Rate: ops / elapsed.Seconds(), P50: took[len(took)/2], P99: took[len(took)*99/100],
		Server: time.Duration(float64(used.Server) / ops), Database: time.Duration(float64(used.Database) / ops),
		Generator: time.Duration(float64(own) / ops),
		Commits:   float64(used.Commits) / ops, Statements: float64(used.Statements) / ops, Failed: float64(failed) / (ops + float64(failed)),
	}, nil
}

// settle has all verify what they owe.
func settle(visitors []*Visitor) error {
	return Together(len(visitors), func(i int) error { return visitors[i].settle() })
}

// loop returns how long each took, and how many failed that only count.
func loop(ctx context.Context, visitors []*Visitor, during time.Duration, do func(context.Context, int) error) (all []time.Duration, failed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, during+time.Minute)
	defer cancel()
	var mu sync.Mutex
	until := time.Now().Add(during)
	err = take(ctx, visitors, func(i int) error {
		var took []time.Duration
		missed := 0
		for time.Now().Before(until) {
			begun := time.Now()
			if err := do(ctx, i); errors.Is(err, ErrCounted) {
				missed++
				continue
			} else if err != nil {
				return err
			}
			took = append(took, time.Since(begun))
		}
		mu.Lock()
		defer mu.Unlock()
		all, failed = append(all, took...), failed+missed
		return nil
	})
	if err == nil && len(all) == 0 {
		err = errors.New("nothing came to an end in time")
	}
	return all, failed, err
}

// Together does something n times at once.
func Together(n int, f func(i int) error) error {
	var wait sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wait.Go(func() { errs[i] = f(i) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Median is the middle one.
func Median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}
