package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// helpCommand stands for cobra's own, which is content with a command that is not
// there.
func helpCommand() *cobra.Command {
	return &cobra.Command{Use: "help [COMMAND]", Short: "Say what a command does",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				if err != nil {
					about, rest = c.Root(), args
				}
				return unknown(about, rest[0])
			}
			return about.Help()
		}}
}

// notThere returns the error for what was asked of a command that has others, and
// not this one: whatever its flags are, they are not those of the one above.
func notThere(c *cobra.Command) error {
	if rest := c.Flags().Args(); c.HasSubCommands() && len(rest) > 0 {
		return unknown(c, rest[0])
	}
	return nil
}

// unknown says that a command has no such one, and which it has.
func unknown(c *cobra.Command, name string) error {
	var there []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			there = append(there, sub.Name())
		}
	}
	has := cmp.Or(strings.Join(there, ", "), "none")
	return errUsage{fmt.Errorf("unknown command %q for %q, which has %s; see «%s --help»", name, c.CommandPath(), has, c.CommandPath())}
}
