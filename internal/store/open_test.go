package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestOpenAtOnce: several nodes that start on an empty database make one
// installation.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, dsn string) {
		secrets := keystest.Secrets(t)
		stores := make([]*Store, 4)
		rings := make([]*keys.Ring, len(stores))
		parallel(len(stores), func(i int) {
			s, err := Open(t.Context(), Options{DSN: dsn, Secrets: secrets, Migrate: true})
			if err != nil {
				t.Error(err)
				return
			}
			stores[i] = s
			if rings[i], err = s.Ring(t.Context(), []string{"ES256"}); err != nil {
				t.Error(err)
			}
		})
		for i, s := range stores {
			if s == nil {
				continue
			}
			defer s.Close()
			if s.ID != stores[0].ID || s.ID == "" {
				t.Errorf("installations %q and %q", s.ID, stores[0].ID)
			}
			if err := s.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			if a, b := rings[i].Public().Keys, rings[0].Public().Keys; len(a) != 2 || len(b) != 2 || a[0].KeyID != b[0].KeyID || a[1].KeyID != b[1].KeyID {
				t.Errorf("the nodes have other signing keys: %d and %d", len(a), len(b))
			}
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, dsn string) {
		secrets := keystest.Secrets(t)
		refused := func(o Options, says string) {
			t.Helper()
			o.DSN = dsn
			s, err := Open(t.Context(), o)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want something with %q", err, says)
			}
		}
		refused(Options{Secrets: secrets}, "valetkey migrate")
		if have, err := Migrate(t.Context(), dsn, false); err != nil || have.Have != 0 || have.Want < 1 {
			t.Errorf("an empty database: %+v, %v", have, err)
		}
		for range 2 {
			if have, err := Migrate(t.Context(), dsn, true); err != nil || have.Have != have.Want {
				t.Errorf("migrated: %+v, %v", have, err)
			}
		}
		s, err := Open(t.Context(), Options{DSN: dsn, Secrets: secrets})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		refused(Options{Secrets: keystest.Secrets(t)}, "secrets file")
		if _, err := s.engine.write.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, $1)`, true); err != nil {
			t.Fatal(err)
		}
		refused(Options{Secrets: secrets}, "newer")
		refused(Options{Secrets: secrets, Migrate: true}, "newer")
		if _, err := Migrate(t.Context(), dsn, true); err == nil {
			t.Error("a newer schema was migrated")
		}
	})
}

func TestOpenHidesThePassword(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"postgres://user:hunter2@host:port/db", "postgres://user:hunter2@127.0.0.1:1/db"} {
		if _, err := Open(t.Context(), Options{DSN: dsn, Secrets: keystest.Secrets(t)}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

// TestClockBehind: a clock that is behind what the database has seen mints,
// redeems and issues nothing, but ends things; it recovers.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	s := w.scene()
	w.clock.add(time.Hour)
	check := func(want error) {
		t.Helper()
		if err := w.checkClock(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Ready(t.Context()); !errors.Is(err, want) {
			t.Errorf("ready: %v, want %v", err, want)
		}
	}
	check(nil)
	w.clock.add(-10 * time.Second)
	check(nil)
	w.clock.add(-time.Microsecond)
	check(credentials.ErrClock)
	verbs := s.verbs()
	for _, name := range []string{"mint", "reserve", "settle right", "settle wrong", "verify", "password", "issue", "refresh", "touch", "act"} {
		if err := verbs[name](t.Context()); !errors.Is(err, credentials.ErrClock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"end", "suspend", "revoke", "erase"} {
		if err := verbs[name](t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.clock.add(time.Microsecond)
	check(nil)
	if err := verbs["mint"](t.Context()); err != nil {
		t.Errorf("mint with the clock right again: %v", err)
	}
	w.sound()
}

// TestClockMarkLasts: the mark outlives the process.
func TestClockMarkLasts(t *testing.T) {
	t.Parallel()
	dsn := storetest.SQLite(t)
	w := open(t, dsn)
	w.clock.add(time.Hour)
	if err := w.checkClock(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{DSN: dsn, Secrets: w.secrets, Now: func() time.Time { return w.clock.now().Add(-time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Mint(t.Context(), minting("acme", "123456")); !errors.Is(err, credentials.ErrClock) {
		t.Errorf("mint: %v", err)
	}
}

// TestClockOff: more than a second away from PostgreSQL's clock, either way.
func TestClockOff(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	for _, off := range []time.Duration{-time.Hour, time.Hour, 0} {
		w.atOnce(func() {
			w.clock.stop()
			w.clock.add(off)
			if err := w.checkClock(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		if err := w.Ready(t.Context()); errors.Is(err, credentials.ErrClock) != (off != 0) {
			t.Errorf("%v off: %v", off, err)
		}
	}
}

// TestTimeNeverGoesBack: entries made by a clock that went back keep the order.
func TestTimeNeverGoesBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "111111"))
		first := w.record("acme")[0].At
		w.clock.add(-5 * time.Second)
		w.mint(minting("acme", "222222"))
		if second := w.record("acme")[1].At; second.Before(first) {
			t.Errorf("an entry of %v after one of %v", second, first)
		}
	})
}

// TestPrune: what no limit looks back to is deleted, and nothing else.
func TestPrune(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "123456", func(m *credentials.Minting) {
			m.Idempotency = &credentials.Idempotency{Client: "c", Key: "k", Digest: []byte("d")}
		}))
		if _, err := w.redeem(agent(1), "hacme", "000000"); !isNoMatch(err) {
			t.Fatal(err)
		}
		rows := func() int {
			return w.number(`SELECT (SELECT count(*) FROM tries) + (SELECT count(*) FROM idempotency) + (SELECT count(*) FROM wrong_hours)`)
		}
		for _, left := range []int{3, 3, 0} {
			if err := w.prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			if rows() != left {
				t.Errorf("%d rows are left, want %d", rows(), left)
			}
			w.clock.add(25 * time.Hour)
		}
	})
}

// TestPruneTokens: codes and refresh tokens go two days after their session's
// end, a batch at a time, and no sooner; what they were for is refused with them
// and without.
func TestPruneTokens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s, lives := w.enter(agent(1), "acme", "111111"), w.mint(login("acme", "g@x.example", func(m *credentials.Minting) {
			m.Credential.RedeemWithin, m.Credential.Session, m.Credential.Idle = 2000*time.Hour, 2000*time.Hour, 2000*time.Hour
		}))
		a := agent(2)
		long, err := w.password("1", &a, lives.Email, "")
		if err != nil {
			t.Fatal(err)
		}
		for i, of := range []credentials.Session{s, long} {
			g := grant(of)
			g.ID, g.Refresh = fmt.Sprint("code", i), w.token(of, fmt.Sprint("r", i))
			if _, err := w.Issue(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		// More than a batch of them.
		if _, err := w.engine.write.ExecContext(t.Context(), `INSERT INTO grants WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < $1)
SELECT 'g' || g.i, sid, client, audience, scope, at FROM grants, g WHERE id = 'code0'`, sweepBatch); err != nil {
			t.Fatal(err)
		}
		if _, err := w.End(t.Context(), "acme", s.ID, credentials.CauseSignedOut, byOwner); err != nil {
			t.Fatal(err)
		}
		left := func(want string) {
			t.Helper()
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(w.number(`SELECT count(*) FROM grants`), " ", w.number(`SELECT count(*) FROM refresh_tokens`)); got != want {
				t.Errorf("%s codes and refresh tokens are left, want %s", got, want)
			}
		}
		w.clock.add(keepGrants - time.Microsecond)
		left(fmt.Sprint(sweepBatch+2, " 2"))
		w.clock.add(time.Microsecond)
		left("2 1") // one batch
		left("1 1") // those of the session that lives
		again := grant(s)
		again.ID = "code0"
		if _, err := w.Issue(t.Context(), again); !isEnded(err, credentials.CauseSignedOut) {
			t.Errorf("a code whose row is gone: %v", err)
		}
		if _, err := w.refresh([]byte("r0"), []byte("next")); !errors.Is(err, credentials.ErrInvalidGrant) {
			t.Errorf("a refresh token whose row is gone: %v", err)
		}
		if _, err := w.refresh([]byte("r1"), []byte("r2")); err != nil {
			t.Errorf("the one of a session that lives: %v", err)
		}
		w.sound()
	})
}

// TestReading: pages follow one another, newest first, without gap or repeat.
func TestReading(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range 7 {
			w.enter(agent(i), "acme", "00000"+string(rune('1'+i)))
			if i%2 == 0 {
				w.clock.add(time.Second) // some are made at the same instant
			}
		}
		seen := map[string]bool{}
		for page, last := (credentials.Page{Limit: 3}), time.Now().Add(time.Hour); ; {
			list, err := w.Sessions(t.Context(), "acme", page)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range list {
				if seen[s.ID] || s.OpenedAt.After(last) {
					t.Errorf("session %s comes again or out of order", s.ID)
				}
				seen[s.ID], last = true, s.OpenedAt
				page.At, page.ID = s.OpenedAt, s.ID
			}
			if len(list) < 3 {
				break
			}
		}
		if len(seen) != 7 {
			t.Errorf("%d sessions on the pages", len(seen))
		}
		newest, err := w.Record(t.Context(), "acme", credentials.RecordPage{Limit: 2})
		if err != nil || len(newest) != 2 || newest[0].Seq != 14 || newest[1].Seq != 13 {
			t.Errorf("the newest entries: %v, %v", newest, err)
		}
		if before, err := w.Record(t.Context(), "acme", credentials.RecordPage{Before: 3, Limit: 5}); err != nil || len(before) != 2 || before[0].Seq != 2 {
			t.Errorf("entries before 3: %v, %v", before, err)
		}
		if first, err := w.UseOTP(t.Context(), "sam", 7); err != nil || !first {
			t.Errorf("a one-time code: %v, %v", first, err)
		}
		if first, err := w.UseOTP(t.Context(), "sam", 7); err != nil || first {
			t.Errorf("the same again: %v, %v", first, err)
		}
		if agents, err := w.Agents(t.Context()); err != nil || len(agents) != 7 || agents[0].Name == "" {
			t.Errorf("agents: %v, %v", agents, err)
		}
	})
}
