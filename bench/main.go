package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/bench/internal/past"
	"github.com/valetkey/valetkey/bench/internal/rig"
)

// plan is what to measure.
type plan struct {
	only      string // names of modes, or all
	databases []string
	clients   []int
	during    time.Duration
	alg       string // of ID tokens
	rounds    int    // with a past
	past      past.Past
}

// limit is how long everything may take.
const limit = 10 * time.Minute

func main() {
	var p plan
	databases := flag.String("db", "sqlite,postgres", "databases")
	clients := flag.String("clients", "1,8,32", "how many clients at once, one run each")
	flag.StringVar(&p.only, "only", "", "modes, comma-separated, and start; default all")
	flag.DurationVar(&p.during, "for", 2*time.Second, "how long each row is measured")
	flag.StringVar(&p.alg, "alg", "ES256", "of ID tokens: ES256 or RS256")
	grown := flag.Bool("grown", false, "measure with a past beside the same without one")
	flag.IntVar(&p.rounds, "rounds", 3, "with a past: how often the two take turns")
	flag.IntVar(&p.past.Accounts, "accounts", 100_000, "with a past: accounts")
	flag.IntVar(&p.past.Credentials, "credentials", 1_000_000, "with a past: dead credentials, each with its session")
	flag.IntVar(&p.past.Entries, "entries", 10_000_000, "with a past: entries of the record")
	flag.Parse()
	p.databases = strings.Split(*databases, ",")
	var err error
	if p.clients, err = rig.Numbers(*clients, rig.MaxClients); err != nil {
		rig.Misused("bench: -clients", err)
	}
	if *grown && (p.past.Accounts < 10_000 || p.past.Accounts > 1_000_000 || p.rounds < 1) {
		rig.Misused("bench", errors.New("-accounts takes a number from 10,000 to 1,000,000, -rounds one from 1"))
	}
	rig.Main("bench", limit, func(ctx context.Context, dir string) error {
		program, err := rig.Build(ctx, dir)
		switch {
		case err != nil:
			return err
		case *grown:
			return compare(ctx, p, dir, program)
		}
		return run(ctx, p, dir, program)
	})
}

// modes are those that are wanted.
func (p plan) modes() (out []mode) {
	for _, m := range modes {
		if p.wants(m.name) {
			out = append(out, m)
		}
	}
	return out
}

func (p plan) wants(mode string) bool {
	return p.only == "" || slices.Contains(strings.Split(p.only, ","), mode)
}

// run measures everything that the plan names, one database after the other.
func run(ctx context.Context, p plan, dir, program string) error {
	fmt.Printf("%s, ID tokens %s, binary %.1f MiB\n\n", rig.Machine(), p.alg, rig.Mebibytes(rig.SizeOf(program)))
	if err := rig.Yardsticks(ctx, dir, slices.Contains(p.databases, "postgres")); err != nil {
		return err
	}
	if p.wants("start") {
		if err := start(ctx, p, program); err != nil {
			return fmt.Errorf("start: %w", err)
		}
	}
	if p.only == "start" {
		return nil
	}
	fmt.Println(header)
	for _, name := range p.databases {
		if err := measure(ctx, p, program, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Printf("\nload at the end %s\n", rig.Load())
	return nil
}

// measure runs the rows of one database.
func measure(ctx context.Context, p plan, program, name string) error {
	b, err := rig.Install(program, name, p.alg)
	if err != nil {
		return err
	}
	defer b.Remove()
	if err := b.Start(ctx); err != nil {
		return err
	}
	fmt.Printf("%-9s memory, idle: %.0f MiB; first start to ready: %v\n", name, rig.Mebibytes(b.Memory()), b.Took.Round(time.Millisecond))
	for _, m := range p.modes() {
		for _, n := range p.clients {
			if err := row(ctx, p, b, m, n); err != nil {
				return fmt.Errorf("%s with %d clients: %w", m.name, n, err)
			}
		}
	}
	fmt.Printf("%-9s memory, afterwards: %.0f MiB, and at most %.0f MiB\n", name, rig.Mebibytes(b.Memory()), rig.Mebibytes(b.MostMemory()))
	return nil
}
