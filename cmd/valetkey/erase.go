package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

const eraseLong = `Erases personal data: names, emails, subjects, reasons, tickets, targets. The
record still verifies, with [erased] in their place. Access ends first: the
sessions of an agent, what an owner lent, everything of an account.

ISS,SUB is the issuer and subject that a person signs in with, parted at the
first comma: a subject may hold commas, the address of an issuer hardly does.
For local people ISS is the broker's issuer and SUB is CONNECTOR:USERNAME.

A pseudonym stays, and with it a suspension and the limits on guessing. Backups
that were made before, and exports, are not reached.`

func eraseCommand() *cobra.Command {
	var file, who, account string
	c := withConfig(&cobra.Command{Use: "erase", Short: "Erase the personal data of a person or an account", Long: eraseLong}, &file)
	c.Flags().StringVar(&who, "person", "", "`ISS,SUB` of an owner or agent")
	c.Flags().StringVar(&account, "account", "", "the account's `ID`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if (who == "") == (account == "") {
			return errUsage{errors.New("say whom to erase: either --person ISS,SUB or --account ID")}
		}
		erase := eraseAccount(account)
		if who != "" {
			issuer, subject, whole := strings.Cut(who, ",")
			if !whole || issuer == "" || subject == "" {
				return errUsage{errors.New("--person takes issuer and subject with a comma between them: https://sso.example,1234")}
			}
			erase = erasePerson(issuer, subject)
		}
		return withStore(c.Context(), file, func(s *store.Store) error {
			if err := erase(c, s); err != nil {
				return err
			}
			return purge(c, s)
		})
	}
	return c
}

type eraser func(*cobra.Command, *store.Store) error

func erasePerson(issuer, subject string) eraser {
	return func(c *cobra.Command, s *store.Store) error {
		done, err := s.ErasePerson(c.Context(), issuer, subject)
		if errors.Is(err, credentials.ErrNotFound) {
			return errors.New("nobody with this issuer and subject is known here; nothing was erased")
		}
		if err != nil {
			return fmt.Errorf("not everything was erased; run it again: %w", err)
		}
		told(c.OutOrStdout(), "person "+done.Person, done)
		return nil
	}
}

func eraseAccount(id string) eraser {
	return func(c *cobra.Command, s *store.Store) error {
		done, err := s.EraseAccount(c.Context(), id)
		if errors.Is(err, credentials.ErrNotFound) {
			return fmt.Errorf("there is no account %q; nothing was erased", id)
		}
		if err != nil {
			return fmt.Errorf("it is not certain that anything was erased; run it again: %w", err)
		}
		told(c.OutOrStdout(), "account "+id, done)
		return nil
	}
}

// told says what was done.
func told(out io.Writer, what string, done store.Erased) {
	if done.Before {
		fmt.Fprintf(out, "%s was erased before; nothing was left\n", what)
		return
	}
	fmt.Fprintf(out, "%s is erased, in %d accounts and from %d entries of the record; %d credentials were revoked and %d sessions ended first\n",
		what, done.Accounts, done.Entries, done.Credentials, done.Sessions)
}

// purge takes what was erased out of the files, also what an earlier run left.
func purge(c *cobra.Command, s *store.Store) error {
	if err := s.Purge(c.Context()); err != nil {
		return fmt.Errorf("erased, but the database's files may still hold it: stop the broker and run this again: %w", err)
	}
	remains := "the database's file was written anew; backups from before keep what was erased until they expire"
	if s.Engine() == "PostgreSQL" {
		remains = "PostgreSQL keeps the old rows until it has vacuumed; its log and backups keep them until they expire"
	}
	fmt.Fprintln(c.OutOrStdout(), remains)
	return nil
}
