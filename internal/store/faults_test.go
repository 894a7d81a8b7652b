package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// scene is a database in which every verb has something to do.
type scene struct {
	*world
	session credentials.Session // with a refresh token "r0" and a token for actions
	held    credentials.Reservation
	calling credentials.Reservation // to verify a caller
	over    credentials.Session     // has ended, and an app that held a token of it has said nothing yet
}

func (w *world) scene() *scene {
	w.t.Helper()
	s := &scene{world: w, session: w.enter(agent(1), "acme", "123456")}
	g := grant(s.session)
	g.Refresh = w.token(s.session, "r0")
	if _, err := w.Issue(w.t.Context(), g); err != nil {
		w.t.Fatal(err)
	}
	w.mint(minting("acme", "654321", func(m *credentials.Minting) { m.Credential.Tries = 1 }))
	w.mint(login("acme", "guest@x.example"))
	var err error
	if s.held, err = w.Reserve(w.t.Context(), trying("held", agent(2), "hacme")); err != nil {
		w.t.Fatal(err)
	}
	w.follow()
	s.over = w.enter(agent(5), "gamma", "123456")
	if _, err := w.Issue(w.t.Context(), grant(s.over)); err != nil {
		w.t.Fatal(err)
	}
	s.over = w.end(s.over)
	at, _ := w.told(0, 9)
	w.present(here("a", credentials.Cursor{Epoch: at.Epoch}))
	w.mint(minting("beta", "654321"))
	calling := trying("calling", agent(4), "hbeta")
	calling.Verify, calling.Client = true, "console"
	if s.calling, err = w.Reserve(w.t.Context(), calling); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// verbs are all verbs that write, each with something to do once.
func (s *scene) verbs() map[string]func(context.Context) error {
	a := agent(3)
	g, act := grant(s.session), action(s.session)
	mark := credentials.Mark{Who: "operator", ID: "root"}
	return map[string]func(context.Context) error{
		"mint": func(ctx context.Context) error {
			_, _, err := s.Mint(ctx, minting("new", "111111", func(m *credentials.Minting) {
				m.Idempotency = &credentials.Idempotency{Client: "c", Key: "k", Digest: []byte("d")}
			}))
			return err
		},
		"revoke": func(ctx context.Context) error { return s.Revoke(ctx, "acme", "", byOwner) },
		"reserve": func(ctx context.Context) error {
			_, err := s.Reserve(ctx, trying("1", a, "hacme"))
			return err
		},
		"settle right": func(ctx context.Context) error {
			_, err := s.Settle(ctx, credentials.Settlement{Reservation: s.held, Matched: s.held.PINs[0].ID, SID: "sid"})
			return err
		},
		"verify": func(ctx context.Context) error {
			_, err := s.Settle(ctx, credentials.Settlement{Reservation: s.calling, Matched: s.calling.PINs[0].ID, Reason: "why"})
			return err
		},
		"settle wrong": func(ctx context.Context) error {
			_, err := s.Settle(ctx, credentials.Settlement{Reservation: s.held, SID: "sid"})
			if isNoMatch(err) {
				return nil
			}
			return err
		},
		"password": func(ctx context.Context) error {
			found, err := s.Login(ctx, "guest@x.example")
			if err != nil {
				return err
			}
			_, err = s.RedeemPassword(ctx, credentials.PasswordTry{Login: found, ID: "1", Agent: &a, Right: true, SID: "by password"})
			return err
		},
		"issue": func(ctx context.Context) error { _, err := s.Issue(ctx, g); return err },
		"refresh": func(ctx context.Context) error {
			_, _, err := s.Refresh(ctx, credentials.Refreshing{Hash: []byte("r0"), Client: "docs", Next: []byte("r1"),
				Scope: func(g string) (string, error) { return g, nil }})
			return err
		},
		"touch": func(ctx context.Context) error {
			_, err := s.Touch(ctx, "acme", s.session.ID, s.clock.now().Add(time.Hour))
			return err
		},
		"act": func(ctx context.Context) error { _, err := s.Act(ctx, act); return err },
		"end": func(ctx context.Context) error {
			_, err := s.End(ctx, "acme", s.session.ID, credentials.CauseSignedOut, mark)
			return err
		},
		"erase": func(ctx context.Context) error {
			s.erased = true
			_, err := s.EraseAccount(ctx, "acme")
			return err
		},
		"come and go": func(ctx context.Context) error { return s.Present(ctx, []Instance{here("b", credentials.Cursor{})}) },
		"acknowledge": func(ctx context.Context) error {
			return s.Acked(ctx, []Instance{here("a", credentials.Cursor{Epoch: "e", N: 1})})
		},
		"vouch": func(ctx context.Context) error { _, err := s.Vouch(ctx, "node"); return err },
		"apply": func(ctx context.Context) error { return s.Apply(ctx, receiptOf(s.over)) },
		"prune": func(ctx context.Context) error {
			return s.guarded(ctx, func(t *tx) error { _, err := t.pruneEndings(pruneEndings, t.now.Add(time.Hour)); return err })
		},
		"suspend": func(ctx context.Context) error { return s.Suspend(ctx, agent(1).Key(), true, mark) },
	}
}

// receiptOf is the word of the app that held a token of the session.
func receiptOf(s credentials.Session) credentials.Receipt {
	return credentials.Receipt{SID: s.ID, Client: "docs", Audience: theAudience, Account: s.Account.ID, Enforces: credentials.ByGuard,
		EndedAt: s.EndedAt, AppliedAt: s.EndedAt, Instances: 1}
}

// contents is everything that the verbs keep, to compare.
func (w *world) contents() string {
	w.t.Helper()
	var out strings.Builder
	for _, table := range []string{
		"SELECT id, name, handle_key, seq, at FROM accounts ORDER BY id", "SELECT id, subject, suspended_at, seen_at FROM agents ORDER BY id",
		"SELECT id, state, reserved, wrong, uses_left, ticket_misses, minter_name FROM credentials ORDER BY id",
		"SELECT sid, active_at, auth_time, ended_at, cause, reason, owner_sub, status_index FROM sessions ORDER BY sid",
		"SELECT id, state, compared, forgiven, sid, verified, verified_at, reason FROM tries ORDER BY id",
		"SELECT recovering FROM installation", "SELECT count(*) FROM signing_keys",
		"SELECT hour, n, weak FROM wrong_hours ORDER BY hour", "SELECT id, sid, at FROM grants ORDER BY id",
		"SELECT made_at, replaced_at, spent FROM refresh_tokens ORDER BY hash", "SELECT audience, id, seq FROM actions ORDER BY audience, id",
		"SELECT client, request_key, credential FROM idempotency ORDER BY client, request_key", "SELECT chain, seq, kind FROM record ORDER BY chain, seq",
		"SELECT chain, seq, person FROM record_people ORDER BY chain, seq, person", "SELECT epoch, n, sid, audiences FROM endings ORDER BY n", "SELECT epoch, n FROM endings_counter",
		"SELECT sid, client, state, applied_at FROM receipts ORDER BY sid, client", "SELECT client, instance, epoch, n FROM instances ORDER BY client, instance",
		"SELECT node FROM nodes",
	} {
		rows, err := w.engine.read.QueryContext(w.t.Context(), table)
		if err != nil {
			w.t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(sql.NullString)
			}
			if err := rows.Scan(values...); err != nil {
				w.t.Fatal(err)
			}
			for _, v := range values {
				fmt.Fprint(&out, v.(*sql.NullString).String, "|")
			}
			out.WriteString("\n")
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			w.t.Fatal(err)
		}
	}
	return out.String()
}

// names are the verbs, in no order.
func names() []string {
	s := &scene{world: &world{clock: &clock{}}, held: credentials.Reservation{PINs: make([]credentials.Candidate, 1)}}
	s.calling = s.held
	var out []string
	for name := range s.verbs() {
		out = append(out, name)
	}
	return out
}

// TestEveryStatementMayFail: wherever a verb fails it says so and has stored
// nothing; and once nothing fails it works as if nothing had.
func TestEveryStatementMayFail(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, storetest.SQLite(t)).scene()
			before := s.contents()
			marker := errors.New("marker")
			verb := s.verbs()[name]
			failed := 0
			for at := 1; ; at++ {
				n := 0
				s.probe = func(statement string) error {
					if n++; n == at && statement != "COMMITTED" {
						return marker
					}
					return nil
				}
				err := verb(t.Context())
				s.probe = nil
				if err == nil {
					break
				}
				if failed++; !errors.Is(err, marker) {
					t.Fatalf("statement %d failed and the verb says %v", at, err)
				}
				if after := s.contents(); after != before {
					t.Fatalf("statement %d failed and something was stored:\n%s\nbefore:\n%s", at, after, before)
				}
			}
			if failed < 3 || s.contents() == before {
				t.Errorf("%d statements could fail; the verb changed something: %v", failed, s.contents() != before)
			}
			s.sound()
		})
	}
}

// TestUnknownResult: stored, but reported as failed, is told as "not known";
// the verb is not done a second time.
func TestUnknownResult(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, storetest.SQLite(t)).scene()
			commits := 0
			s.probe = func(statement string) error {
				if statement != "COMMITTED" {
					return nil
				}
				commits++
				return errors.New("the connection was lost")
			}
			err := s.verbs()[name](t.Context())
			s.probe = nil
			if !errors.Is(err, credentials.ErrUnknownResult) || commits != 1 {
				t.Errorf("%d commits, %v", commits, err)
			}
			s.sound()
		})
	}
}

// TestConflictsAreTriedAgain: each verb is done once, however often it has to
// begin again, and not for ever.
func TestConflictsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, storetest.SQLite(t)).scene()
			verb := s.verbs()[name]
			left := 3
			conflict := func(statement string) error {
				if statement == "COMMIT" && left > 0 {
					left--
					return &pgconn.PgError{Code: "40001"}
				}
				return nil
			}
			s.probe = conflict
			err := verb(t.Context())
			s.probe = nil
			if err != nil || left != 0 {
				t.Errorf("%d conflicts left, %v", left, err)
			}
			s.sound()
			if name != "touch" {
				return
			}
			left = 1 << 20
			s.probe = conflict
			if err := verb(t.Context()); err == nil || 1<<20-left > verbTries {
				t.Errorf("a conflict that stays: %d tries, %v", 1<<20-left, err)
			}
		})
	}
}

// TestCancelledRequest: a verb runs to its end although its request is gone.
func TestCancelledRequest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.scene()
		before := w.contents()
		for _, name := range []string{"mint", "settle right", "end", "suspend", "revoke"} {
			ctx, cancel := context.WithCancel(t.Context())
			w.probe = func(statement string) error {
				if statement == "BEGIN" {
					cancel() // the visitor leaves when the transaction begins
				}
				return nil
			}
			if err := s.verbs()[name](ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.probe = nil
			after := w.contents()
			if after == before {
				t.Errorf("%s did nothing", name)
			}
			before = after
			cancel()
		}
		w.sound()
	})
}

// TestClosedDatabase: without a database everything is an error, never an answer.
func TestClosedDatabase(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.scene()
		w.Close()
		for name, verb := range s.verbs() {
			if err := verb(t.Context()); err == nil || isNoMatch(err) || errors.Is(err, credentials.ErrNotFound) || errors.Is(err, credentials.ErrNotAudience) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, err := range w.reads(s.session) {
			if err == nil || errors.Is(err, credentials.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
