package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
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
	file    bool   // one file, of one program
	notify  bool   // other nodes may share the database, and can be woken
	lock    string // ends a SELECT whose row nobody else may lock or change until the transaction ends
	write   *sql.DB
	read    *sql.DB // decides nothing that write must not; on the primary too
	close   func()

	// begin begins a transaction that writes; look reads outside of any, and long
	// says that it may take its time.
	begin func(ctx context.Context) (transaction, error)
	look  func(ctx context.Context, long bool, query string, args []any, scan func(row) error) error
}

// maxConns bounds the connections to PostgreSQL unless the DSN's pool_max_conns
// says otherwise.
const maxConns = 20

// openEngine opens a database. alone keeps everybody else out where the engine
// can: from an SQLite file, as long as it is open.
func openEngine(ctx context.Context, dsn string, alone, pooled bool) (*engine, error) {
	if path, is := strings.CutPrefix(dsn, "sqlite:"); is {
		if alone {
			return openSQLiteAlone(ctx, path)
		}
		return openSQLite(path)
	}
	return openPostgres(ctx, dsn, pooled)
}

// openSQLite opens one connection that writes and a pool that reads. The file
// is its owner's alone.
func openSQLite(path string) (*engine, error) {
	err := ownFile(path)
	if err == nil {
		err = oneName(path)
	}
	if err != nil {
		return nil, err
	}
	// What undoes a verb without the others of its group is kept in memory, not in a
	// file of its own, which costs a twentieth of a sign-in. The log is written back
	// when it has grown to 16 MiB, which a commit then waits for: at SQLite's own 4 MiB
	// the same pages are written so often that a sign-in costs another twentieth.
	write, err := connectSQLite(path, writeWait, inLog+"&_txlock=immediate&_pragma=temp_store(MEMORY)&_pragma=wal_autocheckpoint(4000)")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := connectSQLite(path, writeWait, inLog+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	return fileEngine(write, read), nil
}

// openSQLiteAlone opens an existing file for a single connection, and fails
// while any other program has it open.
func openSQLiteAlone(ctx context.Context, path string) (*engine, error) {
	if err := oneName(path); err != nil {
		return nil, err
	}
	db, err := connectSQLite(path, 0, inLog+"&_txlock=immediate&_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(ctx, nil) // takes the lock, which outlives the transaction
	if err == nil {
		err = tx.Rollback()
	}
	if err != nil {
		_ = db.Close()
		if passing(err) {
			return nil, fmt.Errorf("another program has the database %s open: stop the broker first", path)
		}
		return nil, fmt.Errorf("the database %s cannot be read: %w", path, err)
	}
	return fileEngine(db, db), nil
}

// fileEngine is SQLite, with a database that writes and one that reads, which
// may be the same.
func fileEngine(write, read *sql.DB) *engine {
	writers := &relay{db: write}
	return &engine{
		name: "SQLite", dialect: goose.DialectSQLite3, file: true, write: write, read: read,
		begin: writers.begin,
		look: func(ctx context.Context, long bool, query string, args []any, scan func(row) error) error {
			return lookInFile(ctx, read, long, query, args, scan)
		},
		close: func() { _ = read.Close(); _ = write.Close() },
	}
}

// writeWait is how long one connection to SQLite waits for another's write.
const writeWait = 5 * time.Second

// inLog has SQLite write into a log beside the file.
const inLog = "&_pragma=journal_mode(WAL)"

func connectSQLite(path string, wait time.Duration, options string) (*sql.DB, error) {
	return openFile(fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=synchronous(FULL)%s",
		(&url.URL{Path: path}).EscapedPath(), wait.Milliseconds(), options))
}

// errUnparsed stands for the parser's own words, which may show a password.
var errUnparsed = errors.New("the database URL cannot be parsed; write postgres://user@host:5432/name")

// openPostgres opens a pool of connections. Behind a transaction pooler each
// transaction may run on another of the database's own, which has no statement
// that was prepared before: they are then described and not prepared.
func openPostgres(ctx context.Context, dsn string, pooled bool) (*engine, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errUnparsed
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		cfg.MaxConns = maxConns
	}
	if pooled && !strings.Contains(dsn, "default_query_exec_mode") {
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if !pooled { // what a client sets there, another one gets
		cfg.AfterConnect = planned
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, unreached{err}
	}
	db := stdlib.OpenDBFromPool(pool)
	db.SetMaxOpenConns(int(cfg.MaxConns))
	return &engine{
		name: "PostgreSQL", dialect: goose.DialectPostgres, notify: true, lock: " FOR NO KEY UPDATE", write: db, read: db, // the lock of an UPDATE
		begin: func(ctx context.Context) (transaction, error) { return beginPipeline(ctx, pool) },
		look: func(ctx context.Context, _ bool, query string, args []any, scan func(row) error) error {
			return poolQuery(ctx, pool, query, args, scan)
		},
		close: func() { _ = db.Close(); pool.Close() },
	}, nil
}

// planned keeps PostgreSQL to the indexes, which every statement of a request has:
// TestPlans. A table that nobody has analyzed seems small, and a plan that reads
// all of it may be kept while it grows: introspections then took the database 80 µs
// each, and not 25. What has no index is few rows; that reading these costs much by
// this setting must not have them compiled. Nor is one planned anew for
// its values, as PostgreSQL does with lists, by the same index after all: several
// sessions by their keys took it 51 µs, and take 22. Whoever sets
// one of these in the DSN decides instead.
func planned(ctx context.Context, c *pgx.Conn) error {
	for name, value := range map[string]string{"enable_seqscan": "off", "jit": "off", "plan_cache_mode": "force_generic_plan"} {
		if _, set := c.Config().RuntimeParams[name]; set {
			continue
		}
		if _, err := c.Exec(ctx, "SET "+name+" = "+value); err != nil {
			return err
		}
	}
	return nil
}

// passing reports whether the error means that the transaction did not happen
// and is worth another try: a conflict with another one, a failure that was not its
// own, or a busy database.
func passing(err error) bool {
	if errors.Is(err, errByAnother) {
		return true
	}
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

// behindPooler says what to do where prepared statements are another connection's:
// a pooler in transaction mode is in between, and nobody has said so.
func behindPooler(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P05" || pg.Code == "26000") { // there already; not there
		return fmt.Errorf("%w: there seems to be a pooler in transaction mode before the database: let database_direct lead past it", err)
	}
	return err
}
