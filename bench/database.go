package main

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

// database is where a broker keeps everything.
type database struct {
	name   string // sqlite or postgres
	dsn    string // empty for SQLite, whose file lies beside the configuration
	server *storetest.Server
}

// durable is PostgreSQL as it is installed: every commit is flushed.
var durable = []string{"fsync=on", "full_page_writes=on", "synchronous_commit=on", "wal_level=replica", "shared_buffers=256MB", "max_wal_size=2GB"}

func openDatabase(name string) (*database, error) {
	switch name {
	case "sqlite":
		return &database{name: name}, nil
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
		return &database{name: name, dsn: dsn, server: server}, nil
	}
	return nil, fmt.Errorf("there is no database %q: sqlite or postgres", name)
}

func (d *database) close() {
	if d.server != nil {
		d.server.Stop()
	}
}

// commits asks PostgreSQL how many transactions have been committed in this
// database that wrote something; 0 on SQLite, which does not count.
func (d *database) commits() (n int64) {
	if d.server == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, d.server.Admin(d.dsn))
	if err != nil {
		return 0
	}
	defer func() { _ = c.Close(ctx) }()
	// Each transaction that writes takes a number, and no other does.
	_ = c.QueryRow(ctx, `SELECT txid_snapshot_xmax(txid_current_snapshot())`).Scan(&n)
	return n
}

// usage is what has been used up until now.
type usage struct {
	broker, database time.Duration // of processor
	commits          int64         // by PostgreSQL's count of transactions that wrote; by the broker's on SQLite
	statements       int64         // by the broker's count
}

func (u usage) minus(before usage) usage {
	return usage{u.broker - before.broker, u.database - before.database, u.commits - before.commits, u.statements - before.statements}
}

func (b *broker) usage() usage {
	u := usage{broker: processor(b.cmd.Process.Pid)}
	u.commits, u.statements = b.counted()
	if b.db.server != nil {
		u.database, u.commits = family(b.db.server.Pid()), b.db.commits()
	}
	return u
}

var counter = regexp.MustCompile(`(?m)^valetkey_database_(commits|statements)_total (\S+)$`)

// counted asks the broker what it has done in its database.
func (b *broker) counted() (commits, statements int64) {
	r, err := http.Get(b.issuer + "/metrics")
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

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
