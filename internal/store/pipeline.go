package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pipeline is a transaction on PostgreSQL. What is put waits and goes along with
// the next statement whose result somebody wants, BEGIN with the first one and
// COMMIT with what waits at the end: a trip to the database costs both sides as
// much as the statement itself.
type pipeline struct {
	ctx     context.Context
	conn    *pgxpool.Conn
	waiting []*leg
}

// leg is a statement, and what is to be done with its result.
type leg struct {
	query   string
	args    []any
	scan    func(row) error // nil: nothing comes back
	changed int64           // rows, once it has run
}

const (
	begin  = `BEGIN ISOLATION LEVEL READ COMMITTED`
	commit = `COMMIT`
)

// rollbackLimit bounds what a transaction that failed may still wait for.
const rollbackLimit = 5 * time.Second

// errUndone marks an error at the end of a transaction that the database told of
// a statement before COMMIT: nothing was stored.
var errUndone = errors.New("the transaction was undone")

func beginPipeline(ctx context.Context, pool *pgxpool.Pool) (transaction, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &pipeline{ctx: ctx, conn: conn, waiting: []*leg{{query: begin}}}, nil
}

func (p *pipeline) put(query string, args []any, scan func(row) error) error {
	p.waiting = append(p.waiting, &leg{query: query, args: args, scan: scan})
	return nil
}

func (p *pipeline) once(query string, args []any) error { return p.put(query, args, nil) }

func (p *pipeline) run(query string, args []any, scan func(row) error) (int64, error) {
	last := &leg{query: query, args: args, scan: scan}
	p.waiting = append(p.waiting, last)
	err := p.settle()
	return last.changed, err
}

// settle sends what waits, in one go, and reads what comes back, in order. The
// first error is that of the one that it belongs to: the database runs none of
// those after it.
func (p *pipeline) settle() error {
	legs := p.waiting
	p.waiting = nil
	if len(legs) == 0 {
		return nil
	}
	if len(legs) == 1 {
		rows, err := p.conn.Query(p.ctx, legs[0].query, legs[0].args...)
		return legs[0].read(rows, err)
	}
	var b pgx.Batch
	for _, s := range legs {
		b.Queue(s.query, s.args...)
	}
	results := p.conn.SendBatch(p.ctx, &b)
	for _, s := range legs {
		if err := s.read(results.Query()); err != nil {
			_ = results.Close() // says the same
			return err
		}
	}
	return results.Close()
}

func (s *leg) read(rows pgx.Rows, err error) error {
	if err == nil {
		for rows.Next() && err == nil {
			if s.scan != nil {
				err = s.scan(rows)
			}
		}
		rows.Close()
		if failed := rows.Err(); failed != nil {
			err = failed
		}
		s.changed = rows.CommandTag().RowsAffected()
	}
	if err == nil && s.query == commit && rows.CommandTag().String() != commit {
		err = fmt.Errorf("%w: COMMIT is answered with %s", errUndone, rows.CommandTag())
	}
	var told *pgconn.PgError
	if errors.As(err, &told) && s.query != commit {
		err = fmt.Errorf("%w: %w", errUndone, err)
	}
	if err != nil {
		return fmt.Errorf("%w in %.60q", err, s.query)
	}
	return nil
}

// commit ends the transaction. Where the connection is lost on the way nobody
// knows whether it was there already.
func (p *pipeline) commit() error {
	if len(p.waiting) == 1 && p.waiting[0].query == begin {
		p.waiting = nil // nothing was done
		return nil
	}
	_, err := p.run(commit, nil, nil)
	return err
}

// end lets go of the connection, and of the transaction if it has not ended.
func (p *pipeline) end() {
	if c := p.conn.Conn().PgConn(); !c.IsClosed() && c.TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), rollbackLimit)
		defer cancel()
		_, _ = p.conn.Exec(ctx, `ROLLBACK`) // if it fails, the pool closes the connection
	}
	p.conn.Release()
}

// poolQuery reads outside any transaction.
func poolQuery(ctx context.Context, pool *pgxpool.Pool, query string, args []any, scan func(row) error) error {
	rows, err := pool.Query(ctx, query, args...)
	return (&leg{query: query, scan: scan}).read(rows, err)
}
