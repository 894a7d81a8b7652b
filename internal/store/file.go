package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// SQLite's connections are pooled by database/sql and, once one is taken, used
// without it: for each statement it starts goroutines that wait for a context to
// end, and so does the driver. Nothing here is far away, and what may wait, for a
// connection or for another's write, has limits of its own.

// fileConn is a connection, with the statements that are kept prepared on it.
// Whoever has taken it from the pool is the only one that uses it.
type fileConn struct {
	driverConn
	statements map[string]fileStatement
	args       []driver.NamedValue // of the statement that runs
}

// driverConn is what the driver's connections are, and database/sql asks of
// them.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type fileStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// fileConnector opens connections to one file.
type fileConnector struct{ driver.Connector }

func openFile(dsn string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(fileConnector{c}), nil
}

// Connect implements driver.Connector.
func (f fileConnector) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := f.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &fileConn{driverConn: c.(driverConn), statements: map[string]fileStatement{}}, nil
}

// Close closes what is kept with the connection.
func (f *fileConn) Close() error {
	for _, s := range f.statements {
		_ = s.Close()
	}
	return f.driverConn.Close()
}

// take takes a connection, waiting for one no longer than ctx lasts.
func take(ctx context.Context, db *sql.DB) (held *sql.Conn, f *fileConn, err error) {
	held, err = db.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = held.Raw(func(c any) error {
		f = c.(*fileConn)
		return nil
	})
	return held, f, err
}

// statement returns the statement that is kept, preparing it if it is new.
func (f *fileConn) statement(query string) (fileStatement, error) {
	if s, ok := f.statements[query]; ok {
		return s, nil
	}
	s, err := f.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	f.statements[query] = s.(fileStatement)
	return s.(fileStatement), nil
}

// bind turns values into what the driver takes.
func (f *fileConn) bind(args []any) ([]driver.NamedValue, error) {
	f.args = f.args[:0]
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, err
		}
		f.args = append(f.args, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return f.args, nil
}

// run runs a statement that is kept. scan sees every row that comes back; without
// it the number of rows that were changed is returned.
func (f *fileConn) run(ctx context.Context, query string, args []any, scan func(row) error) (changed int64, err error) {
	s, err := f.statement(query)
	if err == nil {
		changed, err = f.runStatement(ctx, s, args, scan)
	}
	if err != nil {
		return 0, fmt.Errorf("%w in %.60q", err, query)
	}
	return changed, nil
}

func (f *fileConn) runStatement(ctx context.Context, s fileStatement, args []any, scan func(row) error) (int64, error) {
	bound, err := f.bind(args)
	if err != nil {
		return 0, err
	}
	if scan == nil {
		result, err := s.ExecContext(ctx, bound)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	rows, err := s.QueryContext(ctx, bound)
	if err != nil {
		return 0, err
	}
	found := make(fileRow, len(rows.Columns()))
	for {
		if err = rows.Next(found); err == nil {
			err = scan(found)
		}
		if err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return 0, errors.Join(err, rows.Close())
}

// lookInFile reads outside any transaction. What may read a whole table ends with
// its context; the rest is over before anybody could end it.
func lookInFile(ctx context.Context, db *sql.DB, long bool, query string, args []any, scan func(row) error) error {
	held, f, err := take(ctx, db)
	if err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	defer func() { _ = held.Close() }()
	if !long {
		ctx = context.WithoutCancel(ctx)
	}
	_, err = f.run(ctx, query, args, scan)
	return err
}

// embedded is a verb's transaction on SQLite, or its part of one: each statement
// runs at once. Where it begins and ends says relay.
type embedded struct {
	relay  *relay
	group  *group
	joins  bool  // others were in the group before
	over   bool  // the turn has been given away
	failed error // of a statement after which SQLite may have undone everything
}

func (e *embedded) put(query string, args []any, scan func(row) error) error {
	_, err := e.run(query, args, scan)
	return err
}

func (e *embedded) once(query string, args []any) error {
	if e.failed != nil {
		return e.failed
	}
	f := e.group.f
	bound, err := f.bind(args)
	if err == nil {
		_, err = f.ExecContext(context.Background(), query, bound)
	}
	if err != nil {
		err = fmt.Errorf("%w in %.60q", err, query)
	}
	return e.judged(err)
}

func (e *embedded) run(query string, args []any, scan func(row) error) (changed int64, err error) {
	if e.failed != nil {
		return 0, e.failed
	}
	changed, err = e.group.f.run(context.Background(), query, args, scan)
	return changed, e.judged(err)
}

// judged keeps an error after which no other statement may run: outside a
// transaction it would be committed by itself. A value that is there already
// undoes one statement and no more.
func (e *embedded) judged(err error) error {
	if err != nil && !duplicate(err) {
		e.failed = err
	}
	return err
}

func (e *embedded) settle() error { return nil }
