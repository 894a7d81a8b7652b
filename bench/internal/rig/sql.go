package rig

import (
	"context"
	"database/sql"
	"path/filepath"

	_ "github.com/jackc/pgx/v5/stdlib" // PostgreSQL for database/sql
	_ "modernc.org/sqlite"             // and SQLite
)

// SQL opens the broker's database past the broker, which is to be stopped: one
// connection, which writes fast and not safely.
func (b *Broker) SQL(ctx context.Context) (*sql.DB, error) {
	name, dsn, settings := "sqlite", filepath.Join(b.dir, "valetkey.db"), []string{`PRAGMA journal_mode = DELETE`, `PRAGMA journal_mode = OFF`,
		`PRAGMA synchronous = OFF`, `PRAGMA cache_size = -262144`, `PRAGMA temp_store = MEMORY`}
	if b.DB.server != nil {
		name, dsn, settings = "pgx", b.DB.server.Admin(b.DB.DSN), []string{`SET synchronous_commit = off`, `SET maintenance_work_mem = '256MB'`, `SET work_mem = '64MB'`}
	}
	db, err := sql.Open(name, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, s := range settings {
		if _, err := db.ExecContext(ctx, s); err != nil {
			_ = db.Close()
			return nil, err
		}
	}
	return db, nil
}

// Size is what the database takes on the disk, in bytes.
func (b *Broker) Size() (n int64) {
	if b.DB.server == nil {
		file := filepath.Join(b.dir, "valetkey.db")
		return SizeOf(file) + SizeOf(file+"-wal")
	}
	db, err := sql.Open("pgx", b.DB.DSN)
	if err != nil {
		return 0
	}
	defer func() { _ = db.Close() }()
	_ = db.QueryRow(`SELECT pg_database_size(current_database())`).Scan(&n)
	return n
}
