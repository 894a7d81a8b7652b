package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestOneServesFromAFile: a second one is told what to do, commands run beside it,
// and when it has ended another one may serve. From PostgreSQL any number may.
func TestOneServesFromAFile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		secrets := keystest.Secrets(t)
		serve := func(serve bool) error {
			ctx, cancel := context.WithCancel(t.Context())
			s, err := Open(ctx, options(t, Options{DSN: dsn, Secrets: secrets, Serve: serve}))
			cancel() // it is asked to end, and goes on for a while
			if err == nil {
				t.Cleanup(s.Close)
			}
			return err
		}
		ctx, cancel := context.WithCancel(t.Context())
		first, err := Open(ctx, options(t, Options{DSN: dsn, Secrets: secrets, Serve: true}))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		path, file := strings.CutPrefix(dsn, "sqlite:")
		if more, err := filepath.Glob(path + servingFile + "?*"); err != nil || len(more) > 0 {
			t.Errorf("more than the one file: %v, %v", more, err)
		}
		if err := serve(true); (err != nil) != file || file && !strings.Contains(err.Error(), "stop that one first") {
			t.Errorf("a second one: %v", err)
		}
		if file {
			dsn = "sqlite:" + filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(path, strings.TrimPrefix(dsn, "sqlite:")); err != nil {
				t.Fatal(err)
			}
			if err := serve(true); err == nil {
				t.Error("a second one served from the same file by a link to it")
			}
			dsn = "sqlite:" + path
		}
		if err := serve(false); err != nil {
			t.Errorf("a command: %v", err)
		}
		if first.Close(); !file {
			return
		}
		if err := serve(true); err != nil {
			t.Errorf("the next one: %v", err)
		}
		if info, err := os.Stat(path + servingFile); err != nil || info.Size() != 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("its file: %v, %v", info, err)
		}
	})
}

// TestAFileHasOneName: by a hard link SQLite would take it for another database, and
// not find what was committed last by the other name.
func TestAFileHasOneName(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	path := strings.TrimPrefix(w.dsn, "sqlite:")
	link := path + "-2"
	if err := os.Link(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		for how, o := range map[string]Options{"a broker": {Serve: true}, "a command": {}, "recover": {Recover: true}} {
			o.DSN, o.Secrets = "sqlite:"+name, w.secrets
			if s, err := Open(t.Context(), options(t, o)); err == nil || !strings.Contains(err.Error(), "keep one name") {
				t.Errorf("%s opened %s: %v", how, name, err)
				if err == nil {
					s.Close()
				}
			}
		}
	}
	for _, other := range []string{servingFile, "-wal", "-shm"} {
		if _, err := os.Stat(link + other); err == nil {
			t.Errorf("it made %s", link+other)
		}
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), options(t, Options{DSN: w.dsn, Secrets: w.secrets, Serve: true}))
	if err != nil {
		t.Fatalf("with one name again: %v", err)
	}
	s.Close()
}
