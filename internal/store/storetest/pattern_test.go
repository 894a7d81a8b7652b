package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestCopies: a database is prepared once, however many tests come at the same
// time, and what one test does to its copy no other one sees.
func TestCopies(t *testing.T) {
	t.Parallel()
	var times atomic.Int32
	made := prepared{prepare: func(dsn string) error {
		times.Add(1)
		if path, is := strings.CutPrefix(dsn, "sqlite:"); is {
			return os.WriteFile(path, []byte("prepared"), 0o600)
		}
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(t.Context(), "CREATE TABLE prepared (n bigint PRIMARY KEY)")
		return errors.Join(err, conn.Close(t.Context()))
	}}
	server, err := shared.get()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 6 {
		path := filepath.Join(t.TempDir(), "valetkey.db")
		all.Go(func() {
			if err := made.copyFile(path); err != nil {
				t.Error(err)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "prepared" {
				t.Errorf("%q %v", text, err)
			}
			from, err := made.database(server)
			if err != nil {
				t.Error(err)
				return
			}
			conn, err := pgx.Connect(t.Context(), server.database(t, from))
			if err == nil {
				_, err = conn.Exec(t.Context(), "INSERT INTO prepared VALUES (1)") // a second one would be refused
				err = errors.Join(err, conn.Close(context.Background()))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := times.Load(); n != 2 {
		t.Errorf("prepared %d times, want once for each engine", n)
	}
}

// TestWhatCannotBePrepared is said to every test that wants it.
func TestWhatCannotBePrepared(t *testing.T) {
	t.Parallel()
	broken := errors.New("no schema")
	p := prepared{prepare: func(string) error { return broken }}
	for range 2 {
		if err := p.copyFile(filepath.Join(t.TempDir(), "valetkey.db")); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	}
}
