package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// stuck is a COMMIT that fails.
type stuck struct {
	fileStatement
	left int
	err  error
}

func (s *stuck) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.left--; s.left >= 0 {
		if s.err == nil {
			panic("a commit that panics")
		}
		return nil, s.err
	}
	return s.fileStatement.ExecContext(ctx, args)
}

// failing makes the next COMMIT of the connection fail, or panic for want of an error.
func failing(t *tx, err error) error {
	f := t.q.(*embedded).group.f
	s, wrong := f.statement(commitFile)
	f.statements[commitFile] = &stuck{fileStatement: s, left: 1, err: err}
	return wrong
}

// TestACommitThatFails: fails for all who share it. Who was refused is not told so
// for a reason that was not stored. The connection serves the next.
func TestACommitThatFails(t *testing.T) {
	w := lone(t)
	marker, refusal := errors.New("marker"), errors.New("refused")
	told := w.line(func(t *tx) error { return errors.Join(failing(t, marker), write(1)(t)) },
		w.one(write(2)), w.one(func(*tx) error { return refusal }), w.one(write(3)), w.one(func(*tx) error { return refusal }))
	for i, err := range told {
		refused := i == 2 || i == 4
		if !errors.Is(err, marker) || errors.Is(err, refusal) || errors.Is(err, credentials.ErrUnknownResult) == refused {
			t.Errorf("verb %d is told %v", i, err)
		}
	}
	told = w.line(func(t *tx) error { return errors.Join(failing(t, nil), write(1)(t)) }, w.one(write(2)))
	if !errors.Is(told[0], credentials.ErrUnknownResult) || told[1] == nil {
		t.Errorf("the last one panics: %v", told)
	}
	if got := w.written(); len(got) != 0 {
		t.Errorf("%v are stored", got)
	}
	if told := w.line(write(4), w.one(write(5))); errors.Join(told...) != nil || !slices.Equal(w.written(), []int{4, 5}) {
		t.Errorf("afterwards: %v, %v are stored", told, w.written())
	}
}

// TestABusyCommit: nothing of anybody is stored, and all do it again.
func TestABusyCommit(t *testing.T) {
	w := lone(t)
	again := func(n int) func() error {
		return func() error { return w.verb(t.Context(), write(n)) }
	}
	n := w.commitsOf(func() {
		told := w.line(func(t *tx) error { return errors.Join(failing(t, w.conflict()), write(1)(t)) }, again(2), again(3))
		if !passing(told[0]) || errors.Join(told[1:]...) != nil {
			t.Error(told)
		}
	})
	got := w.written()
	if slices.Sort(got); n > 2 || n < 1 || !slices.Equal(got, []int{2, 3}) {
		t.Errorf("%d commits, and %v are stored", n, got)
	}
}

// conflict is what SQLite says to another program while somebody writes.
func (w *world) conflict() error {
	w.t.Helper()
	path, _ := strings.CutPrefix(w.dsn, "sqlite:")
	db, err := connectSQLite(path, 0, "")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(w.t.Context(), beginFile)
	if err == nil {
		w.t.Fatal("nobody writes")
	}
	return err
}

// TestAFailureIsItsOwn: wherever in a group a verb fails, and however, it is undone
// and the others are not.
func TestAFailureIsItsOwn(t *testing.T) {
	w := lone(t)
	marker := errors.New("marker")
	n := 0
	for name, end := range map[string]func(*tx) error{
		"an error":               func(*tx) error { return marker },
		"a panic":                func(*tx) error { panic(marker) },
		"its goroutine ends":     func(*tx) error { runtime.Goexit(); return nil },
		"its end":                func(t *tx) error { return t.holdBy(`SELECT 1`) },
		"a statement":            func(t *tx) error { _, err := t.exec(`UPDATE nothing SET n = 1`); return err },
		"an error that it hides": func(t *tx) error { _, _ = t.exec(`UPDATE nothing SET n = 1`); return write(n)(t) },
	} {
		for fails := range 3 {
			n += 10
			var verbs [3]func(*tx) error
			want := w.written()
			for i := range verbs {
				verbs[i] = write(n + i)
				if i != fails {
					want = append(want, n+i)
				}
			}
			verbs[fails] = func(t *tx) error { return errors.Join(write(n+fails)(t), end(t)) }
			told := w.line(verbs[0], w.one(verbs[1]), w.one(verbs[2]))
			for i, err := range told {
				if (err != nil) != (i == fails) {
					t.Errorf("%s of the verb %d: the verb %d is told %v", name, fails, i, err)
				}
			}
			if got := w.written(); !slices.Equal(got, want) {
				t.Errorf("%s of the verb %d: %v are stored, want %v", name, fails, got, want)
			}
		}
	}
}

// twin is another store on the same connections, with a probe of its own.
func (w *world) twin() *world {
	s := &Store{engine: w.engine, now: w.now, log: w.log, secrets: w.Store.secrets, clients: w.clients, wake: make(chan struct{}, 1),
		limit: w.limit, flight: w.flight, place: w.place, ID: w.ID}
	s.together = &together{look: s.sessionsNow}
	return &world{Store: s, t: w.t, dsn: w.dsn, clock: w.clock, secrets: w.secrets}
}

// TestEveryStatementMayFailAmidOthers: as it may alone. Those before and after lose
// nothing by it.
func TestEveryStatementMayFailAmidOthers(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, storetest.SQLite(t)).scene()
			amid := *s
			amid.world = s.twin()
			before, marker := s.contents(), errors.New("marker")
			verb := amid.verbs()[name]
			for at := 1; ; at++ {
				n := 0
				amid.probe = func(statement string) error {
					if n++; n == at && statement != "COMMITTED" {
						return marker
					}
					return nil
				}
				told := s.line(write(2*at), func() error { return verb(t.Context()) }, s.one(write(2*at+1)))
				if told[0] != nil || told[2] != nil || len(s.written()) != 2*at {
					t.Fatalf("statement %d failed, the others are told %v and %v, and %v are stored", at, told[0], told[2], s.written())
				}
				if told[1] == nil {
					break
				}
				if !errors.Is(told[1], marker) {
					t.Fatalf("statement %d failed and the verb says %v", at, told[1])
				}
				if after := s.contents(); after != before {
					t.Fatalf("statement %d failed and something was stored:\n%s\nbefore:\n%s", at, after, before)
				}
			}
			if s.contents() == before {
				t.Error("the verb changed nothing")
			}
			s.erased = amid.erased
			s.sound()
		})
	}
}

// full writes until the database is full, and after that nothing.
func full(t *tx) error {
	if _, err := t.exec(`PRAGMA max_page_count = 1`); err != nil { // means: as large as it is
		return err
	}
	var err error
	for i := 0; err == nil; i++ { // one row at a time: a statement of several is undone by itself
		_, err = t.exec(`INSERT INTO otp_used (person, step) VALUES ($1, 0)`, fmt.Sprint(strings.Repeat("x", 1000), i))
	}
	if _, later := t.exec(`INSERT INTO otp_used (person, step) VALUES ('sam', -1)`); later == nil || t.put(`DELETE FROM otp_used`) == nil {
		return errors.New("it goes on")
	}
	return err
}

// TestAFullDiskAmidAGroup: SQLite undoes everybody's then. Who was done before does
// it again, whether it hides the error or not nothing is stored of the one that did
// not fit, and who comes after it is not outside a transaction.
func TestAFullDiskAmidAGroup(t *testing.T) {
	w := lone(t)
	n := 0
	refusal := errors.New("refused")
	if told := w.line(write(n), w.one(func(t *tx) error { _ = full(t); return refusal })); errors.Is(told[1], refusal) || !passing(told[1]) {
		t.Errorf("refused for what was undone: %v", told)
	}
	for name, hides := range map[string]bool{"told": false, "hidden": true} {
		for _, alone := range []bool{false, true} {
			n += 2
			fills := func(t *tx) error {
				if err := full(t); !hides {
					return err
				}
				return nil
			}
			var told []error
			want := w.written()
			if alone {
				told = w.line(fills, w.one(write(n)))
				want = append(want, n)
			} else {
				told = w.line(write(n), w.one(fills), func() error { return w.verb(t.Context(), write(n+1)) })
				want = append(want, n+1)
				if !errors.Is(told[0], errUndone) || !passing(told[0]) {
					t.Errorf("%s: the one before is told %v", name, told[0])
				}
				told = told[1:]
			}
			var lite *sqlite.Error
			if !errors.As(told[0], &lite) || lite.Code() != lib.SQLITE_FULL || passing(told[0]) || errors.Is(told[0], credentials.ErrUnknownResult) || told[1] != nil {
				t.Errorf("%s, alone %v: %v", name, alone, told)
			}
			if got := w.written(); !slices.Equal(got, want) {
				t.Errorf("%s, alone %v: %v are stored, want %v", name, alone, got, want)
			}
		}
	}
}
