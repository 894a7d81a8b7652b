package store

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestTakenToBeNew: on PostgreSQL a row is taken to be new, and goes along with what
// follows. Where it was there, nothing of that is stored, and what comes is what a
// look at it says; also where the verb would have been refused for something else.
func TestTakenToBeNew(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.enter(agent(1), "acme", "123456")
		g := grant(s)
		proof := w.once(credentials.OnceAssertion, "docs", "1")
		g.Refresh, g.Proof = w.token(s, "r0"), &proof
		a := action(s)
		m := login("acme", "a@x.example", func(m *credentials.Minting) {
			m.Idempotency = &credentials.Idempotency{Client: "c", Key: "k", Digest: []byte("1")}
		})
		w.mint(login("other", "o@x.example"))
		b := agent(2)
		for _, c := range []struct {
			name        string
			first, then func() error
			want        error // of the second
			writes      bool
		}{
			{"an assertion", func() error { _, err := w.Issue(ctx, g); return err },
				func() error { again := grant(s); again.Proof = &proof; _, err := w.Issue(ctx, again); return err }, credentials.ErrUsed, false},
			{"an assertion, and a scope that is refused", nil, func() error {
				_, _, err := w.Refresh(ctx, credentials.Refreshing{Hash: []byte("r0"), Client: "docs", Next: []byte("r1"), Proven: true, Proof: &proof,
					Scope: func(string) (string, error) { return "", credentials.ErrNotLent }})
				return err
			}, credentials.ErrUsed, false},
			{"a scope that is refused", nil, func() error {
				unused := w.once(credentials.OnceAssertion, "docs", "2")
				_, _, err := w.Refresh(ctx, credentials.Refreshing{Hash: []byte("r0"), Client: "docs", Next: []byte("r1"), Proven: true, Proof: &unused,
					Scope: func(string) (string, error) { return "", credentials.ErrNotLent }})
				return err
			}, credentials.ErrNotLent, false},
			{"an action", func() error { _, err := w.Act(ctx, a); return err },
				func() error {
					got, err := w.Act(ctx, a)
					if err == nil && !got.Repeat {
						err = errors.New("it is not a repeat")
					}
					return err
				}, nil, false},
			{"a mint", func() error { _, _, err := w.Mint(ctx, m); return err },
				func() error { // under a handle that another account has
					again := m
					again.Account.Handle = account("other").Handle
					_, repeated, err := w.Mint(ctx, again)
					if err == nil && !repeated {
						err = errors.New("it is not a repeat")
					}
					return err
				}, nil, false},
			{"an attempt", func() error { _, err := w.password("1", &b, "a@x.example", "r"); return err },
				func() error { _, err := w.password("1", &b, "a@x.example", "r"); return err }, nil, true}, // the agent's row
			{"a code", nil, func() error {
				again := g
				again.Proof = nil
				_, err := w.Issue(ctx, again)
				return err
			}, credentials.ErrReplayed, true},
		} {
			if c.first != nil {
				if err := c.first(); err != nil {
					t.Fatalf("%s, first: %v", c.name, err)
				}
			}
			before := w.contents()
			if err := c.then(); !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%s again: %v, want %v", c.name, err, c.want)
			}
			if changed := w.contents() != before; changed && !c.writes {
				t.Errorf("%s again has changed something", c.name)
			}
			w.sound()
		}
	})
}

// TestAGuessIsNotRepeated when nobody knows whether it was stored; and when it was
// wrong, the transaction that looks is the only other one.
func TestAGuessIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	thing := w.once(credentials.OnceProof, "key", "1")
	tries, back := w.through(func(q *pipeline) transaction { return cut{q} })
	if err := w.UseOnce(t.Context(), thing); !errors.Is(err, credentials.ErrUnknownResult) || *tries != 1 {
		t.Errorf("%d tries: %v", *tries, err)
	}
	back()
	var sent []string
	w.probe = func(statement string) error { sent = append(sent, brief(statement)); return nil }
	if err := w.UseOnce(t.Context(), thing); err != nil {
		t.Errorf("the first use that came through: %v", err)
	}
	if want := []string{"BEGIN", "INSERT used_once", "COMMIT", "COMMITTED"}; !slices.Equal(sent, want) {
		t.Errorf("it took %v, want %v", sent, want)
	}
	sent = nil
	if err := w.UseOnce(t.Context(), thing); !errors.Is(err, credentials.ErrUsed) {
		t.Errorf("the second use: %v", err)
	}
	if want := []string{"BEGIN", "INSERT used_once", "COMMIT", "BEGIN", "INSERT used_once"}; !slices.Equal(sent, want) {
		t.Errorf("it took %v, want %v", sent, want)
	}
}

// spoiled is a transaction whose statements fail in the database, one of them.
type spoiled struct {
	*pipeline
	until *int // it comes
}

func (s spoiled) spoil(query string, args []any) (string, []any) {
	if *s.until--; *s.until == 0 {
		return `SELECT 1 / 0`, nil
	}
	return query, args
}

func (s spoiled) put(query string, args []any, scan func(row) error) error {
	query, args = s.spoil(query, args)
	return s.pipeline.put(query, args, scan)
}

func (s spoiled) once(query string, args []any) error { return s.put(query, args, nil) }

func (s spoiled) run(query string, args []any, scan func(row) error) (int64, error) {
	query, args = s.spoil(query, args)
	return s.pipeline.run(query, args, scan)
}

// TestEveryStatementMayFailInTheDatabase, which tells it when others have been sent
// after it, COMMIT among them: nothing is stored, and the verb says so.
func TestEveryStatementMayFailInTheDatabase(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, storetest.Postgres(t)).scene()
			before, verb := s.contents(), s.verbs()[name]
			failed := 0
			for at := 1; ; at++ {
				until := at
				_, back := s.through(func(q *pipeline) transaction { return spoiled{q, &until} })
				err := verb(t.Context())
				back()
				if err == nil {
					break
				}
				var told *pgconn.PgError
				if failed++; !errors.As(err, &told) || told.Code != "22012" || errors.Is(err, credentials.ErrUnknownResult) {
					t.Fatalf("statement %d failed and the verb says %v", at, err)
				}
				if after := s.contents(); after != before {
					t.Fatalf("statement %d failed and something was stored:\n%s\nbefore:\n%s", at, after, before)
				}
			}
			if failed == 0 || s.contents() == before {
				t.Errorf("%d statements could fail; the verb changed something: %v", failed, s.contents() != before)
			}
			s.sound()
		})
	}
}
