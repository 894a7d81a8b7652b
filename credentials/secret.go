package credentials

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"unicode"
)

// Secret is a PIN or password on its way to the one response that shows it. It
// prints as [redacted] however it is printed; only Reveal gives it.
//
// It keeps the text behind a pointer: fmt calls no methods on a Secret in an
// unexported field of another struct, and must not find the text either.
type Secret struct{ text *string }

// Reveal returns the secret itself, for the one response that may have it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

func (Secret) String() string { return "[redacted]" }

// GoString keeps %#v from showing it.
func (Secret) GoString() string { return "[redacted]" }

// Format keeps every other verb of fmt from showing it.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText keeps encoders from showing it.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// LogValue keeps slog from showing it.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// NewSecret wraps what somebody typed.
func NewSecret(typed string) Secret { return Secret{&typed} }

// passwordBits is the randomness of a temporary password.
const passwordBits = 125

var lower32 = base32.NewEncoding("abcdefghjkmnpqrstuvwxyz023456789").WithPadding(base32.NoPadding)

// newPIN returns uniformly random digits.
func newPIN(digits int) Secret {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		panic("no randomness: " + err.Error()) // crypto/rand never fails on supported systems
	}
	return NewSecret(fmt.Sprintf("%0*d", digits, n))
}

// newPassword returns 125 random bits in five groups of five characters that
// are hard to take for one another.
func newPassword() Secret {
	text := randomText(16)[:25]
	groups := make([]string, 0, 5)
	for i := 0; i < len(text); i += 5 {
		groups = append(groups, text[i:i+5])
	}
	return NewSecret(strings.Join(groups, "-"))
}

// newEmail returns a temporary address in the domain; its local part has 60
// random bits and is not a secret.
func newEmail(domain string) string { return FoldEmail("guest-" + randomText(8)[:12] + "@" + domain) }

func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand.Read never returns an error
	return lower32.EncodeToString(b)
}

// FoldEmail is how temporary addresses are compared.
func FoldEmail(email string) string { return fold(strings.TrimSpace(email), unicode.IsSpace) }
