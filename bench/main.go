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
)

// plan is what to measure.
type plan struct {
	only      string // names of modes, or all
	databases []string
	clients   []int
	during    time.Duration
	alg       string // of ID tokens
}

// maxClients is how many can work at once.
const maxClients = 64

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
		if err != nil || k < 1 || k > maxClients {
			fmt.Fprintf(os.Stderr, "bench: -clients takes numbers from 1 to %d\n", maxClients)
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
	program, err := build(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, %d processors, load %s, ID tokens %s, binary %.1f MiB\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), load(), p.alg, mebibytes(sizeOf(program)))
	fmt.Println(header)
	for _, name := range p.databases {
		if err := measure(ctx, p, program, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Printf("\nload at the end %s\n", load())
	return nil
}

// measure runs the rows of one database.
func measure(ctx context.Context, p plan, program, name string) error {
	db, err := openDatabase(name)
	if err != nil {
		return err
	}
	defer db.close()
	b, err := newBroker(program, db, p.alg)
	if err != nil {
		return err
	}
	defer b.remove()
	if err := b.start(ctx); err != nil {
		return err
	}
	fmt.Printf("%-9s memory, idle: %.0f MiB; first start to ready: %v\n", name, mebibytes(b.memory()), b.took.Round(time.Millisecond))
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
	fmt.Printf("%-9s memory, afterwards: %.0f MiB\n", name, mebibytes(b.memory()))
	return nil
}
