package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/internal/store"
)

const recoverLong = `Ends everything in a database that was restored from a backup, before it is
served again: every live credential is revoked, every session ends, tokens from
before can no longer be verified, and the endings begin a new epoch.

No broker may run meanwhile, on any node. On SQLite that is checked; on
PostgreSQL it is yours to see to. Should it stop half way, run it again: the
database is not served until it has come to its end.

A backup does not know what happened after it was made. Look whom you have
suspended since, and suspend them again.`

func recoverCommand() *cobra.Command {
	var file string
	return withConfig(&cobra.Command{Use: "recover", Short: "After a restore from backup: end everything", Long: recoverLong,
		RunE: func(c *cobra.Command, _ []string) error {
			return withStoreAs(c.Context(), file, func(o *store.Options) { o.Recover = true }, func(s *store.Store) error {
				done, err := s.Recover(c.Context())
				if err != nil {
					return fmt.Errorf("the recovery has not come to its end; run it again, and serve nothing until then: %w", err)
				}
				fmt.Fprintf(c.OutOrStdout(), "in %d accounts: %d credentials revoked, %d sessions ended, %d tries closed\n"+
					"tokens from before can no longer be verified; the new epoch is %s\n",
					done.Accounts, done.Credentials, done.Sessions, done.Tries, done.Epoch)
				return nil
			})
		}}, &file)
}
