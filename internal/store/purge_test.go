package store

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestPurge: what was erased, or changed before, is in no byte of the files, also
// while others have the database open.
func TestPurge(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	w.people()
	for i := range 50 { // names that were changed leave their bytes behind
		a := dana
		a.Name = fmt.Sprint("Dana Agent ", i)
		if _, err := w.redeem(a, "handleoffirst", "00000"); err == nil {
			t.Fatal("a wrong PIN")
		}
		w.clock.add(time.Hour)
	}
	raw := func() (all string) {
		t.Helper()
		for _, end := range []string{"", "-wal", "-shm"} {
			text, err := os.ReadFile(strings.TrimPrefix(w.dsn, "sqlite:") + end)
			if err != nil {
				t.Fatal(err)
			}
			all += string(text)
		}
		return all
	}
	w.erased = true
	if _, err := w.ErasePerson(t.Context(), dana.Issuer, dana.Subject); err != nil {
		t.Fatal(err)
	}
	if _, err := w.EraseAccount(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(raw(), "Dana Agent") {
		t.Error("the files hold no trace before: the test shows nothing")
	}
	other := *w
	if err := w.reopenBeside(&other); err != nil {
		t.Fatal(err)
	}
	if err := w.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, text := range append(slices.Clone(ofDana), "Name of first", "Handle-of-first") {
		if strings.Contains(raw(), text) {
			t.Errorf("the files hold %q", text)
		}
	}
	if !strings.Contains(raw(), "Eve Agent") {
		t.Error("the files hold nothing of anybody: the test shows nothing")
	}
	w.sound()
	other.sound()
}

// reopenBeside opens the same database for another world, which has read it.
func (w *world) reopenBeside(other *world) error {
	s, err := Open(w.t.Context(), Options{DSN: w.dsn, Secrets: w.secrets, Now: w.clock.now})
	if err != nil {
		return err
	}
	w.t.Cleanup(s.Close)
	other.Store = s
	_, err = s.Visits(w.t.Context(), "first", 9)
	return err
}

// TestPurgeWaitsForReaders: it does not say that it is done while somebody keeps
// the old pages.
func TestPurgeWaitsForReaders(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	w.people()
	tx, err := w.engine.read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.QueryRowContext(t.Context(), `SELECT count(*) FROM accounts`).Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	if err := w.Purge(t.Context()); err == nil {
		t.Error("purged beside a reader")
	}
}
