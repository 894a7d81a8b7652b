// Command valetkey is a temporary-credential identity broker: it lends support
// access to customer accounts, as an OpenID Provider.
//
// One file per subcommand; this package alone reads the configuration and
// wires everything together.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

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
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return errUsage{fmt.Errorf("%w; see «%s --help»", err, c.CommandPath())}
	})
	root.AddCommand(serveCommand(), checkCommand(), migrateCommand(), secretsCommand(), agentsCommand(), auditCommand(), hashCommand(), versionCommand())
	asked, err := root.ExecuteC()
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, err)
	var usage errUsage
	// Cobra refuses unknown commands and missing flags before any of ours runs.
	if errors.As(err, &usage) || asked == root || isRequiredFlag(err) {
		return exitUsage
	}
	return exitFailed
}

func isRequiredFlag(err error) bool {
	return len(err.Error()) > 16 && err.Error()[:16] == "required flag(s)"
}

// noArgs refuses arguments, which no command here but audit verify takes.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errUsage{fmt.Errorf("«%s» takes no argument %q; see «%s --help»", c.CommandPath(), args[0], c.CommandPath())}
	}
	return nil
}

// withConfig adds the --config flag that most commands need.
func withConfig(c *cobra.Command, file *string) *cobra.Command {
	c.Flags().StringVar(file, "config", "", "the configuration file (required)")
	_ = c.MarkFlagRequired("config")
	if c.Args == nil {
		c.Args = noArgs
	}
	return c
}
