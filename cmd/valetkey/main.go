// Command valetkey is a temporary-credential identity broker: it lends support
// access to customer accounts, as an OpenID Provider.
//
// One file per subcommand; this package alone reads the configuration and
// wires everything together.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// errUsage marks an error of the command line itself.
type errUsage struct{ error }

func run(args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "valetkey", Short: "Lends temporary support access to customer accounts, as an OpenID Provider",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(c, args[0])
		}
		return errUsage{errors.New("say what to do: see «valetkey --help»")}
	}
	root.Args = cobra.ArbitraryArgs
	root.SetHelpCommand(helpCommand())
	root.CompletionOptions.DisableDefaultCmd = true
	root.DisableSuggestions = true // they take lines of their own
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if gone := notThere(c); gone != nil { // its flags are unknown because it is
			return gone
		}
		return errUsage{fmt.Errorf("%w; see «%s --help»", err, c.CommandPath())}
	})
	root.AddCommand(demoCommand(), serveCommand(), checkCommand(), migrateCommand(), secretsCommand(), keysCommand(), agentsCommand(), auditCommand(),
		recoverCommand(), eraseCommand(), hashCommand(), versionCommand())
	var helpless error // cobra has no other way to say that there is no help
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if helpless = notThere(c); helpless == nil {
			help(c, args)
		}
	})
	asked, err := root.ExecuteC()
	if err = cmp.Or(err, helpless); err == nil {
		return exitDone
	}
	var usage errUsage
	if isRequiredFlag(err) { // there is one, and cobra misses it before any command of ours runs
		err = needsConfig(asked)
	}
	fmt.Fprintln(stderr, err)
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func isRequiredFlag(err error) bool {
	return strings.HasPrefix(err.Error(), "required flag(s)")
}

func needsConfig(c *cobra.Command) error {
	return errUsage{fmt.Errorf("«%s» needs --config FILE; see «%[1]s --help»", c.CommandPath())}
}

// noArgs refuses arguments, which few commands here take.
func noArgs(c *cobra.Command, args []string) error { return takes(0, 0)(c, args) }

// takes refuses fewer and more arguments.
func takes(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) > most && c.Flags().Lookup("config") != nil && !c.Flags().Changed("config"):
			return errUsage{fmt.Errorf("«%s» takes no argument %q; name the configuration by --config FILE", c.CommandPath(), args[most])}
		case len(args) > most && c.HasSubCommands():
			return unknown(c, args[most])
		case len(args) > most:
			return errUsage{fmt.Errorf("«%s» takes no argument %q; see «%s --help»", c.CommandPath(), args[most], c.CommandPath())}
		case len(args) < least:
			_, names, _ := strings.Cut(c.Use, " ")
			return errUsage{fmt.Errorf("«%s» needs %s; see «%s --help»", c.CommandPath(), names, c.CommandPath())}
		}
		return nil
	}
}

// withConfig adds the --config flag that most commands need.
func withConfig(c *cobra.Command, file *string) *cobra.Command {
	c.Flags().StringVar(file, "config", "", "the configuration file (required)")
	_ = c.MarkFlagRequired("config")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if *file == "" { // of a variable that is not set, for instance
			return needsConfig(c)
		}
		return nil
	}
	if c.Args == nil {
		c.Args = noArgs
	}
	return c
}
