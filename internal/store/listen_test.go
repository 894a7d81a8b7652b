package store

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/testkit"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// count is how often a log says something.
func count(l *testkit.Log, text string) int { return strings.Count(l.String(), text) }

// listening is another node that listens over a DSN, and what it logs.
func (w *world) listening(dsn string) (*world, *testkit.Log) {
	w.t.Helper()
	log := &testkit.Log{}
	node := w.beside(func(o *Options) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Listen(ctx, dsn) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("listening ends with %v", err)
		}
	})
	return node, log
}

// awake waits until the node is woken.
func (w *world) awake(what string) {
	w.t.Helper()
	select {
	case <-w.Wake():
	case <-time.After(patience):
		w.t.Fatalf("not woken: %s", what)
	}
}

const listeners = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND
(query = 'LISTEN valetkey_endings' OR query = '-- ping')`

// TestANoticeWakesOtherNodes: without any poll; and again when the connection
// was lost, which is said once. The DSN has the pool's settings too.
func TestANoticeWakesOtherNodes(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	sessions := w.guests(3)
	node, log := w.listening(w.dsn + "&pool_max_conns=3")
	node.awake("it listens")
	w.end(sessions[0])
	node.awake("an ending at another node")
	if at, _ := node.told(0, 9); at.N != 1 {
		t.Errorf("it reads up to %d", at.N)
	}
	if n := w.number(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = 'LISTEN valetkey_endings'
AND datname = current_database() AND pid <> pg_backend_pid()`); n != 1 {
		t.Fatalf("%d connections listen", n)
	}
	node.awake("it listens again")
	w.end(sessions[1])
	node.awake("an ending after that")
	if n := count(log, "level=WARN"); n != 1 || count(log, "is lost") != 1 {
		t.Errorf("%d warnings: %s", n, log)
	}
	if w.number(listeners) != 1 {
		t.Errorf("%d connections listen", w.number(listeners))
	}
}

// TestASilentConnectionIsAsked: whether it is there, after each silence; notices
// go on to arrive.
func TestASilentConnectionIsAsked(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	c, err := pgx.Connect(t.Context(), w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	if _, err := c.Exec(t.Context(), `LISTEN `+endingsChannel); err != nil {
		t.Fatal(err)
	}
	for _, last := range []string{notifyNodes, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = '-- ping' AND datname = current_database()`} {
		done := make(chan error, 1)
		go func() { done <- wait(t.Context(), c, 20*time.Millisecond) }()
		for range 2 { // it has asked and asks again
			asked := `SELECT count(*) FROM pg_stat_activity WHERE query = '-- ping' AND datname = current_database()`
			for tries := 0; w.number(asked) == 0; tries++ {
				if tries > 100_000 {
					t.Fatal("it does not ask")
				}
			}
		}
		if _, err := w.engine.write.ExecContext(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		if err := <-done; (err != nil) != (last != notifyNodes) {
			t.Errorf("%s: %v", last, err)
		}
	}
}

// TestListeningThroughAPooler: the notices get lost, which the node finds out; it
// says so, with what to do. Reading by itself tells it all the same.
func TestListeningThroughAPooler(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	s := w.guests(1)[0]
	pooled := storetest.Pooled(t, w.dsn)
	cfg, err := pgx.ParseConfig(pooled)
	if err != nil {
		t.Fatal(err)
	}
	if heard, err := w.listen(t.Context(), cfg); heard || !errors.Is(err, errDeaf) {
		t.Errorf("heard %v, %v", heard, err)
	}
	node, log := w.listening(pooled)
	for start := time.Now(); count(log, "database_direct") == 0; {
		if time.Since(start) > patience {
			t.Fatal("it says nothing")
		}
	}
	w.end(s)
	if at, list := node.told(0, 9); at.N != 1 || len(list) != 1 {
		t.Errorf("it reads %+v, %v", at, list)
	}
	if n := count(log, "level=WARN"); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

// TestADatabaseThatCannotBeListenedTo: a node goes on trying, and says so once.
func TestADatabaseThatCannotBeListenedTo(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	node, log := w.listening(strings.Replace(w.dsn, "/vk_", "/none_", 1))
	for start := time.Now(); count(log, "cannot listen") == 0; {
		if time.Since(start) > patience {
			t.Fatal("it says nothing")
		}
	}
	select {
	case <-node.Wake():
		t.Error("it is woken by nothing")
	default:
	}
	if err := node.Listen(t.Context(), "postgres://user:hunter2@host:port/db"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("what is no URL: %v", err)
	}
}

// TestNoNoticesOnSQLite: there is nobody else.
func TestNoNoticesOnSQLite(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	if err := w.Listen(t.Context(), w.dsn); err != nil {
		t.Error(err)
	}
}

// TestADatabaseWithoutNotify: sessions end all the same, and it is said.
func TestADatabaseWithoutNotify(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`CREATE SCHEMA poor`, `CREATE FUNCTION poor.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE feature_not_supported USING MESSAGE = 'NOTIFY is not supported'; END $$`,
		`ALTER DATABASE ` + c.Config().Database + ` SET search_path = poor, pg_catalog, public`,
	} {
		if _, err := c.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Close(t.Context())
	w := open(t, dsn)
	log := &testkit.Log{}
	node := w.beside(func(o *Options) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
	if count(log, "polling") != 1 {
		t.Error("it says nothing")
	}
	s := w.guests(1)[0]
	node.end(s)
	if at, _ := w.told(0, 9); at.N != 1 {
		t.Errorf("the log ends at %d", at.N)
	}
	if err := node.Listen(t.Context(), w.dsn); err != nil {
		t.Error(err)
	}
}
