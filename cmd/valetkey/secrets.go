package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/keys"
)

func secretsCommand() *cobra.Command {
	c := &cobra.Command{Use: "secrets", Short: "The secrets file: pepper and sealing keys", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return errUsage{fmt.Errorf("say «valetkey secrets init»")} }}
	var file string
	c.AddCommand(withConfig(&cobra.Command{Use: "init", Short: "Write a new secrets file; copy it to every node",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			if err := keys.InitSecrets(string(cfg.Secrets)); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "wrote %s; keep it private, back it up apart from the database, and copy it to every node\n", cfg.Secrets)
			return nil
		}}, &file))
	return c
}

// loadSecrets loads the secrets file. For an embedded database that does not
// exist yet it is made: there is nothing that could depend on another one.
func loadSecrets(cfg *config.Config) (*keys.Secrets, error) {
	path, database := string(cfg.Secrets), string(cfg.Database.SQLite)
	if database != "" && absent(path) && absent(database) {
		// Another process may be starting at the same moment: its file is as good.
		if err := keys.InitSecrets(path); err != nil && !errors.Is(err, keys.ErrSecretsExist) {
			return nil, err
		}
	}
	return keys.LoadSecrets(path)
}

// absent reports whether there is no file, or an empty one.
func absent(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

// dsn is the database as the store wants it named.
func dsn(d config.Database) string {
	if d.SQLite != "" {
		return "sqlite:" + string(d.SQLite)
	}
	return d.Postgres.Reveal()
}
