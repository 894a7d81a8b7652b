package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// plan is what to measure.
type plan struct {
	only      string // names of modes, or all
	databases []string
	clients   []int
	during    time.Duration
	alg       string // of ID tokens
}

func main() {
	var p plan
	databases := flag.String("db", "sqlite,postgres", "databases")
	clients := flag.String("clients", "1,8,32", "how many clients at once, one run each")
	flag.StringVar(&p.only, "only", "", "modes, comma-separated; default all")
	flag.DurationVar(&p.during, "for", 2*time.Second, "how long each row is measured")
	flag.StringVar(&p.alg, "alg", "ES256", "of ID tokens: ES256 or RS256")
	flag.Parse()
	p.databases = strings.Split(*databases, ",")
	for _, n := range strings.Split(*clients, ",") {
		k, err := strconv.Atoi(n)
		if err != nil || k < 1 || k > rig.MaxClients {
			fmt.Fprintf(os.Stderr, "bench: -clients takes numbers from 1 to %d\n", rig.MaxClients)
			os.Exit(2)
		}
		p.clients = append(p.clients, k)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, p); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run measures everything that the plan names, one database after the other.
func run(ctx context.Context, p plan) error {
	dir, err := os.MkdirTemp("", "valetkey-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, %d processors, load %s, ID tokens %s, binary %.1f MiB\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), rig.Load(), p.alg, rig.Mebibytes(rig.SizeOf(program)))
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
	db, err := rig.OpenDatabase(name)
	if err != nil {
		return err
	}
	defer db.Close()
	b, err := rig.NewBroker(program, db, p.alg)
	if err != nil {
		return err
	}
	defer b.Remove()
	if err := b.Start(ctx); err != nil {
		return err
	}
	fmt.Printf("%-9s memory, idle: %.0f MiB; first start to ready: %v\n", name, rig.Mebibytes(b.Memory()), b.Took.Round(time.Millisecond))
	for _, m := range modes {
		if p.only != "" && !strings.Contains(","+p.only+",", ","+m.name+",") {
			continue
		}
		for _, n := range p.clients {
			if err := row(ctx, p, b, m, n); err != nil {
				return fmt.Errorf("%s with %d clients: %w", m.name, n, err)
			}
		}
	}
	fmt.Printf("%-9s memory, afterwards: %.0f MiB\n", name, rig.Mebibytes(b.Memory()))
	return nil
}
