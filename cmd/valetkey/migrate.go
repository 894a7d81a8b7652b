package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/store"
)

func migrateCommand() *cobra.Command {
	var file string
	migrate := func(apply bool) func(*cobra.Command, []string) error {
		return func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			schema, err := store.Migrate(c.Context(), dsn(cfg.DatabaseDirect), apply)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "the database's schema is at step %d of %d\n", schema.Have, schema.Want)
			return nil
		}
	}
	c := withConfig(&cobra.Command{Use: "migrate", Short: "Bring the database's schema up to date", RunE: migrate(true)}, &file)
	c.AddCommand(withConfig(&cobra.Command{Use: "status", Short: "Tell how far the schema is", RunE: migrate(false)}, &file))
	return c
}
