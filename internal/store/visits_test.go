package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestUsable: what can open a session now, newest first, of this account alone.
func TestUsable(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		policy := func(name string) func(*credentials.Minting) {
			return func(m *credentials.Minting) { m.Credential.Policy = name }
		}
		w.enter(agent(1), "acme", "111111") // used
		w.mint(minting("acme", "222222"))   // replaced
		gone := w.mint(login("acme", "gone@x.example"))
		if err := w.Revoke(t.Context(), "acme", gone.ID, byOwner); err != nil {
			t.Fatal(err)
		}
		w.mint(minting("other", "333333"))
		w.mint(minting("acme", "444444", policy("short"), func(m *credentials.Minting) { m.Credential.RedeemWithin = time.Minute }))
		w.clock.add(time.Minute) // expired, and not written down
		var want []string
		for _, m := range []credentials.Minting{
			login("acme", "many@x.example"), minting("acme", "555555"), minting("acme", "666666", policy("two-day-pin")),
		} {
			want = append([]string{w.mint(m).ID}, want...)
			w.clock.add(time.Second)
		}
		for limit := 1; limit <= 4; limit++ {
			got, err := w.Usable(t.Context(), "acme", limit)
			ids := make([]string, 0, limit)
			for _, c := range got {
				ids = append(ids, c.ID)
			}
			if err != nil || !slices.Equal(ids, want[:min(limit, 3)]) {
				t.Errorf("%d: %v, want %v, %v", limit, ids, want, err)
			}
		}
	})
}

// TestVisits: sessions that live now, newest first, with the apps that have had
// tokens, in the order of the first.
func TestVisits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		old := w.enter(agent(1), "acme", "111111")
		w.clock.add(5 * time.Minute)
		ended := w.enter(agent(2), "acme", "222222")
		if _, err := w.End(t.Context(), "acme", ended.ID, credentials.CauseSignedOut, byOwner); err != nil {
			t.Fatal(err)
		}
		w.enter(agent(3), "other", "333333")
		busy := w.enter(agent(4), "acme", "444444")
		for _, client := range []string{"wiki", "docs", "wiki", "mail"} {
			g := grant(busy)
			g.Client = client
			if _, err := w.Issue(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			w.clock.add(time.Second)
		}
		show := func(limit int) string {
			t.Helper()
			got, err := w.Visits(t.Context(), "acme", limit)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, v := range got {
				if full, err := w.Session(t.Context(), v.ID); err != nil || fmt.Sprint(full.Agent) != fmt.Sprint(v.Agent) || full.Reason != v.Reason {
					t.Errorf("%+v is not %+v, %v", v.Session, full, err)
				}
				out = append(out, map[string]string{old.ID: "old", busy.ID: "busy"}[v.ID]+fmt.Sprint(v.Apps))
			}
			return strings.Join(out, " ")
		}
		for limit, want := range map[int]string{1: "busy[wiki docs mail]", 9: "busy[wiki docs mail] old[]"} {
			if got := show(limit); got != want {
				t.Errorf("%d: %s, want %s", limit, got, want)
			}
		}
		w.clock.add(5*time.Minute - 4*time.Second - time.Microsecond)
		if got := show(9); got != "busy[wiki docs mail] old[]" {
			t.Errorf("just before the idle end: %s", got)
		}
		w.clock.add(time.Microsecond) // due, and nobody has looked
		if got := show(9); got != "busy[wiki docs mail]" {
			t.Errorf("at the idle end: %s", got)
		}
	})
}

// TestNames: of the account's sessions, however many are asked for.
func TestNames(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, second := w.enter(agent(1), "acme", "111111"), w.enter(agent(2), "acme", "222222")
		other := w.enter(agent(3), "other", "333333")
		m := w.mint(login("acme", "h@x.example", func(m *credentials.Minting) { m.Credential.Holder = true }))
		holder, err := w.password("1", nil, m.Email, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, many := range []int{0, namesAtOnce, 3 * namesAtOnce} {
			sids := []string{first.ID, other.ID, holder.ID}
			for i := range many {
				sids = append(sids, fmt.Sprint("none", i))
			}
			got, err := w.Names(t.Context(), "acme", append(sids, second.ID))
			if want := map[string]string{first.ID: "Agent 1", second.ID: "Agent 2"}; err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v, want %v, %v", got, want, err)
			}
		}
		if got, err := w.Names(t.Context(), "acme", nil); err != nil || len(got) != 0 {
			t.Errorf("of nothing: %v, %v", got, err)
		}
	})
}

// TestTheOwnersPageIsReadByIndex: an account with a long past costs no more than
// one with a short.
func TestTheOwnersPageIsReadByIndex(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.past()
		for query, index := range map[string]string{listUsable: "credentials_by_state", listVisits: "sessions_live_by_account", listOver: "sessions_live_by_account"} {
			plan := w.plan(query, "acme", micros(w.clock.now()), 50)
			if !strings.Contains(plan, index) || scans(plan) {
				t.Errorf("%.40q is read by\n%s", query, plan)
			}
		}
		for query, index := range map[string]string{pruneGrants: "grants_by_time", pruneRefresh: "refresh_tokens_by_time"} {
			if plan := w.plan(query, micros(w.clock.now().Add(-keepGrants)), sweepBatch); !strings.Contains(plan, index) {
				t.Errorf("%.40q is done by\n%s", query, plan)
			}
		}
		args := make([]any, namesAtOnce)
		for i := range args {
			args[i] = fmt.Sprint(i)
		}
		// PostgreSQL reads so few sessions as a whole, and that is right.
		if plan := w.plan(listNames, args...); w.engine.file && !strings.Contains(plan, "sqlite_autoindex_sessions_1") {
			t.Errorf("names are read by\n%s", plan)
		}
	})
}

// scans reports whether a whole table is read.
func scans(plan string) bool {
	plan = strings.ReplaceAll(plan, "SCAN apps", "") // one session's, grouped
	return strings.Contains(plan, "SCAN") || strings.Contains(plan, "Seq Scan")
}

// past gives the account thousands of credentials and sessions that are over,
// and one of each that is not.
func (w *world) past() {
	w.t.Helper()
	s := w.enter(agent(1), "acme", "111111")
	if _, err := w.Issue(w.t.Context(), grant(s)); err != nil {
		w.t.Fatal(err)
	}
	c := w.mint(minting("acme", "222222"))
	const numbers = ` WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 2000) `
	for _, copying := range []struct{ query, id string }{
		{`INSERT INTO sessions` + numbers + `SELECT 's' || g.i, 's' || g.i, account, account_name, handle, credential, kind, policy, agent, agent_issuer,
agent_sub, agent_name, agent_email, connector, scopes, ticket, reason, contact, email, owner_sub, opened_at - g.i, ends_at, idle, active_at, due_at,
auth_time, amr, opened_at + g.i, 'time', NULL FROM sessions, g WHERE sid = $1`, s.ID},
		{`INSERT INTO credentials` + numbers + `SELECT 'c' || g.i, account, policy, kind, digits, holder, 'expired', scopes, ticket, contact, contact_key,
minter_issuer, minter_subject, minter_name, minter_email, email, made_at - g.i, redeem_by, session, idle, uses, uses_left, tries, reserved, wrong,
ticket_misses, NULL FROM credentials, g WHERE id = $1`, c.ID},
		{`INSERT INTO grants` + numbers + `SELECT 'g' || g.i, 's' || g.i, client, audience, scope, at + g.i FROM grants, g WHERE sid = $1`, s.ID},
	} {
		if _, err := w.engine.write.ExecContext(w.t.Context(), copying.query, copying.id); err != nil {
			w.t.Fatal(err)
		}
	}
	var tokens [][]any
	for i := range 2000 {
		tokens = append(tokens, []any{fmt.Append(nil, i), fmt.Sprint("s", i), "acme", "docs", "a", "b", micros(w.clock.now()) + int64(i), 0, 0})
	}
	err := w.verb(w.t.Context(), func(t *tx) error {
		return t.insert(`refresh_tokens (hash, sid, account, client, audience, scope, made_at, replaced_at, spent)`, tokens)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.engine.write.ExecContext(w.t.Context(), `ANALYZE`); err != nil {
		w.t.Fatal(err)
	}
}

// plan is how the database would run the query.
func (w *world) plan(query string, args ...any) string {
	w.t.Helper()
	explain := "EXPLAIN QUERY PLAN "
	if !w.engine.file {
		explain = "EXPLAIN "
	}
	rows, err := w.engine.read.QueryContext(w.t.Context(), explain+query, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line, skip string
		into := []any{&line}
		if w.engine.file {
			into = []any{&skip, &skip, &skip, &line}
		}
		if err := rows.Scan(into...); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(out, "\n")
}
