package store

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/credentials"
)

// TestOperationsTakeNoMoreStatements than docs/performance.md says, BEGIN and COMMIT
// among them, no more commits and no more trips to PostgreSQL: each is paid for by every request. Who makes one
// take fewer writes the new number here and there.
func TestOperationsTakeNoMoreStatements(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.enter(agent(1), "acme", "123456")
		g := grant(s)
		g.Refresh = w.token(s, "r0")
		if _, err := w.Issue(ctx, g); err != nil {
			t.Fatal(err)
		}
		w.mint(login("old", "old@x.example"))
		holder, err := w.password(credentials.NewID(), nil, "old@x.example", "help")
		if err != nil {
			t.Fatal(err)
		}
		refresh := func(from, to string, proven bool) func() error {
			return func() error {
				_, _, err := w.Refresh(ctx, credentials.Refreshing{Hash: []byte(from), Client: "docs", Next: []byte(to), TokenID: credentials.NewID(),
					Proven: proven, Scope: func(granted string) (string, error) { return granted, nil }})
				return err
			}
		}
		mint := func(m credentials.Minting) func() error {
			return func() error { _, _, err := w.Mint(ctx, m); return err }
		}
		notice, end, marks := int64(0), int64(1), int64(1) // to the other nodes; a record's end, where it does not go with its entry; a token, likewise
		if w.engine.notify {
			notice, end, marks = 1, 0, 0
		}
		trips := w.trips()
		seen := map[string]bool{}
		w.probe = func(statement string) error { seen[statement] = true; return nil }
		for _, op := range []struct {
			name                string
			do                  func() error
			statements, commits int64
			trips               int // to PostgreSQL
		}{
			{"introspection, userinfo", func() error { _, err := w.Session(ctx, s.ID); return err }, 1, 0, 1},
			{"introspection of a refresh token, besides its session's", func() error { _, err := w.RefreshToken(ctx, []byte("r0")); return err }, 1, 0, 1},
			{"refresh, the first", refresh("r0", "r1", true), 6 + end + marks, 1, 2},
			{"refresh", refresh("r1", "r2", true), 6 + end + 2*marks, 1, 2},
			{"refresh of a client that proves nothing", refresh("r2", "r3", false), 7 + end + 2*marks, 1, 3},
			{"mint of a temporary login, new account", mint(login("new", "new@x.example")), 6 + end, 1, 2},
			{"mint of a temporary login", mint(login("acme", "acme@x.example")), 6 + end, 1, 2},
			{"mint of a PIN", mint(minting("acme", "234567")), 7 + end, 1, 3},
			{"mint of a PIN that replaces one", mint(minting("acme", "345678")), 8 + end, 1, 3},
			{"an action", func() error { _, err := w.Act(ctx, action(s)); return err }, 8 + end, 1, 2},
			{"revocation of a login with a session, without tokens", func() error { return w.Revoke(ctx, "old", holder.Credential, byOwner) }, 15 + notice, 1, 3},
			{"revocation by an app of its token's session", func() error {
				return (&credentials.Sessions{Store: w.Store, Now: w.clock.now}).End(ctx, s.ID, credentials.CauseSignedOut, byOwner)
			}, 12 + end + notice, 1, 4},
		} {
			commits, statements := w.Counts()
			*trips = 0
			if err := op.do(); err != nil {
				t.Fatalf("%s: %v", op.name, err)
			}
			c, n := w.Counts()
			if n-statements != op.statements || c-commits != op.commits {
				t.Errorf("%s: %d statements in %d commits, want %d in %d", op.name, n-statements, c-commits, op.statements, op.commits)
			}
			if !w.engine.file && *trips != op.trips {
				t.Errorf("%s: %d trips, want %d", op.name, *trips, op.trips)
			}
		}
		w.probe = nil
		w.sound()
		if w.engine.notify {
			w.plansAreKeyed(seen)
		}
	})
}

var (
	placeholder = regexp.MustCompile(`\$\d+`)
	// wholeTable finds a plan that reads more than the rows that it is asked for: a
	// table, or everything that lives.
	wholeTable = regexp.MustCompile(`Seq Scan on (accounts|sessions|credentials|refresh_tokens|grants|actions|record)\b|sessions_due|credentials_due`)
)

// plansAreKeyed asks PostgreSQL how it runs these statements in a database that it
// has no statistics of yet. It keeps the plans that it makes then.
func (w *world) plansAreKeyed(statements map[string]bool) {
	w.t.Helper()
	c, err := w.engine.read.Conn(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.ExecContext(w.t.Context(), `SET plan_cache_mode = force_generic_plan`); err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for statement := range statements {
		if first, _, _ := strings.Cut(statement, " "); first != "SELECT" && first != "UPDATE" || statement == notifyNodes {
			continue
		}
		names := map[string]bool{}
		for _, name := range placeholder.FindAllString(statement, -1) {
			names[name] = true
		}
		n++
		given := ""
		if len(names) > 0 {
			given = "(" + strings.TrimSuffix(strings.Repeat("NULL,", len(names)), ",") + ")"
		}
		if _, err := c.ExecContext(w.t.Context(), fmt.Sprintf(`PREPARE p%d AS %s`, n, statement)); err != nil {
			w.t.Fatalf("%v in %s", err, statement)
		}
		rows, err := c.QueryContext(w.t.Context(), fmt.Sprintf(`EXPLAIN EXECUTE p%d%s`, n, given))
		if err != nil {
			w.t.Fatalf("%v in %s", err, statement)
		}
		var plan []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				w.t.Fatal(err)
			}
			plan = append(plan, line)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			w.t.Fatal(err)
		}
		if found := wholeTable.FindString(strings.Join(plan, "\n")); found != "" {
			w.t.Errorf("%s: %s\n%s", statement, found, strings.Join(plan, "\n"))
		}
	}
	if n < 15 {
		w.t.Errorf("only %d statements were looked at", n)
	}
}
