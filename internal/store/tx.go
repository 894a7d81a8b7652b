package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// tx is one transaction: the rows it holds, its one time, and what it will
// write when it ends.
type tx struct {
	s     *Store
	ctx   context.Context
	q     *sql.Tx
	now   time.Time // taken after the last head row is held
	heads []*head
	ended []credentials.Session
	fresh []string // statements that were not kept yet
}

// Limits of a verb. It runs detached from the request that asked for it: a
// cancelled transaction may have committed while its caller saw an error.
const (
	verbLimit  = 10 * time.Second // Store.limit, but for tests that crowd a slow machine
	verbTries  = 12
	firstPause = 2 * time.Millisecond
)

// verb runs f in a transaction and commits. An error of f rolls back; what must
// be stored although it refuses, f returns otherwise. Conflicts are retried; an
// error at commit means "not known" (credentials.ErrUnknownResult).
func (s *Store) verb(ctx context.Context, f func(*tx) error) error {
	return s.limited(ctx, s.limit, f)
}

// long is verb for what may end many sessions.
func (s *Store) long(ctx context.Context, f func(*tx) error) error {
	return s.limited(ctx, s.many(), f)
}

func (s *Store) limited(ctx context.Context, limit time.Duration, f func(*tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return again(ctx, func() error { return s.once(ctx, f) })
}

// again does what a conflict kept from happening again, a bounded number of
// times.
func again(ctx context.Context, f func() error) error {
	var err error
	for i := range verbTries {
		if err = f(); err == nil || !passing(err) {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(firstPause << min(i, 6)))) //nolint:gosec // jitter
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

// guarded is verb for what mints, redeems and issues: not without a clock.
func (s *Store) guarded(ctx context.Context, f func(*tx) error) error {
	if err := s.Clock(); err != nil {
		return err
	}
	return s.verb(ctx, f)
}

func (s *Store) once(ctx context.Context, f func(*tx) error) error {
	if err := s.probed("BEGIN"); err != nil {
		return err
	}
	q, err := s.engine.write.BeginTx(ctx, &sql.TxOptions{Isolation: s.engine.isolate})
	if err != nil {
		return err
	}
	defer func() { _ = q.Rollback() }() // after a panic too; after a commit it does nothing
	t := &tx{s: s, ctx: ctx, q: q, now: s.now().UTC().Truncate(time.Microsecond)}
	if err = f(t); err == nil {
		err = t.finish()
	}
	if err == nil {
		err = s.probed("COMMIT")
	}
	if err != nil {
		return err
	}
	if err = q.Commit(); err == nil {
		s.commits.Add(1)
		if s.probe != nil {
			err = s.probe("COMMITTED")
		}
	}
	if len(t.ended) > 0 { // it may be there also where the commit failed
		s.woken()
	}
	if err != nil && !passing(err) {
		return fmt.Errorf("%w: %w", credentials.ErrUnknownResult, err)
	}
	for _, query := range t.fresh {
		_, _ = s.statement(ctx, s.engine.write, query) // kept for the next time
	}
	return err
}

// Counts are how many transactions have been committed, and statements run in
// them and besides, since the store was opened.
func (s *Store) Counts() (commits, statements int64) { return s.commits.Load(), s.statements.Load() }

// probed counts a statement, and asks the probe of a test, if there is one.
func (s *Store) probed(statement string) error {
	s.statements.Add(1)
	if s.probe == nil {
		return nil
	}
	return s.probe(statement)
}

// finish writes what the transaction gathered: the heads of the records, then
// the numbered endings, whose counter is the last lock.
func (t *tx) finish() error {
	for _, h := range t.heads {
		if err := h.save(t); err != nil {
			return err
		}
	}
	return t.number()
}

// kept is the key of a statement that is kept prepared.
type kept struct {
	db    *sql.DB
	query string
}

// statement returns the statement that is kept for the database, preparing it
// if it is new.
func (s *Store) statement(ctx context.Context, db *sql.DB, query string) (*sql.Stmt, error) {
	if stmt, ok := s.prepared.Load(kept{db, query}); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if other, loaded := s.prepared.LoadOrStore(kept{db, query}, stmt); loaded {
		_ = stmt.Close()
		return other.(*sql.Stmt), nil
	}
	return stmt, nil
}

// exec runs a statement and returns the number of rows that it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	result, err := t.run(query, args)
	if err != nil {
		return 0, fmt.Errorf("%w in %.60q", err, query)
	}
	return result.RowsAffected()
}

func (t *tx) run(query string, args []any) (sql.Result, error) {
	if err := t.s.probed(query); err != nil {
		return nil, err
	}
	if !t.s.engine.prepare {
		return t.q.ExecContext(t.ctx, query, args...)
	}
	stmt, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(t.ctx, args...)
}

// prepare finds the kept statement, on the transaction's own connection. A new
// one is kept after the commit: until then t holds the only connection that
// writes.
func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := t.s.prepared.Load(kept{t.s.engine.write, query}); ok {
		return t.q.StmtContext(t.ctx, stmt.(*sql.Stmt)), nil
	}
	t.fresh = append(t.fresh, query)
	return t.q.PrepareContext(t.ctx, query)
}

// each calls scan for every row of a query.
func (t *tx) each(query string, scan func(*sql.Rows) error, args ...any) error {
	rows, err := t.rows(query, args)
	if err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	return drain(rows, scan)
}

func (t *tx) rows(query string, args []any) (*sql.Rows, error) {
	if err := t.s.probed(query); err != nil {
		return nil, err
	}
	if !t.s.engine.prepare {
		return t.q.QueryContext(t.ctx, query, args...)
	}
	stmt, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(t.ctx, args...)
}

// one reads a single row; found is false when there is none.
func (t *tx) one(query string, args []any, into ...any) (found bool, err error) {
	err = t.each(query, func(r *sql.Rows) error {
		found = true
		return r.Scan(into...)
	}, args...)
	return found, err
}

// query reads outside any transaction, on the primary, within a verb's time.
func (s *Store) query(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	return s.queryWithin(ctx, s.limit, query, args, scan)
}

// queryWithin is query for what may read a whole table.
func (s *Store) queryWithin(ctx context.Context, limit time.Duration, query string, args []any, scan func(*sql.Rows) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var rows *sql.Rows
	err := s.probed(query)
	if err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	if s.engine.prepare {
		var stmt *sql.Stmt
		if stmt, err = s.statement(ctx, s.engine.read, query); err == nil {
			rows, err = stmt.QueryContext(ctx, args...)
		}
	} else {
		rows, err = s.engine.read.QueryContext(ctx, query, args...)
	}
	if err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	return drain(rows, scan)
}

func drain(rows *sql.Rows, scan func(*sql.Rows) error) error {
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// micros is a time as the database keeps it: 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
