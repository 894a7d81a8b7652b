package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// plan is what to measure.
type plan struct {
	guards    int
	databases []string
	nodes     []int
	rates     []int // revocations a second
	during    time.Duration
	ask       bool
	idle      bool
}

// most bounds the endings of one row: each guard verifies every token first.
const most = 100

// limit is how long everything may take. Without other work on the machine it is
// less than half of that.
const limit = 5 * time.Minute

func main() {
	var p plan
	flag.IntVar(&p.guards, "guards", 1000, "how many guards are connected")
	databases := flag.String("db", "sqlite,postgres", "databases")
	nodes := flag.String("nodes", "1,3", "how many nodes, on PostgreSQL; SQLite has one")
	rates := flag.String("rates", "1,100", "revocations a second, one row each")
	flag.DurationVar(&p.during, "for", 5*time.Second, fmt.Sprintf("how long each row is measured; it is over after %d endings, too", most))
	flag.BoolVar(&p.ask, "ask", false, "have each guard refuse a request as soon as it knows of an ending, by a goroutine of its own that waits for that")
	flag.BoolVar(&p.idle, "idle", true, "measure what idle streams cost a node, too")
	flag.Parse()
	p.databases = strings.Split(*databases, ",")
	var err error
	if p.nodes, err = rig.Numbers(*nodes, 9); err == nil {
		p.rates, err = rig.Numbers(*rates, 1000)
	}
	if err == nil && (p.guards < 1 || p.guards > 10000) {
		err = fmt.Errorf("%d is no number of guards from 1 to 10000", p.guards)
	}
	if err != nil {
		rig.Misused("endings", err)
	}
	rig.Main("endings", limit, func(ctx context.Context, dir string) error { return run(ctx, p, dir) })
}

// run measures one database after the other.
func run(ctx context.Context, p plan, dir string) error {
	program, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d guards\n\n%s\n", rig.Machine(), p.guards, header)
	costs := true // the same everywhere: measured once
	for _, name := range p.databases {
		if name == "none" {
			continue
		}
		for _, n := range p.nodes {
			if name == "sqlite" && n > 1 {
				continue
			}
			if err := installation(ctx, p, program, name, n, costs); err != nil {
				return fmt.Errorf("%s, %d nodes: %w", name, n, err)
			}
			costs = false
		}
	}
	if p.idle {
		if err := idle(ctx, program); err != nil {
			return fmt.Errorf("idle streams: %w", err)
		}
	}
	fmt.Printf("\nload at the end %s\n", rig.Load())
	return nil
}

// installation measures the rows of one database with so many nodes.
func installation(ctx context.Context, p plan, program, name string, n int, costs bool) error {
	db, err := rig.OpenDatabase(name)
	if err != nil {
		return err
	}
	defer db.Close()
	nodes, err := start(ctx, program, db, n)
	defer func() {
		for i := len(nodes) - 1; i >= 0; i-- {
			nodes[i].Remove()
		}
	}()
	if err != nil {
		return err
	}
	c := &course{plan: p, nodes: nodes, database: name}
	err = c.rows(ctx)
	c.close()
	if err == nil && costs { // with the guards gone, and their work
		err = c.costs(ctx)
	}
	return err
}

func (c *course) rows(ctx context.Context) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	for _, rate := range c.rates {
		if err := c.row(ctx, rate); err != nil {
			return fmt.Errorf("%d revocations a second: %w", rate, err)
		}
	}
	return nil
}

func start(ctx context.Context, program string, db *rig.Database, n int) (nodes []*rig.Broker, err error) {
	first, err := rig.NewBroker(program, db, "ES256")
	if err != nil {
		return nil, err
	}
	nodes = append(nodes, first)
	for i := 1; i < n; i++ {
		other, err := first.Sibling(i)
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, other)
	}
	for _, b := range nodes {
		if err := b.Start(ctx); err != nil {
			return nodes, err
		}
	}
	return nodes, nil
}
