package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// pooling has every test with a PostgreSQL of its own go through PgBouncer:
// `VALETKEY_TEST_PGBOUNCER=1 go test ./internal/store`.
const pooling = "VALETKEY_TEST_PGBOUNCER"

// options are how the tests open a database.
func options(t testing.TB, o Options) Options {
	t.Helper()
	if os.Getenv(pooling) != "" && strings.HasPrefix(o.DSN, "postgres:") && !o.Pooled {
		if o.Migrate { // takes a lock of its connection's
			if _, err := Migrate(t.Context(), o.DSN, true); err != nil {
				t.Fatal(err)
			}
		}
		o.DSN, o.Migrate, o.Pooled = storetest.Pooled(t, o.DSN), false, true
	}
	return o
}

// TestThroughAPooler: every verb, and a crowd, behind PgBouncer in transaction
// mode; only migrations and notices go past it.
func TestThroughAPooler(t *testing.T) {
	t.Parallel()
	direct := storetest.EmptyPostgres(t)
	if have, err := Migrate(t.Context(), direct, true); err != nil || have.Have != have.Want {
		t.Fatalf("migrated past it: %+v, %v", have, err)
	}
	pooled := func(o *Options) { o.DSN, o.Pooled = storetest.Pooled(t, direct), true }
	w := openWith(t, direct, pooled)
	s := w.scene()
	verbs := s.verbs()
	order := []string{"mint", "reserve", "password", "settle right", "verify", "issue", "refresh", "touch", "act", "come and go", "acknowledge",
		"vouch", "apply", "prune", "end", "revoke", "suspend", "erase"}
	for _, name := range order {
		before := w.contents()
		if err := verbs[name](t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name != "vouch" && w.contents() == before {
			t.Errorf("%s did nothing", name)
		}
	}
	for name := range verbs {
		if name != "settle wrong" && !slices.Contains(order, name) { // held is settled once
			t.Errorf("%s is not tried", name)
		}
	}
	if err := w.Suspend(t.Context(), agent(1).Key(), false, byOwner); err != nil {
		t.Fatal(err)
	}
	node, _ := w.listening(direct)
	other := node.beside(pooled)
	node.awake("it listens past the pooler")
	list := w.guests(64)
	before, _ := w.told(0, 100)
	parallel(len(list), func(i int) {
		at := []*world{w, node, other}[i%3]
		if _, err := at.End(t.Context(), list[i].Account.ID, list[i].ID, credentials.CauseSignedOut, byOwner); err != nil {
			t.Error(err)
		}
	})
	node.awake("endings through the pooler")
	if at, log := w.told(before.N, 10); len(log) != len(list) || at.N != before.N+int64(len(list)) {
		t.Errorf("%d endings, up to %d", len(log), at.N)
	}
	w.erased = true
	w.sound()
}

// TestAPoolerThatNobodyHasToldOf: what PostgreSQL says then helps nobody.
func TestAPoolerThatNobodyHasToldOf(t *testing.T) {
	t.Parallel()
	for code, told := range map[string]bool{"42P05": true, "26000": true, "42P01": false, "": false} {
		err := fmt.Errorf("it cannot be read: %w", &pgconn.PgError{Code: code})
		if code == "" {
			err = errors.New("no connection")
		}
		if got := behindPooler(err); strings.Contains(got.Error(), "database_direct") != told || !errors.Is(got, err) {
			t.Errorf("%q becomes %v", code, got)
		}
	}
	if behindPooler(nil) != nil {
		t.Error("nothing becomes an error")
	}
}
