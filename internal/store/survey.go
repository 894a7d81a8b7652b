package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Survey is what a PostgreSQL database promises, as it stands now.
type Survey struct {
	Replica     bool // it cannot be written to
	Synchronous bool // a commit is on another machine before it is answered
	Listens     bool // notices reach this node, so that it need not wait for its poll
}

const promises = `SELECT pg_is_in_recovery(), current_setting('synchronous_standby_names') <> '' AND
current_setting('synchronous_commit') IN ('on', 'remote_apply', 'remote_write')`

// Promises asks the database what it promises. direct leads past any pooler.
func Promises(ctx context.Context, dsn, direct string, pooled bool) (out Survey, err error) {
	e, err := openEngine(ctx, dsn, false, pooled)
	if err != nil {
		return out, err
	}
	defer e.close()
	if err := e.read.QueryRowContext(ctx, promises).Scan(&out.Replica, &out.Synchronous); err != nil {
		return out, fmt.Errorf("the database cannot be asked: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, verbLimit)
	defer cancel()
	c, err := pgx.Connect(ctx, direct)
	if err != nil {
		return out, fmt.Errorf("the database cannot be reached at database_direct: %w", err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	if _, err := c.Exec(ctx, `LISTEN `+endingsChannel); err == nil {
		out.Listens = (&Store{engine: e}).hearsItself(ctx, c) == nil
	}
	return out, nil
}
