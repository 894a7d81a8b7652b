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
