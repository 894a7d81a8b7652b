package store

import (
	"slices"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestOnlyWhatNobodyNeedsIsForgotten: to the microsecond; with it the session's
// place in the status list is free, and not before.
func TestOnlyWhatNobodyNeedsIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, second := w.enter(agent(1), "acme", "111111"), w.enter(agent(2), "acme", "222222")
		w.clock.add(noted)
		w.end(first)
		w.clock.add(time.Second)
		w.end(second)
		w.clock.add(credentials.EndingMargin - time.Second - time.Microsecond)
		for i, want := range [][]string{{first.ID, second.ID}, {second.ID}, {second.ID}, nil} {
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			at, log := w.told(0, 9)
			var sids []string
			for _, e := range log {
				sids = append(sids, e.SID)
			}
			if !slices.Equal(sids, want) || at.N != 2 {
				t.Errorf("look %d: %v up to %d, want %v", i, sids, at.N, want)
			}
			for _, s := range []credentials.Session{first, second} {
				got, err := w.Session(t.Context(), s.ID)
				if place := map[bool]int64{true: s.StatusIndex}[slices.Contains(want, s.ID)]; err != nil || got.StatusIndex != place {
					t.Errorf("look %d: place %d, want %d, %v", i, got.StatusIndex, place, err)
				}
			}
			w.sound()
			w.clock.add([]time.Duration{time.Microsecond, time.Second - time.Microsecond, time.Microsecond, 0}[i])
		}
	})
}

// TestTheJobKeepsUp: however many have ended since it ran last.
func TestTheJobKeepsUp(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.busy()
		w.clock.add(2 * time.Hour)
		if err := w.pruneEndings(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.number(`SELECT count(*) FROM endings`); n != 0 {
			t.Errorf("%d endings are left", n)
		}
		if n := w.number(`SELECT count(*) FROM receipts WHERE state = 'waiting'`); n != 0 {
			t.Errorf("%d receipts are waited for still", n)
		}
	})
}

// TestTwoNodesForgetAtOnce: and sessions end and open meanwhile.
func TestTwoNodesForgetAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w
		if w.engine.notify {
			other = w.beside(nil)
		}
		for _, s := range w.guests(100) {
			w.end(s)
		}
		w.clock.add(noted + credentials.EndingMargin)
		rest := w.guests(40)
		parallel(48, func(i int) {
			switch {
			case i < 40:
				if _, err := w.End(t.Context(), rest[i].Account.ID, rest[i].ID, credentials.CauseSignedOut, byOwner); err != nil {
					t.Error(err)
				}
			default:
				if err := []*world{w, other}[i%2].pruneEndings(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		if at, log := w.told(0, 1000); len(log) != len(rest) || at.N != 140 {
			t.Errorf("%d endings are left, up to %d", len(log), at.N)
		}
		w.sound()
	})
}

// TestForgettingHoldsNobodyUp: a session ends while the job's transaction is open.
func TestForgettingHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.end(w.enter(agent(1), "acme", "111111"))
	w.clock.add(noted + credentials.EndingMargin)
	s, node := w.enter(agent(2), "acme", "222222"), w.beside(nil)
	ended := false
	w.probe = func(statement string) error {
		if statement == "COMMIT" && !ended {
			ended = true
			node.end(s)
		}
		return nil
	}
	err := w.pruneEndings(t.Context())
	w.probe = nil
	if _, log := w.told(0, 9); err != nil || !ended || len(log) != 1 || log[0].SID != s.ID {
		t.Errorf("ended %v; %+v, %v", ended, log, err)
	}
	w.sound()
}

// TestAWrittenReceiptIsNotClosed: the job looked before it was written.
func TestAWrittenReceiptIsNotClosed(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.clients = map[string]Client{"docs": {Enforces: credentials.ByGuard}}
	s := w.enter(agent(1), "acme", "123456")
	if _, err := w.Issue(t.Context(), grant(s)); err != nil {
		t.Fatal(err)
	}
	w.end(s)
	w.clock.add(keepOpen + time.Minute)
	node, closed := w.beside(nil), make(chan error, 1)
	begun := false
	w.probe = func(statement string) error {
		if statement == "COMMIT" && !begun { // the receipt is written, and not there for others
			begun = true
			go func() { closed <- node.pruneEndings(t.Context()) }()
			w.locked()
		}
		return nil
	}
	err := w.Apply(t.Context(), credentials.Receipt{SID: s.ID, Client: "docs", Account: "acme", EndedAt: w.clock.now(), AppliedAt: w.clock.now()})
	w.probe = nil
	if err != nil || <-closed != nil {
		t.Fatal(err)
	}
	if got, err := w.Receipts(t.Context(), "acme", []string{s.ID}); err != nil || got[s.ID][0].AppliedAt.IsZero() || w.number(`SELECT count(*) FROM receipts WHERE state = 'applied'`) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	w.sound()
}

// TestTheDatabaseIsBroughtOver: with sessions and endings from before.
func TestTheDatabaseIsBroughtOver(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, dsn string) {
		e := migrated(t, dsn, 2)
		now := time.Now().UnixMicro()
		const numbers = ` WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 3000) `
		for _, query := range []string{
			`INSERT INTO endings_counter (one, epoch, n) VALUES (1, 'e', 3000)`,
			`INSERT INTO sessions (sid, attempt, account, account_name, handle, credential, kind, policy, agent, agent_issuer, agent_sub, agent_name,
agent_email, connector, scopes, ticket, reason, contact, email, owner_sub, opened_at, ends_at, idle, active_at, due_at, auth_time, amr, ended_at, cause)` +
				numbers + `SELECT 's' || g.i, 's' || g.i, 'acme', '', '', 'c', 'pin', '', 'x', '', '', '', '', '', '', '', '', '', '', '', 0,
CAST($1 AS BIGINT) + (g.i - 2000) * CAST(1000000 AS BIGINT), 0, 0, 0, 0, '', CAST($1 AS BIGINT) + (g.i - 3000) * CAST(1000000 AS BIGINT), 'revoked' FROM g`,
			`INSERT INTO endings (epoch, n, sid, credential, cause, ended_at)` + numbers + `SELECT 'e', g.i, 's' || g.i, 'c', 'revoked', CAST($1 AS BIGINT) + (g.i - 3000) * CAST(1000000 AS BIGINT) FROM g`,
			`INSERT INTO grants (id, sid, client, audience, scope, at)` + numbers + `SELECT 'a' || g.i, 's' || g.i, 'docs', 'one', '', 0 FROM g`,
			`INSERT INTO grants (id, sid, client, audience, scope, at)` + numbers + `SELECT 'b' || g.i, 's' || g.i, 'wiki', 'one', '', 0 FROM g WHERE g.i > 2999`,
			`INSERT INTO grants (id, sid, client, audience, scope, at)` + numbers + `SELECT 'c' || g.i, 's' || g.i, 'mail', 'two', '', 0 FROM g WHERE g.i > 2999`,
		} {
			args := []any{now}
			if query[:27] == `INSERT INTO endings_counter` || query[:18] == `INSERT INTO grants` {
				args = nil
			}
			if _, err := e.write.ExecContext(t.Context(), query, args...); err != nil {
				t.Fatal(err)
			}
		}
		e.close()
		w := open(t, dsn)
		at, log := w.told(0, 500)
		// The end of session 1880 and its margin come with the last ending.
		if last := log[len(log)-1]; at.N != 3000 || log[0].N != 2000-120 || len(log) != 3000-1879 ||
			last.Account != "acme" || !last.NeededUntil.Equal(time.UnixMicro(now).Add(1000*time.Second+credentials.EndingMargin)) {
			t.Errorf("up to %+v, from %+v to %+v", at, log[0], log[len(log)-1])
		}
		got := slices.Sorted(slices.Values(log[len(log)-1].Audiences))
		if !slices.Equal(got, []string{"one", "two"}) || !slices.Equal(log[0].Audiences, []string{"one"}) {
			t.Errorf("audiences %v and %v", got, log[0].Audiences)
		}
		// A node from before the change writes what is kept.
		if _, err := w.engine.write.ExecContext(t.Context(), `INSERT INTO endings (epoch, n, sid, credential, cause, ended_at) VALUES ('e', 3001, 's', 'c', 'idle', 1)`); err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Hour)
		if err := w.pruneEndings(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, log := w.told(0, 500); len(log) != 1 || log[0].N != 3001 {
			t.Errorf("an hour later: %+v", log)
		}
	})
}

// migrated is a database at an older step.
func migrated(t *testing.T, dsn string, step int64) *engine {
	t.Helper()
	e, err := openEngine(t.Context(), dsn, false, false)
	if err != nil {
		t.Fatal(err)
	}
	p, err := migrator(e)
	if err == nil {
		_, err = p.UpTo(t.Context(), step)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestReceiptsAreForgotten long after the last token, to the microsecond, whatever
// became of them; the record keeps what was said. One whose app is still to be
// called back stays.
func TestReceiptsAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var until time.Time
		for i, id := range []string{"acme", "globex", "initech"} {
			s := w.enter(agent(i), id, "123456")
			if _, err := w.Issue(ctx, grant(s)); err != nil {
				t.Fatal(err)
			}
			w.end(s)
		}
		until = fromMicros(int64(w.number(`SELECT max(tokens_until) FROM receipts`)))
		for _, change := range []string{
			`UPDATE receipts SET state = 'applied', logout_next = 0, tokens_until = (SELECT max(tokens_until) FROM receipts)`,
			`UPDATE receipts SET state = 'closed' WHERE account = 'globex'`,
			`UPDATE receipts SET logout_next = 1 WHERE account = 'initech'`,
		} {
			if _, err := w.engine.write.ExecContext(ctx, change); err != nil {
				t.Fatal(err)
			}
		}
		before := w.number(`SELECT count(*) FROM record`)
		for _, step := range []struct {
			at   time.Time
			left int
		}{{until.Add(keepReceipts - time.Microsecond), 3}, {until.Add(keepReceipts), 1}} {
			w.clock.add(step.at.Sub(w.clock.now()))
			if err := w.pruneEndings(ctx); err != nil {
				t.Fatal(err)
			}
			if n := w.number(`SELECT count(*) FROM receipts`); n != step.left {
				t.Errorf("%v after the last token %d are kept, want %d", step.at.Sub(until), n, step.left)
			}
		}
		if n := w.number(`SELECT count(*) FROM record`); n != before {
			t.Errorf("the record has %d entries, and had %d", n, before)
		}
	})
}
