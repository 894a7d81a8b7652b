package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// keeper keeps the statements of a database prepared, for as long as it is open.
type keeper struct{ statements sync.Map } // kept → *sql.Stmt

// kept is the key of a statement that is kept prepared.
type kept struct {
	db    *sql.DB
	query string
}

// statement returns the statement that is kept for the database, preparing it
// if it is new.
func (k *keeper) statement(ctx context.Context, db *sql.DB, query string) (*sql.Stmt, error) {
	if stmt, ok := k.statements.Load(kept{db, query}); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if other, loaded := k.statements.LoadOrStore(kept{db, query}, stmt); loaded {
		_ = stmt.Close()
		return other.(*sql.Stmt), nil
	}
	return stmt, nil
}

func (k *keeper) close() {
	k.statements.Range(func(_, stmt any) bool {
		_ = stmt.(*sql.Stmt).Close()
		return true
	})
}

// query reads outside any transaction.
func (k *keeper) query(ctx context.Context, db *sql.DB, query string, args []any, scan func(row) error) error {
	stmt, err := k.statement(ctx, db, query)
	if err == nil {
		var rows *sql.Rows
		if rows, err = stmt.QueryContext(ctx, args...); err == nil {
			err = drain(rows, scan)
		}
	}
	if err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	return nil
}

// embedded is a transaction on SQLite, where nothing is far away: each statement
// runs at once.
type embedded struct {
	ctx   context.Context
	keep  *keeper
	db    *sql.DB
	tx    *sql.Tx
	fresh []string // statements that were not kept yet
}

func (k *keeper) begin(ctx context.Context, db *sql.DB) (transaction, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &embedded{ctx: ctx, keep: k, db: db, tx: tx}, nil
}

// prepare finds the kept statement, on the transaction's own connection. A new
// one is kept after the commit: until then e holds the only connection that
// writes.
func (e *embedded) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := e.keep.statements.Load(kept{e.db, query}); ok {
		return e.tx.StmtContext(e.ctx, stmt.(*sql.Stmt)), nil
	}
	e.fresh = append(e.fresh, query)
	return e.tx.PrepareContext(e.ctx, query)
}

func (e *embedded) put(query string, args []any, scan func(row) error) error {
	_, err := e.run(query, args, scan)
	return err
}

func (e *embedded) once(query string, args []any) error {
	if _, err := e.tx.ExecContext(e.ctx, query, args...); err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	return nil
}

func (e *embedded) run(query string, args []any, scan func(row) error) (changed int64, err error) {
	stmt, err := e.prepare(query)
	switch {
	case err != nil:
	case scan == nil:
		var result sql.Result
		if result, err = stmt.ExecContext(e.ctx, args...); err == nil {
			changed, err = result.RowsAffected()
		}
	default:
		var rows *sql.Rows
		if rows, err = stmt.QueryContext(e.ctx, args...); err == nil {
			err = drain(rows, scan)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("%w in %.60q", err, query)
	}
	return changed, nil
}

func (e *embedded) settle() error { return nil }

func (e *embedded) commit() error {
	err := e.tx.Commit()
	if err != nil {
		return err
	}
	for _, query := range e.fresh {
		_, _ = e.keep.statement(e.ctx, e.db, query) // kept for the next time
	}
	return nil
}

func (e *embedded) end() { _ = e.tx.Rollback() } // after a commit it does nothing

func drain(rows *sql.Rows, scan func(row) error) error {
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
