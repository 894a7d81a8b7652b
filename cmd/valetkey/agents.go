package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/store"
)

func agentsCommand() *cobra.Command {
	c := &cobra.Command{Use: "agents", Short: "The support staff who have signed in", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return errUsage{errors.New("say «valetkey agents list», «suspend» or «restore»")}
		}}
	var file string
	c.AddCommand(withConfig(&cobra.Command{Use: "list", Short: "List agents, the latest first",
		RunE: func(c *cobra.Command, _ []string) error { return listAgents(c, file) }}, &file))
	for _, verb := range []struct {
		name, short, done string
		suspended         bool
	}{
		{"suspend", "Suspend an agent and end their sessions", "suspended; their sessions have ended", true},
		{"restore", "Let an agent redeem again", "restored", false},
	} {
		c.AddCommand(withConfig(&cobra.Command{Use: verb.name + " ID", Short: verb.short, Args: takes(1, 1),
			RunE: func(c *cobra.Command, args []string) error {
				return withStore(c.Context(), file, func(s *store.Store) error {
					err := s.Suspend(c.Context(), args[0], verb.suspended, credentials.Mark{Who: "operator"})
					if errors.Is(err, credentials.ErrNotFound) {
						return fmt.Errorf("there is no agent %q; «valetkey agents list» shows the ids", args[0])
					}
					if err == nil {
						fmt.Fprintf(c.OutOrStdout(), "%s is %s\n", args[0], verb.done)
					}
					return err
				})
			}}, &file))
	}
	return c
}

func listAgents(c *cobra.Command, file string) error {
	return withStore(c.Context(), file, func(s *store.Store) error {
		agents, err := s.Agents(c.Context())
		if err != nil {
			return err
		}
		out := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, "ID\tNAME\tISSUER\tSUBJECT\tLAST SEEN\tSTATE")
		for _, a := range agents {
			state := "active"
			if !a.SuspendedAt.IsZero() {
				state = "suspended since " + a.SuspendedAt.Format(time.RFC3339)
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.Name, a.Issuer, a.Subject, a.SeenAt.Format(time.RFC3339), state)
		}
		return out.Flush()
	})
}

// withStore opens the configured database for a command that works beside a
// running broker. It never changes the schema.
func withStore(ctx context.Context, file string, f func(*store.Store) error) error {
	return withStoreAs(ctx, file, func(*store.Options) {}, f)
}

// withStoreAs is withStore for a database that is opened in another way.
func withStoreAs(ctx context.Context, file string, set func(*store.Options), f func(*store.Store) error) error {
	cfg, err := config.Load(file)
	if err != nil {
		return err
	}
	secrets, err := keys.LoadSecrets(string(cfg.Secrets))
	if err != nil {
		return err
	}
	o := storeOptions(cfg, secrets)
	set(&o)
	s, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	defer s.Close()
	return f(s)
}
