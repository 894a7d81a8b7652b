// Package storetest gives tests a real database: an SQLite file in a
// temporary folder, or an empty PostgreSQL database in a server that the test
// process starts for itself and that ends with it, by itself or behind PgBouncer.
//
// It owns how that server is found, started and stopped. It knows nothing of
// valetkey's schema: a package's tests say once how a database is prepared, and
// each gets a copy of the one that was, or an empty one. It may import the
// standard library and pgx, nothing else, so that every package may use it in
// its tests.
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

// Migrated is Main for a package whose tests want databases with a schema.
// migrate, which is store.Migrate, is called at most once for each engine, and
// what [SQLite] and [Postgres] hand out are copies of what it made.
func Migrated[T any](m *testing.M, migrate func(ctx context.Context, dsn string, apply bool) (T, error)) int {
	pattern.prepare = func(dsn string) error {
		_, err := migrate(context.Background(), dsn, true)
		return err
	}
	return Main(m)
}

// Each runs f twice, as the parallel subtests "sqlite" and "postgres", each
// with the DSN of a database of that engine.
func Each(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Helper()
	both(t, SQLite, Postgres, f)
}

// EachEmpty is Each with databases that have no schema.
func EachEmpty(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Helper()
	both(t, EmptySQLite, EmptyPostgres, f)
}

func both(t *testing.T, sqlite, postgres func(testing.TB) string, f func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, sqlite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, postgres(t))
	})
}

// SQLite returns the DSN ("sqlite:" and an absolute path) of a database
// file, in a folder that is removed when t ends.
func SQLite(t testing.TB) string {
	t.Helper()
	dsn := EmptySQLite(t)
	if err := pattern.copyFile(strings.TrimPrefix(dsn, "sqlite:")); err != nil {
		t.Fatalf("storetest: preparing a database: %v", err)
	}
	return dsn
}

// EmptySQLite returns the DSN of a file that does not exist yet.
func EmptySQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "valetkey.db")
}

// Postgres returns the DSN of a fresh database, owned by a role that
// is no superuser, and drops it when t ends. All databases of a test process lie
// in one server with 200 connections; the first call starts it. The test fails,
// and is never skipped, when there is no PostgreSQL to start.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := shared.get()
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	from, err := pattern.database(server)
	if err != nil {
		t.Fatalf("storetest: preparing a database: %v%s", err, server.tail())
	}
	return server.database(t, from)
}

// EmptyPostgres is Postgres with nothing in the database.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	server, err := shared.get()
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	return server.database(t, emptyPattern)
}

// database makes a copy of another one, for a test.
func (c *cluster) database(t testing.TB, from string) string {
	t.Helper()
	name := "vk_" + strings.ToLower(rand.Text())
	if err := c.admin(fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE %s", name, role, from)); err != nil {
		t.Fatalf("storetest: creating a database: %v%s", err, c.tail())
	}
	t.Cleanup(func() {
		// FORCE ends the connections that a failed test left open.
		if err := c.admin(fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name)); err != nil {
			t.Errorf("storetest: dropping the database: %v%s", err, c.tail())
		}
	})
	return c.dsn(role, name)
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
