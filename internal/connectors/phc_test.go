package connectors

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/valetkey/valetkey/credentials"
)

// cheapHash is a hash in PHC form that costs nearly nothing to compare.
func cheapHash(password string) string {
	salt := []byte("0123456789abcdef")
	sum := argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)
	return fmt.Sprintf("$argon2id$v=19$m=8,t=1,p=1$%s$%s",
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

func TestHashPassword(t *testing.T) {
	t.Parallel()
	gate := credentials.NewHasher(nil)
	one, two := HashPassword(rightPassword), HashPassword(rightPassword)
	if one == two {
		t.Error("two hashes of one password are the same: there is no salt")
	}
	for password, want := range map[string]bool{rightPassword: true, rightPassword + " ": false, "": false} {
		if got, err := verifyPHC(t.Context(), gate, one, password); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", password, got, err, want)
		}
	}
}

func TestParsePHC(t *testing.T) {
	t.Parallel()
	good := cheapHash(rightPassword)
	if _, err := parsePHC(good); err != nil {
		t.Fatal(err)
	}
	if _, err := parsePHC(nobody); err != nil {
		t.Errorf("nobody: %v", err)
	}
	for name, bad := range map[string]string{
		"nothing":             "",
		"a password":          rightPassword,
		"argon2i":             strings.Replace(good, "argon2id", "argon2i", 1),
		"an old version":      strings.Replace(good, "v=19", "v=16", 1),
		"something before":    " " + good,
		"something after":     good + "$",
		"a line after":        good + "\n",
		"a line inside":       strings.Replace(good, "p=1$", "p=1$\n", 1),
		"more parameters":     strings.Replace(good, "p=1", "p=1,x=2", 1),
		"text after a number": strings.Replace(good, "p=1", "p=1x", 1),
		"a sign":              strings.Replace(good, "t=1", "t=+1", 1),
		"no passes":           strings.Replace(good, "t=1", "t=0", 1),
		"no lanes":            strings.Replace(good, "p=1", "p=0", 1),
		"no memory":           strings.Replace(good, "m=8", "m=0", 1),
		"too many lanes":      strings.Replace(good, "p=1", "p=256", 1),
		"too many passes":     strings.Replace(good, "t=1", "t=99", 1),
		"all memory":          strings.Replace(good, "m=8", "m=9999999", 1),
		"more than all":       strings.Replace(good, "m=8", "m=4294967304", 1),
		"no salt":             "$argon2id$v=19$m=8,t=1,p=1$$AAAA",
		"no hash":             "$argon2id$v=19$m=8,t=1,p=1$AAAA$",
		"padded":              good + "=",
		"a long hash":         "$argon2id$v=19$m=8,t=1,p=1$AAAA$" + strings.Repeat("AAAA", 30),
	} {
		if h, err := parsePHC(bad); err == nil {
			t.Errorf("%s: %q is taken as %+v", name, bad, h)
		}
	}
}

// FuzzParsePHC: whatever is parsed stays within what a sign-in may cost, and
// means the same when it is written again.
func FuzzParsePHC(f *testing.F) {
	for _, seed := range []string{nobody, cheapHash("x"), "$argon2id$v=19$m=1,t=1,p=1$A$A", "$$$$$", "", "$argon2id$v=19$m=8,t=1,p=1$AB$AB\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			return
		}
		if h.memory < 1 || h.memory > mostMemory || h.passes < 1 || h.passes > mostPasses || h.lanes < 1 ||
			len(h.salt) == 0 || len(h.sum) == 0 || len(h.salt) > mostBytes || len(h.sum) > mostBytes {
			t.Fatalf("%q is taken as %+v", s, h)
		}
		again, err := parsePHC(fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.memory, h.passes, h.lanes,
			base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.sum)))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(h) {
			t.Fatalf("%q: %+v, and again %+v, %v", s, h, again, err)
		}
	})
}
