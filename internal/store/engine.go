package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// engine is all that differs between the two databases.
type engine struct {
	name    string
	dialect goose.Dialect
	isolate sql.IsolationLevel
	prepare bool // keep statements prepared here; pgx keeps its own
	write   *sql.DB
	read    *sql.DB // decides nothing that write must not; on the primary too
	close   func()
}

// maxConns bounds the connections to PostgreSQL unless the DSN's pool_max_conns
// says otherwise.
const maxConns = 20

func openEngine(ctx context.Context, dsn string) (*engine, error) {
	if path, is := strings.CutPrefix(dsn, "sqlite:"); is {
		return openSQLite(path)
	}
	return openPostgres(ctx, dsn)
}

// openSQLite opens one connection that writes and a pool that reads. The file
// is its owner's alone.
func openSQLite(path string) (*engine, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, fmt.Errorf("the database %s cannot be opened: %w", path, err)
	}
	_ = f.Close()
	base := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	write, err := sql.Open("sqlite", base+"&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", base+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	return &engine{
		name: "SQLite", dialect: goose.DialectSQLite3, prepare: true, write: write, read: read,
		close: func() { _ = read.Close(); _ = write.Close() },
	}, nil
}

func openPostgres(ctx context.Context, dsn string) (*engine, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the database URL cannot be parsed; write postgres://user@host:5432/name") // not err: it may show a password
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		cfg.MaxConns = maxConns
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("the database cannot be reached: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	db.SetMaxOpenConns(int(cfg.MaxConns))
	return &engine{
		name: "PostgreSQL", dialect: goose.DialectPostgres, isolate: sql.LevelReadCommitted, write: db, read: db,
		close: func() { _ = db.Close(); pool.Close() },
	}, nil
}

// passing reports whether the error means that the transaction did not happen
// and is worth another try: a conflict with another one, or a busy database.
func passing(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && (lite.Code()&0xff == lib.SQLITE_BUSY || lite.Code()&0xff == lib.SQLITE_LOCKED)
}

// duplicate reports whether a unique value was there already.
func duplicate(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == lib.SQLITE_CONSTRAINT
}
