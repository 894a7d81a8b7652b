package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzParse: whatever the bytes, there is a Config that keeps its promises, or
// problems that can be printed one a line; never a panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(base))
	if example, err := os.ReadFile(examplePath); err == nil {
		f.Add(example)
	}
	for _, s := range []string{"", "a: [", "? [x]\n: 5", "a: &a [*a]", "<<: {}", "clients: [{id: \"\\n\"}]", "issuer: ${", "--- \n---", "\xff", "policies: {? x : y}", "never: [!!binary x]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("v.yaml", data, baseEnv)
		if err != nil {
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("config %v with error %v", c != nil, err)
			}
			for i, p := range ps {
				if p.Line < 1 || p.Text == "" || strings.ContainsAny(p.String(), "\n\r") || i > 0 && p.Line < ps[i-1].Line {
					t.Errorf("problem %q", p)
				}
			}
			return
		}
		for _, p := range c.Policies {
			if p.Idle < c.Tokens.Access || p.Session < p.Idle || len(p.RedeemWithin.Choices) == 0 || p.Confirm != "never" ||
				p.Kind == "pin" && (p.Uses != Uses{N: 1} || p.Digits < 4 || p.Digits > 10 || p.Tries < 1) {
				t.Errorf("accepted policy %+v", p)
			}
			if c.LineOf("policies."+p.ID) < 1 {
				t.Errorf("no line for %s", p.ID)
			}
		}
		for _, cl := range c.Clients {
			if !cl.Public && len(cl.Secret.Reveal()) < shortestSecret || !cl.Require.PKCE {
				t.Errorf("accepted client %+v", cl)
			}
		}
	})
}

// A value may be a secret under the wrong key, so no problem repeats one.
func TestProblemsNeverRepeatValues(t *testing.T) {
	t.Parallel()
	lines := strings.Split(base, "\n")
	for i, line := range lines {
		key, _, ok := strings.Cut(line, ": ")
		if !ok || strings.HasSuffix(key, " id") || strings.HasSuffix(key, " username") {
			continue // problems are addressed by these
		}
		for _, value := range []string{"hunter2-marker", "'${BAD}'", "[hunter2-marker]", "{a: hunter2-marker}", "\"hunter2-marker", "*hunter2-marker", "@hunter2-marker", "a: hunter2-marker", "!hunter2-marker x"} {
			edited := append([]string(nil), lines...)
			edited[i] = key + ": " + value
			_, err := Parse("v.yaml", []byte(strings.Join(edited, "\n")), baseEnv)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %s\n%v", key, value, err)
			}
		}
	}
}
