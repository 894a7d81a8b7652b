package storetest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func value(t *testing.T, conn *pgx.Conn, query string) string {
	t.Helper()
	var s string
	if err := conn.QueryRow(t.Context(), query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func TestPostgresIsRealAndEmpty(t *testing.T) {
	t.Parallel()
	conn := connect(t, storetest.Postgres(t))
	for query, want := range map[string]string{
		"SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'": "0",
		"SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user": "false",
		"SHOW max_connections":            "200",
		"SHOW timezone":                   "UTC",
		"SELECT host(inet_server_addr())": "127.0.0.1",
		"SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()": "UTF8",
	} {
		if got := value(t, conn, query); got != want {
			t.Errorf("%s = %s, want %s", query, got, want)
		}
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE a (id text PRIMARY KEY)"); err != nil {
		t.Errorf("the role may not create a table: %v", err)
	}
}

func TestPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	const many = 6
	names := make([]string, many)
	var wg sync.WaitGroup
	for i := range names {
		wg.Go(func() { names[i] = storetest.Postgres(t) })
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, dsn := range names {
		seen[value(t, connect(t, dsn), "SELECT current_database()")] = true
	}
	if len(seen) != many {
		t.Errorf("%d tests share %d databases", many, len(seen))
	}
}

// TestPooledSharesConnections: by transactions, of the same database, and not
// without its password.
func TestPooledSharesConnections(t *testing.T) {
	t.Parallel()
	direct := storetest.Postgres(t)
	pooled := storetest.Pooled(t, direct)
	const many = 20 // more than the pooler has
	var conns [many]*pgx.Conn
	for i := range conns {
		conns[i] = connect(t, pooled+"&default_query_exec_mode=exec") // what one prepares, another cannot use
	}
	seen := map[string]bool{}
	for _, c := range conns {
		if got, want := value(t, c, "SELECT current_database()"), value(t, connect(t, direct), "SELECT current_database()"); got != want {
			t.Errorf("it leads to %s, not to %s", got, want)
		}
		seen[value(t, c, "SELECT pg_backend_pid()::text")] = true
	}
	if len(seen) >= many {
		t.Errorf("%d connections have one of their own each", many)
	}
	config, err := pgx.ParseConfig(pooled)
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "wrong"
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password lets in")
	}
}

func TestPostgresAsksForThePassword(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(storetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", "wrong"} {
		config.Password = password
		if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
			_ = conn.Close(t.Context())
			t.Errorf("password %q lets in", password)
		}
	}
}

func TestPostgresDropsTheDatabaseEvenWhenInUse(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("inner", func(t *testing.T) {
		dsn = storetest.Postgres(t)
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn // Left open on purpose, as a failing test would.
	})
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the database outlived its test")
	}
}

func TestSQLiteNamesAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	first, second := storetest.SQLite(t), storetest.SQLite(t)
	if first == second {
		t.Error("two databases share a file")
	}
	path, ok := strings.CutPrefix(first, "sqlite:")
	if !ok || !filepath.IsAbs(path) {
		t.Errorf("DSN %q is not sqlite: and an absolute path", first)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file exists already: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		t.Errorf("its folder does not: %v", err)
	}
}

func TestEachRunsBothEngines(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]string{}
	t.Run("group", func(t *testing.T) {
		storetest.Each(t, func(t *testing.T, dsn string) {
			mu.Lock()
			defer mu.Unlock()
			scheme, _, _ := strings.Cut(dsn, ":")
			seen[filepath.Base(t.Name())] = scheme
		})
	})
	for name, scheme := range map[string]string{"sqlite": "sqlite", "postgres": "postgres"} {
		if seen[name] != scheme {
			t.Errorf("subtest %s got a DSN of scheme %q", name, seen[name])
		}
	}
}

func TestProgramRuns(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(storetest.Program(t, "pg_dump"), "--version").Output()
	if err != nil || !strings.Contains(string(out), "PostgreSQL") {
		t.Errorf("pg_dump --version: %q, %v", out, err)
	}
}
