package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "The record: export and verify", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return errUsage{errors.New("say «valetkey audit export» or «valetkey audit verify»")}
		}}
	c.AddCommand(&cobra.Command{Use: "verify [FILE]", Short: "Verify an export, offline; without FILE from standard input", Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			in := c.InOrStdin()
			if len(args) == 1 {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("cannot read the export: %w", err)
				}
				defer func() { _ = f.Close() }()
				in = f
			}
			return verifyExport(c.OutOrStdout(), in)
		}})
	var file, account string
	export := withConfig(&cobra.Command{Use: "export", Short: "Write an account's record, oldest first, one JSON object a line",
		RunE: func(c *cobra.Command, _ []string) error { return exportRecord(c, file, account) }}, &file)
	export.Flags().StringVar(&account, "account", "", "the account's id; without it the installation's own record")
	c.AddCommand(export)
	return c
}

func verifyExport(out io.Writer, in io.Reader) error {
	report, err := audit.Verify(in)
	if err != nil {
		return err
	}
	if report.Entries == 0 {
		return errors.New("the export is empty; nothing was verified")
	}
	fmt.Fprintf(out, "%d entries hold together, up to entry %d of %s; personal fields were erased from %d\n",
		report.Entries, report.Last.Seq, report.Last.At.Format(time.RFC3339), report.Erased)
	return nil
}

// exportPage is how many entries are read at once.
const exportPage = 500

func exportRecord(c *cobra.Command, file, account string) error {
	return withStore(c.Context(), file, func(s *store.Store) error {
		for after := int64(0); ; {
			page, err := s.Record(c.Context(), account, credentials.RecordPage{Forward: true, After: after, Limit: exportPage})
			if err != nil {
				return err
			}
			for _, e := range page {
				if err := e.Export(c.OutOrStdout()); err != nil {
					return err
				}
				after = e.Seq
			}
			switch {
			case account != "" && after == 0:
				return fmt.Errorf("there is no record of an account %q; nothing was exported", account)
			case len(page) < exportPage:
				return nil
			}
		}
	})
}
