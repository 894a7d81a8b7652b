package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// reopen opens the world's database anew, as another run of a program would.
func (w *world) reopen(o Options) error {
	w.t.Helper()
	w.Close()
	o.DSN, o.Secrets, o.Now = w.dsn, w.secrets, w.clock.now
	s, err := Open(w.t.Context(), o)
	if err != nil {
		return err
	}
	w.t.Cleanup(s.Close)
	s.limit, s.flight = 5*time.Minute, 5*time.Minute
	s.clockBad.Store(false) // the test's clock stands still, and the database's does not
	w.Store = s
	return nil
}

// frozen closes an SQLite database and returns what opens a copy of it, as often
// as it is called.
func (w *world) frozen() func() *world {
	w.t.Helper()
	w.Close()
	content, err := os.ReadFile(strings.TrimPrefix(w.dsn, "sqlite:"))
	if err != nil {
		w.t.Fatal(err)
	}
	return func() *world {
		w.t.Helper()
		again := *w
		again.dsn = storetest.SQLite(w.t)
		if err := os.WriteFile(strings.TrimPrefix(again.dsn, "sqlite:"), content, 0o600); err != nil {
			w.t.Fatal(err)
		}
		if err := again.reopen(Options{}); err != nil {
			w.t.Fatal(err)
		}
		return &again
	}
}

func (w *world) ring() *keys.Ring {
	w.t.Helper()
	r, err := w.Ring(w.t.Context(), []string{"ES256"})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// recovered checks that nothing from before lives, and that the present epoch
// announces whatever a token could still need.
func (w *world) recovered() {
	w.t.Helper()
	for what, query := range map[string]string{
		"live credentials":    `SELECT count(*) FROM credentials WHERE state = 'live'`,
		"live sessions":       `SELECT count(*) FROM sessions WHERE ended_at = 0`,
		"tries in flight":     `SELECT count(*) FROM tries WHERE state = 'reserved'`,
		"signing keys":        `SELECT count(*) FROM signing_keys`,
		"recovery in the way": `SELECT recovering FROM installation`,
		"endings that are not announced": fmt.Sprintf(`SELECT count(*) FROM sessions s WHERE ends_at > %d AND NOT EXISTS
(SELECT 1 FROM endings e WHERE e.sid = s.sid AND e.epoch = (SELECT epoch FROM endings_counter))`, micros(w.clock.now())),
	} {
		if n := w.number(query); n != 0 {
			w.t.Errorf("%s after the recovery: %d", what, n)
		}
	}
	w.sound()
}

// before is an installation with something of everything that can be alive.
func (w *world) before() (s *scene, epoch string) {
	w.t.Helper()
	s = w.scene()
	w.ring()
	for i := range 3 {
		w.enter(agent(10+i), fmt.Sprint("more", i), "123456")
	}
	over := w.enter(agent(20), "over", "123456")
	if _, err := w.End(w.t.Context(), "over", over.ID, credentials.CauseSignedOut, byOwner); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Reserve(w.t.Context(), trying("unknown", agent(21), "nobody")); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.redeem(agent(22), "hmore1", "000000"); !isNoMatch(err) {
		w.t.Fatal(err)
	}
	if err := w.Suspend(w.t.Context(), agent(23).Key(), true, byOperator); !errors.Is(err, credentials.ErrNotFound) {
		w.t.Fatal(err)
	}
	if err := w.Suspend(w.t.Context(), agent(22).Key(), true, byOperator); err != nil {
		w.t.Fatal(err)
	}
	if err := w.engine.read.QueryRowContext(w.t.Context(), `SELECT epoch FROM endings_counter`).Scan(&epoch); err != nil {
		w.t.Fatal(err)
	}
	return s, epoch
}

// TestRecover: everything ends, in a new epoch that has an ending of each session
// whose tokens could live; the limits on guessing and suspensions stay.
func TestRecover(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s, epoch := w.before()
		w.mint(minting("untouched", "123456")) // nothing has come of it yet
		old, version := w.ring(), w.number(`SELECT keys_version FROM installation`)
		wrong := w.number(`SELECT count(*) FROM tries WHERE state = 'wrong'`)
		if err := w.reopen(Options{Recover: true}); err != nil {
			t.Fatal(err)
		}
		got, err := w.Recover(t.Context())
		// One of the four live credentials dies of the try that nobody will settle.
		want := Recovered{Epoch: got.Epoch, Accounts: 7, Credentials: 3, Sessions: 4, Tries: 3}
		if err != nil || got != want || got.Epoch == epoch || got.Epoch == "" {
			t.Errorf("%+v, want %+v after epoch %s, %v", got, want, epoch, err)
		}
		w.recovered()
		if n := w.number(`SELECT keys_version FROM installation`); n <= version {
			t.Error("no node reads that the keys are gone: their version is the same")
		}
		if _, err := w.Issue(t.Context(), grant(s.session)); !isEnded(err, credentials.CauseOperator) {
			t.Errorf("a code of a session from before: %v", err)
		}
		if _, err := w.refresh([]byte("r0"), []byte("r1")); !isEnded(err, credentials.CauseOperator) {
			t.Errorf("a refresh token from before: %v", err)
		}
		a := agent(1)
		if _, err := w.password("1", &a, "guest@x.example", ""); err == nil {
			t.Error("a login from before opens a session")
		}
		if n := w.number(`SELECT count(*) FROM tries WHERE state = 'wrong'`); n != wrong {
			t.Errorf("%d wrong tries of %d are remembered", n, wrong)
		}
		if is, err := w.Suspended(t.Context(), agent(22).Key()); err != nil || !is {
			t.Errorf("the suspension: %v, %v", is, err)
		}
		for _, e := range w.record("acme") {
			if e.Kind == credentials.RecordRevoked && e.Facts["by"] != "operator" {
				t.Errorf("a revocation by %v", e.Facts)
			}
		}
		if e := w.only(itself, credentials.RecordRecovered); e.Facts["epoch"] != got.Epoch || e.Facts["by"] != "operator" {
			t.Errorf("the installation's entry: %v", e.Facts)
		}
		w.unverifiable(old, w.ring())
		again, err := w.Recover(t.Context())
		if err != nil || again.Epoch == got.Epoch || again.Accounts+again.Credentials+again.Sessions+again.Tries != 0 {
			t.Errorf("again: %+v, %v", again, err)
		}
		w.recovered()
	})
}

// unverifiable checks that what the old keys signed is nothing to the new ones.
func (w *world) unverifiable(old, fresh *keys.Ring) {
	w.t.Helper()
	for purpose, typ := range map[keys.Purpose]string{keys.ForAccess: keys.TypAccess, keys.ForID: keys.TypID} {
		token, err := old.Sign(purpose, "ES256", typ, []byte(`{}`))
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := fresh.Verify(token, purpose, typ); !errors.Is(err, keys.ErrToken) {
			w.t.Errorf("a token of purpose %s from before: %v", purpose, err)
		}
	}
}

// TestRecoverHalfWay: wherever it stops, nothing is served until another run,
// and that one completes it.
func TestRecoverHalfWay(t *testing.T) {
	t.Parallel()
	marker := errors.New("marker")
	first := open(t, storetest.SQLite(t))
	first.before()
	again := first.frozen()
	for at, done := 1, false; !done; at++ {
		w := again()
		n := 0
		begun := false
		w.probe = func(statement string) error {
			if n++; n == at {
				return marker
			}
			begun = begun || statement == "COMMITTED"
			return nil
		}
		_, err := w.Recover(t.Context())
		w.probe = nil
		if done = err == nil; done && n < 40 {
			t.Errorf("only %d statements could fail", n)
		}
		if !done {
			if !errors.Is(err, marker) {
				t.Fatalf("statement %d: %v", at, err)
			}
			serving := w.reopen(Options{Migrate: true})
			if begun && (serving == nil || !strings.Contains(serving.Error(), "valetkey recover")) {
				// The very last commit may have been stored though it was reported as failed.
				if n := w.number(`SELECT count(*) FROM sessions WHERE ended_at = 0`); serving != nil || n != 0 {
					t.Fatalf("statement %d failed and the database is served: %v", at, serving)
				}
			}
			if err := w.reopen(Options{Recover: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.recovered()
		if err := w.reopen(Options{}); err != nil {
			t.Errorf("after it: %v", err)
		}
		w.Close()
	}
}

// TestRestoreRevivesNothing: what was revoked, and what was opened, after the
// backup was made.
func TestRestoreRevivesNothing(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	known := w.enter(agent(1), "acme", "123456")
	pin := w.mint(minting("acme", "222222"))
	file := strings.TrimPrefix(w.dsn, "sqlite:")
	w.Close() // writes everything into the file
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.reopen(Options{}); err != nil {
		t.Fatal(err)
	}
	ring := w.ring()
	if err := w.Revoke(t.Context(), "acme", "", byOwner); err != nil {
		t.Fatal(err)
	}
	unknown := w.enter(agent(2), "acme", "333333")
	late := grant(unknown)
	late.Refresh = w.token(unknown, "late")
	if _, err := w.Issue(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := os.WriteFile(file, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.reopen(Options{Recover: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.reopen(Options{}); err != nil {
		t.Fatal(err)
	}
	w.recovered()
	looks := credentials.Sessions{Store: w, Now: w.clock.now}
	if _, err := looks.Live(t.Context(), known.ID); !isEnded(err, credentials.CauseOperator) {
		t.Errorf("a session that was revoked after the backup: %v", err)
	}
	if c, err := w.Credential(t.Context(), "acme", pin.ID); err != nil || c.State != credentials.Revoked {
		t.Errorf("a PIN that was revoked after the backup is %s, %v", c.State, err)
	}
	if _, err := looks.Live(t.Context(), unknown.ID); !errors.Is(err, credentials.ErrNotFound) {
		t.Errorf("a session from after the backup: %v", err)
	}
	if _, err := w.Issue(t.Context(), grant(unknown)); !errors.Is(err, credentials.ErrNotFound) {
		t.Errorf("its code: %v", err)
	}
	if _, err := w.refresh([]byte("late"), []byte("next")); !errors.Is(err, credentials.ErrInvalidGrant) {
		t.Errorf("its refresh token: %v", err)
	}
	w.unverifiable(ring, w.ring())
}

// TestRecoverAlone: not while a broker has the file, and no broker while it runs.
func TestRecoverAlone(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	o := Options{DSN: w.dsn, Secrets: w.secrets, Recover: true, Now: w.clock.now}
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "stop the broker") {
		t.Errorf("beside a broker: %v", err)
	}
	if err := w.reopen(Options{Recover: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.db")
	o.DSN = "sqlite:" + missing
	if _, err := Open(t.Context(), o); err == nil {
		t.Error("a file that is not there was opened")
	}
	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
	other, err := connectSQLite(strings.TrimPrefix(w.dsn, "sqlite:"), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.QueryRowContext(t.Context(), `SELECT count(*) FROM accounts`).Scan(new(int)); !passing(err) {
		t.Errorf("somebody else reads the file meanwhile: %v", err)
	}
}

// TestRecoverRefusesAnOldSchema: a backup of an earlier version is migrated first.
func TestRecoverRefusesAnOldSchema(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := open(t, dsn)
		if _, err := w.engine.write.ExecContext(t.Context(), `DELETE FROM goose_db_version WHERE version_id > 1`); err != nil {
			t.Fatal(err)
		}
		if err := w.reopen(Options{Recover: true}); err == nil || !strings.Contains(err.Error(), "valetkey migrate") {
			t.Errorf("an old schema: %v", err)
		}
	})
}
