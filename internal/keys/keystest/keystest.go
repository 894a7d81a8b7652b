// Package keystest makes the secrets of an installation that only a test has. It is
// for tests only.
package keystest

import (
	"path/filepath"
	"testing"

	"github.com/valetkey/valetkey/internal/keys"
)

// Secrets are new ones, as the program makes and loads them.
func Secrets(t testing.TB) *keys.Secrets {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := keys.InitSecrets(path); err != nil {
		t.Fatal(err)
	}
	secrets, err := keys.LoadSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}
