package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// tx is one transaction: the rows it holds, its one time, and what it will
// write when it ends.
type tx struct {
	s     *Store
	q     transaction
	now   time.Time // taken after the last head row is held
	heads []*head
	ended []credentials.Session
	told  told // once they are numbered

	opened *credentials.Session

	// Not careful, it takes what it inserts to be new, and an account to be as it was
	// seen; guessed: it has.
	careful, guessed bool
}

// row is what a query found, on either engine.
type row interface{ Scan(into ...any) error }

// transaction is one of an engine's.
type transaction interface {
	// put runs a statement by the time of the next run, settle or commit, after
	// those that were put before. Its error may come then.
	put(query string, args []any, scan func(row) error) error
	// once is put for a statement whose text depends on how much it does, and
	// which is therefore not kept.
	once(query string, args []any) error
	// run runs a statement now and returns the number of rows that it changed.
	// scan sees every row that comes back.
	run(query string, args []any, scan func(row) error) (changed int64, err error)
	settle() error
	commit() error
	joined() bool // and its COMMIT, that of another, who counts it
	// refuse rolls back and returns err; or, where what err may rest on could not be
	// stored, that error.
	refuse(err error) error
	end() // rolls back what was neither committed nor refused
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

// guarded is verb for what mints, redeems and issues: not without a clock, which
// may be set while it runs too.
func (s *Store) guarded(ctx context.Context, f func(*tx) error) error {
	if err := s.Clock(); err != nil {
		return err
	}
	return s.verb(ctx, func(t *tx) error { return cmp.Or(f(t), s.Clock()) })
}

// once runs f in one transaction; where what it took to be new was there before,
// or what it foresaw has come otherwise, that is undone, and f runs in another
// one, which looks.
func (s *Store) once(ctx context.Context, f func(*tx) error) error {
	t := &tx{s: s}
	err := t.transact(ctx, f)
	if t.guessed && (duplicate(err) || moved(err)) && errors.Is(err, errUndone) {
		return (&tx{s: s, careful: true}).transact(ctx, f)
	}
	return err
}

func (t *tx) transact(ctx context.Context, f func(*tx) error) error {
	s := t.s
	if err := s.probed("BEGIN"); err != nil {
		return err
	}
	q, err := s.engine.begin(ctx)
	if err != nil {
		return err
	}
	defer q.end() // after a panic too
	t.q, t.now = q, s.now().UTC().Truncate(time.Microsecond)
	if err = f(t); err == nil {
		err = t.finish()
	} else if t.guessed { // what f says is so if it has guessed right
		err = cmp.Or(t.send(), err)
	}
	if err == nil {
		err = s.probed("COMMIT")
	}
	if err != nil {
		return q.refuse(err)
	}
	if t.opened != nil && !s.engine.file { // before anybody can find it and end it; of what is not stored then nobody has the id
		s.guesses.keep(*t.opened, *t.head(t.opened.Account.ID), t.now)
	}
	if err = q.commit(); err == nil {
		if !q.joined() {
			s.commits.Add(1)
		}
		if s.probe != nil {
			err = s.probe("COMMITTED")
		}
	}
	for _, one := range t.ended {
		s.guesses.forget(one.ID)
	}
	if len(t.ended) > 0 && (err != nil || !s.tell(t.told)) { // it may be there also where the commit failed
		s.woken()
	}
	if err != nil && !passing(err) && !errors.Is(err, errUndone) {
		return fmt.Errorf("%w: %w", credentials.ErrUnknownResult, err)
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

// put writes what nobody asks the outcome of but whether it worked, which may be
// told with the next statement.
func (t *tx) put(query string, args ...any) error { return t.soon(query, nil, args...) }

// soon is put for a query: scan is called by the time that the next statement
// returns.
func (t *tx) soon(query string, scan func(row) error, args ...any) error {
	if err := t.s.probed(query); err != nil {
		return err
	}
	return t.q.put(query, args, scan)
}

// exec runs a statement and returns the number of rows that it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	if err := t.s.probed(query); err != nil {
		return 0, fmt.Errorf("%w in %.60q", err, query)
	}
	if err := t.sending(); err != nil {
		return 0, err
	}
	return t.q.run(query, args, nil)
}

// onConflict ends an insertion that does nothing where the row is there.
const onConflict = `ON CONFLICT DO NOTHING`

// add inserts a row unless it is there, and reports whether it was not. On
// PostgreSQL, where that answer would take a trip of its own, the row is taken to be
// new at first, and goes along with what follows: see Store.once.
func (t *tx) add(query string, args ...any) (first bool, err error) {
	if t.careful || t.s.engine.file {
		n, err := t.exec(query, args...)
		return n == 1, err
	}
	t.guessed = true
	return true, t.put(strings.TrimSuffix(query, onConflict), args...)
}

// each calls scan for every row of a query.
func (t *tx) each(query string, scan func(row) error, args ...any) error {
	if err := t.s.probed(query); err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	if err := t.sending(); err != nil {
		return err
	}
	_, err := t.q.run(query, args, scan)
	return err
}

// one reads a single row; found is false when there is none.
func (t *tx) one(query string, args []any, into ...any) (found bool, err error) {
	err = t.each(query, scanning(&found, into...), args...)
	return found, err
}

// query reads outside any transaction, on the primary, within a verb's time.
func (s *Store) query(ctx context.Context, query string, args []any, scan func(row) error) error {
	return s.queryWithin(ctx, s.limit, query, args, scan)
}

// queryWithin is query for what may read a whole table.
func (s *Store) queryWithin(ctx context.Context, limit time.Duration, query string, args []any, scan func(row) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.probed(query); err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	return s.engine.look(ctx, limit != s.limit, query, args, scan)
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
