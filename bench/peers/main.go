package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// plan is what to measure.
type plan struct {
	only    string // names of modes, or all
	servers string // names of servers, or all
	dex     string // the program, where there is one
	hydra   string // as well
	clients []int
	rounds  int
	during  time.Duration
}

// limit is how long everything may take.
const limit = 10 * time.Minute

func main() {
	if len(os.Args) == 5 && os.Args[1] == loginCommand {
		fmt.Fprintln(os.Stderr, loginPages(os.Args[2], os.Args[3], os.Args[4]))
		os.Exit(1)
	}
	var p plan
	clients := flag.String("clients", "1,8,32", "how many sign in at once, one row each; of the other modes, the second number only")
	flag.StringVar(&p.only, "only", "", "modes, comma-separated: signin, client_credentials, introspection, refresh; default all")
	flag.StringVar(&p.servers, "servers", "", "the beginnings of servers' names, comma-separated: valetkey, oidc-provider, zitadel, dex, hydra; default all")
	flag.StringVar(&p.dex, "dex", "", "a program of Dex to measure too, on PostgreSQL")
	flag.StringVar(&p.hydra, "hydra", "", "a program of Ory Hydra to measure too, on PostgreSQL")
	flag.IntVar(&p.rounds, "rounds", 3, "how often the servers take turns")
	flag.DurationVar(&p.during, "for", 1200*time.Millisecond, "how long each is measured in each round")
	flag.Parse()
	var err error
	if p.clients, err = rig.Numbers(*clients, rig.MaxClients); err == nil && (p.rounds < 1 || p.rounds > 99) {
		err = errors.New("-rounds takes a number from 1 to 99")
	}
	if err != nil {
		rig.Misused("peers", err)
	}
	rig.Main("peers", limit, func(ctx context.Context, dir string) error { return run(ctx, p, dir) })
}

// wanted reports whether a name is on a list, where an empty list has them all.
func wanted(list, name string) bool {
	return list == "" || slices.ContainsFunc(strings.Split(list, ","), func(beginning string) bool { return strings.HasPrefix(name, beginning) })
}

func run(ctx context.Context, p plan, dir string) error {
	fmt.Println(rig.Machine())
	if err := rig.Yardsticks(ctx, dir, true); err != nil {
		return err
	}
	fmt.Println("In the last columns: how many times the peer's rate the broker's is, and how many times its processor time the peer's, of server and database.")
	all, err := enlist(ctx, p, dir)
	defer func() {
		for _, c := range all {
			c.close()
		}
	}()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("no server has such a name")
	}
	fmt.Println()
	for _, c := range all {
		fmt.Printf("%-28s memory, idle: %.0f MiB\n", c.name, rig.Mebibytes(c.process().Memory()))
	}
	summary, err := tables(ctx, p, all)
	if err != nil {
		return err
	}
	if len(summary) > 0 {
		fmt.Printf("\nsign-ins where ID tokens are signed alike:\n%s\n", strings.Join(summary, "\n"))
	}
	fmt.Printf("\nload at the end %s\n", rig.Load())
	return nil
}

// tables measures and prints everything, and returns how the broker's sign-ins
// compare.
func tables(ctx context.Context, p plan, all []*server) (summary []string, err error) {
	for _, m := range modes {
		if !wanted(p.only, m.name) {
			continue
		}
		for i, n := range p.clients {
			if m.name != "signin" && i != min(1, len(p.clients)-1) {
				continue
			}
			lines, err := compare(ctx, p, all, m, n)
			if err != nil {
				return nil, err
			}
			if m.name == "signin" {
				summary = append(summary, lines...)
			}
		}
	}
	return summary, nil
}
