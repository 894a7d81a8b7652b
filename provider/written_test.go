package provider

import (
	"regexp"
	"strings"
	"testing"
)

// TestWritten: every byte there is, at every length that matters, is judged as the
// grammars say.
func TestWritten(t *testing.T) {
	t.Parallel()
	verifier := regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
	thumbprint := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	for b := range 256 {
		for _, n := range []int{0, 1, 42, 43, 44, 128, 129} {
			for _, s := range []string{strings.Repeat("a", n) + string([]byte{byte(b)}), string([]byte{byte(b)}) + strings.Repeat("Z", n), strings.Repeat(string([]byte{byte(b)}), n)} {
				if got, want := verifies(s), verifier.MatchString(s); got != want {
					t.Errorf("%q as a verifier: %v, want %v", s, got, want)
				}
				err := checkKey(nil, nil, &Request{Key: s})
				if got, want := err == nil, s == "" || thumbprint.MatchString(s); got != want {
					t.Errorf("%q as a thumbprint: %v, want %v", s, got, want)
				}
			}
		}
	}
}
