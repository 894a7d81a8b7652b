package store

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// told reads the whole log past n as a node does, page by page.
func (w *world) told(n int64, limit int) (at credentials.Cursor, out []credentials.Ending) {
	w.t.Helper()
	for {
		next, page, err := w.Endings(w.t.Context(), n, limit)
		if err != nil {
			w.t.Fatal(err)
		}
		if at, out = next, append(out, page...); len(page) < limit {
			return at, out
		}
		n = at.N
	}
}

// beside opens the same database as another node.
func (w *world) beside(change func(*Options)) *world {
	w.t.Helper()
	o := Options{DSN: w.dsn, Secrets: w.secrets, Now: time.Now} // the database compares clocks
	if change != nil {
		change(&o)
	}
	s, err := Open(w.t.Context(), options(w.t, o))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	other := *w
	other.Store, s.now, s.limit, s.flight = s, w.clock.now, w.limit, w.flight
	return &other
}

// guests opens sessions by temporary logins, some in each of ten accounts.
func (w *world) guests(n int) []credentials.Session {
	w.t.Helper()
	const accounts = 10
	if w.number(`SELECT count(*) FROM credentials WHERE email LIKE 'g%@x.example'`) == 0 {
		for i := range accounts {
			w.mint(login(fmt.Sprint("account", i), fmt.Sprintf("g%d@x.example", i)))
		}
	}
	out := make([]credentials.Session, n)
	parallel(n, func(i int) {
		a := agent(i)
		var err error
		if out[i], err = w.password(credentials.NewID(), &a, fmt.Sprintf("g%d@x.example", i%accounts), ""); err != nil {
			w.t.Error(err)
		}
	})
	return out
}

func (w *world) end(s credentials.Session) credentials.Session {
	w.t.Helper()
	out, err := w.End(w.t.Context(), s.Account.ID, s.ID, credentials.CauseSignedOut, byOwner)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// TestAReaderMissesNothing: whoever has read up to a number has read every
// ending before it, while many end on two nodes.
func TestAReaderMissesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		nodes := []*world{w, w}
		if w.engine.notify {
			nodes[1] = w.beside(nil)
		}
		sessions := w.guests(256)
		done := make(chan struct{})
		var reading sync.WaitGroup
		for _, limit := range []int{3, 1000} {
			reading.Go(func() {
				var n int64
				for last := false; ; {
					select {
					case <-done:
						last = true
					default:
					}
					at, page, err := nodes[1].Endings(t.Context(), n, limit)
					if err != nil {
						t.Error(err)
						return
					}
					for _, e := range page {
						if e.N != n+1 {
							t.Errorf("after %d comes %d", n, e.N)
						}
						n = e.N
					}
					if at.N != n {
						t.Errorf("read up to %d and was told %d", n, at.N)
						n = at.N
					}
					if last && len(page) < limit {
						break
					}
				}
				if n != int64(len(sessions)) {
					t.Errorf("read up to %d of %d", n, len(sessions))
				}
			})
		}
		parallel(len(sessions), func(i int) {
			_, err := nodes[i%2].End(t.Context(), sessions[i].Account.ID, sessions[i].ID, credentials.CauseSignedOut, byOwner)
			if err != nil {
				t.Error(err)
			}
		})
		close(done)
		reading.Wait()
		_, all := w.told(0, 7)
		seen := map[string]bool{}
		for _, e := range all {
			seen[e.SID] = true
		}
		if len(seen) != len(sessions) || len(all) != len(sessions) {
			t.Errorf("%d endings of %d sessions, of %d", len(all), len(seen), len(sessions))
		}
		w.sound()
	})
}

// TestHowLongAnEndingIsNeeded: until no token can live, whichever node ends the
// session and whatever that one was configured with; and a margin.
func TestHowLongAnEndingIsNeeded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := open(t, dsn) // issues nothing
		short := w.beside(func(o *Options) { o.Access = 5 * time.Minute })
		var long *world
		for _, tc := range []struct {
			what   string
			into   time.Duration // the session, of 30 minutes
			access time.Duration
			node   func() *world
		}{
			{"in the middle", time.Minute, 5 * time.Minute, func() *world { return short }},
			{"by a command that issues nothing", time.Minute, 5 * time.Minute, func() *world { return w }},
			{"so late that the session's end comes first", 26 * time.Minute, 4 * time.Minute, func() *world { return short }},
			{"exactly when both come together", 25 * time.Minute, 5 * time.Minute, func() *world { return short }},
			{"by a node with a shorter life than another's", time.Minute, 20 * time.Minute, func() *world {
				long = w.beside(func(o *Options) { o.Access = 20 * time.Minute })
				return short
			}},
			{"after a life was made shorter", time.Minute, 20 * time.Minute, func() *world {
				return w.beside(func(o *Options) { o.Access = time.Minute })
			}},
		} {
			w.clock.stop()
			s := w.enter(agent(1), "acme", "123456")
			if _, err := w.Issue(t.Context(), grant(s)); err != nil {
				t.Fatal(err)
			}
			node := tc.node() // compares its clock with the database's
			for left := tc.into - noted; left > 0; left -= 9 * time.Minute {
				w.clock.add(min(left, 9*time.Minute))
				if _, err := w.Touch(t.Context(), "acme", s.ID, time.Time{}); err != nil {
					t.Fatal(err)
				}
			}
			w.clock.add(noted)
			ended := node.end(s)
			_, log := w.told(0, 100)
			e := log[len(log)-1]
			if e.SID != s.ID || !e.NeededUntil.Equal(ended.EndedAt.Add(tc.access+credentials.EndingMargin)) {
				t.Errorf("%s: needed for %v, want %v and a margin", tc.what, e.NeededUntil.Sub(ended.EndedAt), tc.access)
			}
			if e.Account != "acme" || e.Credential != s.Credential || e.Cause != credentials.CauseSignedOut || !e.EndedAt.Equal(ended.EndedAt) ||
				!slices.Equal(e.Audiences, []string{grant(s).Audience}) || e.StatusIndex != s.StatusIndex {
				t.Errorf("%s: %+v of %+v", tc.what, e, ended)
			}
			got, err := w.Receipts(t.Context(), "acme", []string{s.ID})
			if err != nil || len(got[s.ID]) != 1 || !got[s.ID][0].TokensUntil.Equal(ended.EndedAt.Add(tc.access)) {
				t.Errorf("%s: receipts %+v, %v", tc.what, got, err)
			}
		}
		if long == nil || w.number(`SELECT access FROM endings_counter`) != int((20*time.Minute).Microseconds()) {
			t.Error("the longest life was not kept")
		}
	})
}

// TestTimeEndsAreNeededForTheirMargin: no token outlives its session.
func TestTimeEndsAreNeededForTheirMargin(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		node := w.beside(func(o *Options) { o.Access = time.Hour })
		s := w.enter(agent(1), "acme", "123456")
		w.clock.add(9 * time.Minute)
		if _, err := w.Touch(t.Context(), "acme", s.ID, time.Time{}); err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Hour)
		if err := node.sweepSession(t.Context(), s.ID, "acme"); err != nil {
			t.Fatal(err)
		}
		_, log := w.told(0, 9)
		if !log[0].NeededUntil.Equal(log[0].EndedAt.Add(credentials.EndingMargin)) {
			t.Errorf("needed for %v", log[0].NeededUntil.Sub(log[0].EndedAt))
		}
	})
}

// TestPagesOfEndings: any size of page tells the same, and where it ends.
func TestPagesOfEndings(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		at, none := w.told(0, 5)
		if at.Epoch == "" || at.N != 0 || len(none) != 0 {
			t.Errorf("an empty log: %+v, %v", at, none)
		}
		for _, s := range w.guests(10) {
			w.end(s)
		}
		_, want := w.told(0, 1000)
		for limit := 1; limit <= 11; limit++ {
			for n := range int64(11) {
				at, got := w.told(n, limit)
				if at.N != 10 || fmt.Sprint(got) != fmt.Sprint(want[n:]) {
					t.Errorf("pages of %d past %d: up to %d, %d endings", limit, n, at.N, len(got))
				}
			}
		}
		if at, got := w.told(99, 5); at.N != 10 || len(got) != 0 { // a reader from the future finds out
			t.Errorf("past the end: %+v, %v", at, got)
		}
	})
}

// TestEndingsAreToldWhateverTheClockSays: a node whose clock has jumped says
// nothing less, since what it says nothing of, apps let in.
func TestEndingsAreToldWhateverTheClockSays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.end(w.enter(agent(1), "acme", "123456"))
		w.clock.add(1000 * time.Hour)
		if at, got := w.told(0, 5); at.N != 1 || len(got) != 1 {
			t.Errorf("%+v, %v", at, got)
		}
	})
}

// locked waits until a transaction waits for a lock.
func (w *world) locked() {
	w.t.Helper()
	for tries := 0; w.number(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`) == 0; tries++ {
		if tries > 10_000 {
			w.t.Error("nothing waits for a lock")
			return
		}
	}
}

// TestAChangedAudienceKeepsNoSessionFromEnding: while a session lived the
// operator gave its app another audience, and two apps the same.
func TestAChangedAudienceKeepsNoSessionFromEnding(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		for _, held := range [][2]string{{"docs", "old"}, {"wiki", "new"}, {"docs", "new"}, {"docs", "old"}, {"docs", "newest"}} {
			g := grant(s)
			g.Client, g.Audience = held[0], held[1]
			if _, err := w.Issue(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			w.clock.add(time.Second)
		}
		if err := w.Revoke(t.Context(), "acme", "", byOwner); err != nil {
			t.Fatal(err)
		}
		_, log := w.told(0, 10)
		if slices.Sort(log[0].Audiences); !slices.Equal(log[0].Audiences, []string{"new", "newest", "old"}) {
			t.Errorf("told to %v", log[0].Audiences)
		}
		got, err := w.Receipts(t.Context(), "acme", []string{s.ID})
		if err != nil || len(got[s.ID]) != 2 || got[s.ID][0].Audience != "newest" || got[s.ID][1].Audience != "new" {
			t.Errorf("receipts %+v, %v", got, err)
		}
		w.sound()
	})
}

// TestAnEndingWakes: its own node, also where the commit was not acknowledged;
// and nothing else does.
func TestAnEndingWakes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		woken := func() bool {
			select {
			case <-w.Wake():
				return true
			default:
				return false
			}
		}
		first, second := w.enter(agent(1), "acme", "111111"), w.enter(agent(2), "acme", "222222")
		if _, err := w.Issue(t.Context(), grant(first)); err != nil || woken() {
			t.Errorf("woken by what ends nothing, %v", err)
		}
		if w.end(first); !woken() {
			t.Error("not woken by an ending")
		}
		if w.end(first); woken() {
			t.Error("woken by the same once more")
		}
		w.probe = func(statement string) error {
			if statement == "COMMITTED" {
				return errors.New("the connection was lost")
			}
			return nil
		}
		_, err := w.End(t.Context(), "acme", second.ID, credentials.CauseSignedOut, byOwner)
		w.probe = nil
		if !errors.Is(err, credentials.ErrUnknownResult) || !woken() {
			t.Errorf("not woken by an ending that may be there: %v", err)
		}
	})
}

// small are whole tables, and intermediate results, that are a few rows always.
var small = regexp.MustCompile(`(?m)SCAN (believed|c|k|s)$|Seq Scan on (endings_counter|nodes|ssf_streams)\b`)

// TestTheLogIsReadByIndex: what was told before costs nothing; nor does the past
// when the job looks for what nobody needs.
func TestTheLogIsReadByIndex(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.busy()
		now := micros(w.clock.now())
		for _, tc := range []struct {
			what, query, index string
			args               []any
		}{
			{"what is new", readEndings, "endings_pkey|sqlite_autoindex_endings_1", []any{int64(2990), 1000}},
			{"what is over", pruneEndings, "endings_by_need", []any{now, 10}},
			{"who held tokens", holdersOf[1], "grants_by_session", []any{"s7"}},
			{"which receipts wait", waitingFor, "receipts_waiting", []any{theAudience, "e", int64(1999), 10}},
			{"which receipts are too old", closeReceipts, "receipts_open", []any{now - int64(time.Hour), 10}},
			{"a receipt", applyReceipt, "receipts_pkey|sqlite_autoindex_receipts_1", []any{"s7", "docs", now, int64(1)}},
			{"how far instances are", instancesOf, "instances_by_audience", []any{theAudience + "3", int64(1), now, "e"}},
			{"who is gone", lapsedSince, "instances_by_audience", []any{theAudience + "3", int64(1), now, now, "e"}},
			{"who is connected", connectedAt, "instances_by_node", []any{"node3"}},
		} {
			plan, found := w.plan(tc.query, tc.args...), false
			for index := range strings.SplitSeq(tc.index, "|") {
				found = found || strings.Contains(plan, index)
			}
			plan = small.ReplaceAllString(plan, "")
			if !found || scans(plan) {
				t.Errorf("%s is found by\n%s", tc.what, plan)
			}
		}
	})
}
