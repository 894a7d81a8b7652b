package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/valetkey/valetkey/credentials"
)

func checkCommand() *cobra.Command {
	var file string
	var asked bool
	c := withConfig(&cobra.Command{Use: "check", Short: "Check a configuration and say what it means",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, r, err := loadRules(file)
			if err != nil {
				return err
			}
			if _, err := wirePages(cfg, newLog(cfg, io.Discard)); err != nil {
				return err
			}
			out := c.OutOrStdout()
			for _, w := range cfg.Warnings {
				fmt.Fprintln(out, "warning:", w)
			}
			for _, p := range r.policies {
				meaning(out, p, r)
			}
			if !asked {
				return nil
			}
			return connect(c.Context(), out, cfg)
		}}, &file)
	c.Flags().BoolVar(&asked, "connect", false, "also ask the database and the upstream issuers")
	return c
}

// meaning says in words what a policy amounts to.
func meaning(out io.Writer, p credentials.Policy, r rules) {
	fmt.Fprintf(out, "\n%s (%s)\n", p.ID, p.Name)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "  %-15s %s\n", what, fmt.Sprintf(format, args...))
	}
	line("made by", "%s", mintedBy(p))
	if p.Kind == credentials.PIN {
		line("secret", "%d digits, %d wrong tries, one use", p.Digits, p.Tries)
		line("guessing", "%s per credential; %s per agent until suspended", odds(p.GuessChance()), odds(p.GuessChanceAgent()))
	} else {
		line("secret", "a temporary email and a password of 125 random bits, %s", uses(p))
		line("guessing", "%s per try", odds(p.GuessChance()))
	}
	line("redeem by", "%s after it was made", choices(p))
	line("session", "%s at most, %s without activity%s", credentials.Span(p.Session), credentials.Span(p.Idle), outlives(p))
	line("agent", "%s", agentOf(p))
	line("lends", "%s", strings.Join(p.Scopes, ", "))
	never := make([]string, 0, 8)
	for _, s := range r.catalogue.NeverLent() {
		never = append(never, s.Name)
	}
	if len(never) == 0 {
		never = []string{"nothing: the catalogue has no scope of kind billing, delete, credentials or access"}
	}
	line("never lends", "%s", strings.Join(never, ", "))
	for _, d := range departures(p) {
		line("departs", "%s", d)
	}
}

func mintedBy(p credentials.Policy) string {
	who := "every owner"
	if len(p.Mint) > 0 {
		parts := make([]string, 0, len(p.Mint))
		for _, rule := range p.Mint {
			parts = append(parts, fmt.Sprintf("%s is one of %s", rule.Claim, strings.Join(rule.Values, ", ")))
		}
		who = "owners whose " + strings.Join(parts, " and ")
	}
	if p.ContactBound {
		who += "; valid for the person who made it"
	}
	return who
}

func uses(p credentials.Policy) string {
	if p.Uses == 0 {
		return "any number of uses"
	}
	return fmt.Sprintf("%d uses", p.Uses)
}

func agentOf(p credentials.Policy) string {
	if p.Holder {
		return "whoever holds the email and password; nobody is named in the tokens"
	}
	return "signed in by company sign-in, named in every token"
}

func outlives(p credentials.Policy) string {
	if p.Kind == credentials.Password {
		return "; never beyond redeem by"
	}
	return ""
}

func choices(p credentials.Policy) string {
	parts := make([]string, 0, len(p.RedeemWithin))
	for _, d := range p.RedeemWithin {
		text := credentials.Span(d)
		if d == p.RedeemDefault && len(p.RedeemWithin) > 1 {
			text += " (default)"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// odds says a chance as one in so many.
func odds(chance float64) string {
	n := 1 / chance
	if n > 1e9 {
		return fmt.Sprintf("1 in 2^%.0f", math.Log2(n))
	}
	return fmt.Sprintf("1 in %.0f", n)
}

// Bounds of NIST SP 800-63B-4 (out-of-band secrets: 20 random bits, which six
// digits give, valid for ten minutes) and of ASVS 5.0 section V6.5, which asks
// the same.
const (
	nistDigits = 6
	nistLife   = 10 * time.Minute
)

// departures lists where the policy asks for less than the standards do.
func departures(p credentials.Policy) []string {
	var out []string
	if p.Kind == credentials.PIN && p.Digits < nistDigits {
		out = append(out, fmt.Sprintf("%d digits; NIST SP 800-63B-4 and ASVS 5.0 V6.5 ask for 6 (weak_pin: accepted)", p.Digits))
	}
	for _, d := range p.RedeemWithin {
		if p.Kind == credentials.PIN && d > nistLife {
			out = append(out, fmt.Sprintf("valid for %s; NIST SP 800-63B-4 and ASVS 5.0 V6.5 give a code 10 minutes", credentials.Span(d)))
			break
		}
	}
	if p.Holder {
		out = append(out, "no agent is known: the credential alone opens the account")
	}
	return out
}
