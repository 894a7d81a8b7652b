package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/store"
)

const rotateLong = `Lets the next signing keys sign as soon as every app can know them: each has
been published for 10 minutes before. The ones from before stay published until
all that they signed is over. Nobody notices anything. It works beside running
brokers, which do the same by themselves at every keys.rotate of the
configuration.

With --compromised every key is taken away at once, and others sign. All tokens
from before stop being valid; sessions go on, and apps get other tokens by
themselves. Use it when somebody may have a key: whoever has one can make tokens
that apps accept until they fetch /jwks again. Apps that use guard do so within
seconds, others when their copy is 5 minutes old. A made-up token needs no
session that exists, so ending sessions does not help against it; stopping an
app, or having it ask /introspect, does. Should the database and the secrets file
have been read together, live PINs are in danger too: revoke them.`

func keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "The keys that sign tokens", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return errUsage{errors.New("say «valetkey keys list» or «valetkey keys rotate»")}
		}}
	var file string
	var compromised bool
	c.AddCommand(withConfig(&cobra.Command{Use: "list", Short: "List the signing keys and what becomes of them",
		RunE: func(c *cobra.Command, _ []string) error {
			return withStore(c.Context(), file, func(s *store.Store) error {
				list, err := s.SigningKeys(c.Context())
				if err != nil {
					return err
				}
				return printKeys(c.OutOrStdout(), list)
			})
		}}, &file))
	rotate := withConfig(&cobra.Command{Use: "rotate", Short: "Let other keys sign", Long: rotateLong,
		RunE: func(c *cobra.Command, _ []string) error { return rotateKeys(c, file, compromised) }}, &file)
	rotate.Flags().BoolVar(&compromised, "compromised", false, "somebody may have a key: take all away at once")
	c.AddCommand(rotate)
	return c
}

func printKeys(w io.Writer, list []keys.StoredKey) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "KEY\tSIGNS\tALG\tSTATE\tSINCE\tTHEN")
	for _, k := range list {
		then := ""
		switch k.State {
		case keys.Next:
			then = "signs from " + k.Due.Format(time.RFC3339)
		case keys.Retiring:
			then = "gone after " + k.Due.Format(time.RFC3339)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, purposes[k.Purpose], k.Alg, k.State, k.Since.Format(time.RFC3339), then)
	}
	return out.Flush()
}

// purposes are what keys sign, in words.
var purposes = map[keys.Purpose]string{keys.ForAccess: "access tokens", keys.ForID: "ID tokens"}

func rotateKeys(c *cobra.Command, file string, compromised bool) error {
	cfg, err := config.Load(file)
	if err != nil {
		return err
	}
	return withStore(c.Context(), file, func(s *store.Store) error {
		before, err := s.SigningKeys(c.Context())
		if err != nil {
			return err
		}
		if len(before) == 0 {
			return errors.New("there are no signing keys yet; «valetkey serve» makes them when it first starts")
		}
		by := credentials.Mark{Who: "operator"}
		if compromised {
			gone, err := s.CompromisedKeys(c.Context(), cfg.Keys.Rotate, by)
			if err != nil {
				return notRotated(err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%d keys are gone from /jwks and others sign from now on; tokens from before are not valid any more\n"+
				"an app that checks tokens by itself believes the old keys until it fetches /jwks again: see «valetkey keys rotate --help»\n", gone)
			return nil
		}
		if err := s.RotateKeys(c.Context(), cfg.Keys.Rotate, by); err != nil {
			return notRotated(err)
		}
		after, err := s.SigningKeys(c.Context())
		if err != nil {
			return err
		}
		tellRotation(c.OutOrStdout(), before, after)
		return nil
	})
}

func notRotated(err error) error {
	if errors.Is(err, credentials.ErrUnknownResult) {
		return fmt.Errorf("it is not certain that anything was changed; see «valetkey keys list» and run it again: %w", err)
	}
	return fmt.Errorf("the keys are as they were: %w", err)
}

// tellRotation says of each kind of key which one signs, or will.
func tellRotation(out io.Writer, before, after []keys.StoredKey) {
	signed := map[string]bool{}
	for _, k := range before {
		signed[k.ID] = k.State == keys.Active
	}
	fresh := map[keys.Family]bool{}
	for _, k := range after {
		if k.State == keys.Active && !signed[k.ID] {
			fresh[k.Family()] = true
			fmt.Fprintf(out, "%s, %s: key %s signs from now on\n", purposes[k.Purpose], k.Alg, k.ID)
		}
	}
	for _, k := range after {
		if k.State == keys.Next && !fresh[k.Family()] {
			fmt.Fprintf(out, "%s, %s: key %s signs from %s on; it has to be published for %s before\n",
				purposes[k.Purpose], k.Alg, k.ID, k.Due.Format(time.RFC3339), credentials.Span(keys.Ahead))
		}
	}
}
