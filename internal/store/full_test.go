package store

import (
	"fmt"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestAFullDisk: what does not fit is told and leaves nothing, what is there can
// be read, and when there is room again the broker goes on by itself.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	w.mint(minting("acme", "1"))
	if _, err := w.engine.write.ExecContext(t.Context(), `PRAGMA max_page_count = 1`); err != nil { // means: as large as it is
		t.Fatal(err)
	}
	made, err := 1, error(nil)
	for n := 2; n < 1000 && err == nil; n++ {
		if _, _, err = w.Mint(t.Context(), minting(fmt.Sprint("account", n), fmt.Sprint(n))); err == nil {
			made++
		}
	}
	if err == nil {
		t.Fatalf("%d credentials fit", made)
	}
	if n := w.number(`SELECT count(*) FROM credentials WHERE account <> 'acme'`); n != made-1 {
		t.Errorf("%d credentials are there, want %d", n, made-1)
	}
	if _, err := w.engine.write.ExecContext(t.Context(), `PRAGMA max_page_count = 1000000`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Mint(t.Context(), minting("acme", "2")); err != nil {
		t.Errorf("with room again: %v", err)
	}
	w.sound()
}

// TestAConnectionThatWasNotUndone: where a transaction cannot be undone nobody
// gets its connection, and the next one has another.
func TestAConnectionThatWasNotUndone(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	own := func() (n int) { // tables of the one connection that writes
		t.Helper()
		if err := w.engine.write.QueryRowContext(t.Context(), `SELECT count(*) FROM sqlite_temp_master`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := w.engine.write.ExecContext(t.Context(), `CREATE TEMP TABLE mine (n INTEGER)`); err != nil {
		t.Fatal(err)
	}
	for _, by := range []struct {
		hand bool
		left int
	}{{false, 1}, {true, 0}} {
		q, err := w.engine.begin(t.Context())
		if err == nil && by.hand {
			err = q.once(rollbackFile, nil) // there is nothing to undo any more
		}
		if err != nil {
			t.Fatal(err)
		}
		if q.end(); own() != by.left {
			t.Errorf("undone by hand %v: %d tables are left, want %d", by.hand, own(), by.left)
		}
	}
	w.mint(minting("acme", "1"))
}
