// Package storetest gives tests a real database: an SQLite file in a
// temporary folder, or an empty PostgreSQL database in a server that the test
// process starts for itself and that ends with it, by itself or behind PgBouncer.
//
// It owns how that server is found, started and stopped. It knows nothing of
// valetkey's schema: a test gets an empty database and migrates it. It may
// import the standard library and pgx, nothing else, so that every package
// may use it in its tests.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// adminTimeout bounds one CREATE or DROP DATABASE. It is generous because
// both wait for the disk of a machine that is busy with other tests.
const adminTimeout = 60 * time.Second

// Main runs the tests of a package and stops the PostgreSQL server they may
// have started. Use it as the package's TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
//
// Without it the server still ends with the process, but its folder stays
// behind until another test process removes it.
func Main(m *testing.M) int {
	defer shared.stop()
	return m.Run()
}

// Each runs f twice, as the parallel subtests "sqlite" and "postgres", each
// with the DSN of an empty database of that engine.
func Each(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, Postgres(t))
	})
}

// SQLite returns the DSN ("sqlite:" and an absolute path) of a database file
// that does not exist yet, in a folder that is removed when t ends.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "valetkey.db")
}

// Postgres returns the DSN of a fresh, empty database, owned by a role that is
// no superuser, and drops it when t ends. All databases of a test process lie
// in one server with 200 connections; the first call starts it. The test fails,
// and is never skipped, when there is no PostgreSQL to start.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := shared.get()
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	name := "vk_" + strings.ToLower(rand.Text())
	if err := server.admin(fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, role)); err != nil {
		t.Fatalf("storetest: creating a database: %v%s", err, server.tail())
	}
	t.Cleanup(func() {
		// FORCE ends the connections that a failed test left open.
		if err := server.admin(fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name)); err != nil {
			t.Errorf("storetest: dropping the database: %v%s", err, server.tail())
		}
	})
	return server.dsn(role, name)
}

// Program returns the path of one of PostgreSQL's programs, for instance
// "pg_dump", of the same installation that [Postgres] starts.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := program(name)
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	return path
}

// admin runs one statement as the superuser, on a connection of its own.
func (c *cluster) admin(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.dsn(superuser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// dsn names database as seen by user. Both roles share one random password.
func (c *cluster) dsn(user, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, c.password),
		Host:     fmt.Sprintf("127.0.0.1:%d", c.port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}
