package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/internal/connectors"
)

func hashCommand() *cobra.Command {
	return &cobra.Command{Use: "hash-password", Short: "Hash a local person's password, read as one line from standard input", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			line, _ := bufio.NewReader(c.InOrStdin()).ReadString('\n')
			password := strings.TrimRight(line, "\r\n")
			if password == "" {
				return errors.New("write the password to standard input, on one line")
			}
			fmt.Fprintln(c.OutOrStdout(), connectors.HashPassword(password))
			return nil
		}}
}
