package main

import (
	"context"
	"fmt"
	"time"

	"github.com/valetkey/valetkey/bench/internal/past"
	"github.com/valetkey/valetkey/bench/internal/rig"
)

// starts is how often a start is measured.
const starts = 5

// living is how many credentials live when it is, and sessions.
const living = 100_000

// start prints how long the broker takes from its start until it is ready, and
// what memory it has then, on SQLite with much that lives.
func start(ctx context.Context, p plan, program string) error {
	b, err := rig.Install(program, "sqlite", p.alg)
	if err != nil {
		return err
	}
	defer b.Remove()
	err = fill(ctx, b, past.Past{Accounts: living, Live: living}, false, func(string, time.Duration) {})
	var took, memory []float64
	for i := 0; i < starts && err == nil; i++ {
		if err = b.Start(ctx); err == nil {
			took, memory = append(took, rig.Milliseconds(b.Took)), append(memory, rig.Mebibytes(b.Memory()))
			err = b.Stop()
		}
	}
	if err == nil {
		fmt.Printf("sqlite    start to ready with %d live credentials and sessions: %.0f ms, memory then %.0f MiB (medians of %d)\n", living, rig.Median(took), rig.Median(memory), starts)
	}
	return err
}
