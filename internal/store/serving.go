package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"
)

const (
	servingFile = "-serve"    // after the database's name; it is empty, and may be deleted while nothing runs
	servingWait = time.Second // for one that is just ending
)

// serveAlone keeps a second broker away from an SQLite file until the engine is
// closed, or the program ends in any other way. Two would lose nothing, since
// SQLite lets one write at a time, but one would learn of the other's endings by
// its poll only, and each would count failed sign-ins by itself. Commands may
// run beside it.
func (e *engine) serveAlone(ctx context.Context, dsn string) error {
	path, file := strings.CutPrefix(dsn, "sqlite:")
	if !file {
		return nil
	}
	path, err := filepath.EvalSymlinks(path) // the database is there; by any link it is the same one
	if err != nil {
		return fmt.Errorf("the database cannot be opened: %w", err)
	}
	if err := ownFile(path + servingFile); err != nil {
		return err
	}
	db, err := connectSQLite(path+servingFile, servingWait, "&_txlock=exclusive&_pragma=journal_mode(MEMORY)") // and no file besides
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	held, err := db.BeginTx(context.WithoutCancel(ctx), nil) // for longer than whoever asks to serve
	if err != nil {
		if err = (unreached{err}); passing(err) {
			err = fmt.Errorf("another «valetkey serve» has the database %s: one at a time can serve from a file, so stop that one first", path)
		}
		return errors.Join(err, db.Close())
	}
	leave := e.close
	e.close = func() {
		leave()
		_ = held.Rollback()
		_ = db.Close()
	}
	return nil
}

// ownFile makes a file, if there is none, that is this user's alone.
func ownFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is the operator's
	if err != nil {
		return fmt.Errorf("the database %s cannot be opened: %w; make its folder, or let this user write there", path, err)
	}
	return f.Close()
}

// oneName refuses a file that has a second name, a hard link. SQLite keeps what was
// committed last in a log that is named like the file, by the name that it was
// opened by: by the other one a revocation is not there, and of two programs that do
// not see each other's log one writes over what the other has committed. (Symbolic
// links SQLite resolves.)
func oneName(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("the database cannot be opened: %w", err)
	}
	names := reflect.Indirect(reflect.ValueOf(info.Sys())).FieldByName("Nlink") // of another width on each system, and on Windows none
	if names.CanUint() && names.Uint() > 1 {
		return fmt.Errorf("the database %s has a second name, a hard link: opened by another name than before it lacks the last commits, so keep one name; «find / -xdev -samefile %[1]s» shows them", path)
	}
	return nil
}
