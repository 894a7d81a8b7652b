package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/valetkey/valetkey/internal/demo"
)

func demoCommand() *cobra.Command {
	port := basePort(8400)
	c := &cobra.Command{Use: "demo", Short: "Try it: a broker, an app and people to be, on this machine alone", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			// Who closes the terminal ends it too: nothing is to be left behind.
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			return demonstrate(ctx, int(port), c.OutOrStdout(), c.ErrOrStderr())
		}}
	c.Flags().Var(&port, "port", "of the broker; the app and the staff's sign-in take the next two, where they are free; 0: any three")
	return c
}

// basePort is the first of the demonstration's ports.
type basePort int

// String implements pflag.Value.
func (p *basePort) String() string { return strconv.Itoa(int(*p)) }

// Type implements pflag.Value.
func (p *basePort) Type() string { return "port" }

// Set implements pflag.Value.
func (p *basePort) Set(text string) error {
	const last = 1<<16 - 3 // with two after it
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > last {
		return fmt.Errorf("it is to be a number from 1 to %d, or 0", last)
	}
	*p = basePort(n)
	return nil
}

// demonstrate runs everything until ctx ends. The broker is the real one, from
// a real configuration file, with its database in a temporary folder.
func demonstrate(ctx context.Context, port int, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "valetkey-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	world, err := demo.Open(port)
	if err != nil {
		return err
	}
	defer world.Close()
	text, err := world.Config()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "valetkey.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	cfg, r, err := loadRules(file)
	if err != nil {
		return err
	}
	world.OwnersReturn = returnTo(cfg, ownerDoor, cfg.Owners[0].ID)
	world.AgentsReturn = returnTo(cfg, agentDoor, cfg.Agents[0].ID)
	log := newLog(cfg, stderr)
	sites, err := world.Build(now, log)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range sites {
		group.Go(func() error { return listen(ctx, s.Listener, s.Handler, 0, func() {}) })
	}
	// The app leaves first: what it has yet to tell the record finds a broker.
	broker, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() { world.Leave(); stop() })
	group.Go(func() error { return serve(broker, cfg, r, log) })
	group.Go(func() error {
		if awaitReady(ctx, world.BrokerURL) {
			fmt.Fprint(stdout, world.Guide())
		}
		return nil
	})
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil // told to end before everything had begun
}

// awaitReady reports whether the broker became ready before ctx ended.
func awaitReady(ctx context.Context, issuer string) bool {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if isReady(ctx, issuer) {
			return true
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return false
		}
	}
}

func isReady(ctx context.Context, issuer string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
