package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// Database is where a broker keeps everything.
type Database struct {
	Name   string // sqlite or postgres
	DSN    string // empty for SQLite, whose file lies beside the configuration
	server *storetest.Server
}

// durable is PostgreSQL as it is installed: every commit is flushed.
var durable = []string{"fsync=on", "full_page_writes=on", "synchronous_commit=on", "wal_level=replica", "shared_buffers=256MB", "max_wal_size=2GB"}

// OpenDatabase starts a database of its own: sqlite or postgres.
func OpenDatabase(name string) (*Database, error) {
	switch name {
	case "sqlite":
		return &Database{Name: name}, nil
	case "postgres":
		server, err := storetest.Start(durable...)
		if err != nil {
			return nil, err
		}
		dsn, err := server.Database()
		if err != nil {
			server.Stop()
			return nil, err
		}
		return &Database{Name: name, DSN: dsn, server: server}, nil
	}
	return nil, fmt.Errorf("there is no database %q: sqlite or postgres", name)
}

// Close stops the server, and nothing is left of it.
func (d *Database) Close() {
	if d.server != nil {
		d.server.Stop()
	}
}

// commits asks PostgreSQL how many transactions have been committed in this
// database that wrote something; 0 on SQLite, which does not count.
func (d *Database) commits() (n int64) {
	if d.server == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, d.server.Admin(d.DSN))
	if err != nil {
		return 0
	}
	defer func() { _ = c.Close(ctx) }()
	// Each transaction that writes takes a number, and no other does.
	_ = c.QueryRow(ctx, `SELECT txid_snapshot_xmax(txid_current_snapshot())`).Scan(&n)
	return n
}

// Usage is what has been used up until now.
type Usage struct {
	Server, Database time.Duration // of processor
	Commits          int64         // by PostgreSQL's count of transactions that wrote; by the broker's on SQLite
	Statements       int64         // by the broker's count
}

// minus is what was used since.
func (u Usage) minus(before Usage) Usage {
	return Usage{u.Server - before.Server, u.Database - before.Database, u.Commits - before.Commits, u.Statements - before.Statements}
}

// Usage reads the counters of the node and its database.
func (b *Broker) Usage() Usage {
	u := Usage{Server: b.Processor(), Database: b.DB.Processor()}
	u.Commits, u.Statements = b.counted()
	if b.DB.server != nil {
		u.Commits = b.DB.commits()
	}
	return u
}

// Processor is the processor time that a database server has had, and all its
// processes.
func (d *Database) Processor() time.Duration {
	if d == nil || d.server == nil {
		return 0
	}
	return family(d.server.Pid())
}

var counter = regexp.MustCompile(`(?m)^valetkey_database_(commits|statements)_total (\S+)$`)

// counted asks the broker what it has done in its database.
func (b *Broker) counted() (commits, statements int64) {
	r, err := http.Get(b.At + "/metrics")
	if err != nil {
		return 0, 0
	}
	defer func() { _ = r.Body.Close() }()
	text, _ := io.ReadAll(r.Body)
	for _, found := range counter.FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.ParseFloat(found[2], 64)
		if found[1] == "commits" {
			commits = int64(n)
		} else {
			statements = int64(n)
		}
	}
	return commits, statements
}

// SizeOf is a file's size in bytes, 0 without one.
func SizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Mebibytes says a number of bytes in MiB.
func Mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
