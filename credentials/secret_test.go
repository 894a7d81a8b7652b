package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

// TestSecretIsRedacted: however a secret is printed, alone or inside something.
func TestSecretIsRedacted(t *testing.T) {
	t.Parallel()
	const text = "483920"
	s := NewSecret(text)
	inside := struct {
		Shown  Secret
		hidden Secret
		Many   []Secret
		ByName map[string]Secret
	}{s, s, []Secret{s}, map[string]Secret{"pin": s}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T%v"} {
		for _, v := range []any{s, &s, inside, &inside, Minted{Secret: s}, []any{s}} {
			if strings.HasPrefix(verb, "%T") {
				fmt.Fprintf(&out, verb, v, v)
			} else {
				fmt.Fprintf(&out, verb+" ", v)
			}
		}
	}
	fmt.Fprint(&out, fmt.Errorf("wrapped: %v", s), errors.New(s.String()), s.GoString())
	encoded, err := json.Marshal(inside)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("message", "secret", s, "inside", inside, "pointer", &inside, "minted", Minted{Secret: s})
	}
	for _, form := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), "34 38", "[52 56"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the output has %q", form)
		}
	}
	if got := fmt.Sprintf("%v %s %#v", s, s, s); got != "[redacted] [redacted] [redacted]" {
		t.Errorf("printed as %s", got)
	}
	if s.Reveal() != text || (Secret{}).Reveal() != "" || inside.hidden.Reveal() != text {
		t.Error("it does not reveal what it holds")
	}
}

func TestDrawnSecrets(t *testing.T) {
	t.Parallel()
	pin := regexp.MustCompile(`^[0-9]{4}$`)
	password := regexp.MustCompile(`^([abcdefghjkmnpqrstuvwxyz023456789]{5}-){4}[abcdefghjkmnpqrstuvwxyz023456789]{5}$`)
	email := regexp.MustCompile(`^guest-[a-z0-9]{12}@x\.example$`)
	digits, seen := map[byte]bool{}, map[string]bool{}
	groups, again := map[string]bool{}, 0
	for range 300 {
		p := newPIN(4).Reveal()
		if !pin.MatchString(p) {
			t.Fatalf("PIN %q", p)
		}
		digits[p[0]] = true
		for _, group := range strings.Split(newPassword().Reveal(), "-") {
			if groups[group] { // of 5 random characters, 1 in 30 million pairs are the same
				again++
			}
			groups[group] = true
		}
		for text, form := range map[string]*regexp.Regexp{newPassword().Reveal(): password, newEmail("X.example"): email} {
			if !form.MatchString(text) || seen[text] {
				t.Fatalf("%q, again: %v", text, seen[text])
			}
			seen[text] = true
		}
	}
	if again > 3 {
		t.Errorf("%d groups of 1500 were there before: a password has fewer random bits than it is long", again)
	}
	if len(digits) != 10 {
		t.Errorf("300 PINs begin with %d digits only", len(digits))
	}
}
