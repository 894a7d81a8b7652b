package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store"
)

// Whoever starts a program without a database is told what to do, on one line.
func TestNoDatabaseSaysWhatToDo(t *testing.T) {
	t.Parallel()
	junk := filepath.Join(t.TempDir(), "valetkey.db")
	if err := os.WriteFile(junk, bytes.Repeat([]byte("no database "), 500), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ dsn, want string }{
		"another file":     {"sqlite:" + junk, "put back a backup, and run «valetkey recover --config FILE»"},
		"nothing answers":  {"postgres://nobody:unspeakable@127.0.0.1:1/x", "see that it runs, and that «database» in the configuration leads to it"},
		"a file as folder": {"sqlite:" + junk + "/valetkey.db", "make its folder, or let this user write there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(t.Context(), store.Options{DSN: tc.dsn})
			if err == nil {
				s.Close()
				t.Fatal("it is opened")
			}
			if said := err.Error(); !strings.Contains(said, tc.want) || strings.Contains(said, "\n") || strings.Contains(said, "unspeakable") {
				t.Errorf("it says: %s", said)
			}
		})
	}
}
