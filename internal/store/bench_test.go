package store

import (
	"fmt"
	"os"
	"testing"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// benches measures what prepare returns, on SQLite, and on PostgreSQL when
// VALETKEY_BENCH_PG is set: that server of the tests does not flush what it
// commits. How many commits and statements one takes is told besides.
func benches(b *testing.B, prepare func(w *world) func(n int) error) {
	run := func(name string, dsn func(testing.TB) string) {
		b.Run(name, func(b *testing.B) {
			w := open(b, dsn(b))
			do := prepare(w)
			b.ReportAllocs()
			commits, statements := w.Counts()
			n := 0
			for ; b.Loop(); n++ {
				if err := do(n); err != nil {
					b.Fatal(err)
				}
			}
			c, s := w.Counts()
			b.ReportMetric(float64(c-commits)/float64(n), "commits/op")
			b.ReportMetric(float64(s-statements)/float64(n), "statements/op")
		})
	}
	run("sqlite", storetest.SQLite)
	if os.Getenv("VALETKEY_BENCH_PG") != "" {
		run("postgres", storetest.Postgres)
	}
}

func BenchmarkMint(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		return func(n int) error {
			_, _, err := w.Mint(b.Context(), login(fmt.Sprint("a", n), fmt.Sprint(n, "@x.example")))
			return err
		}
	})
}

// BenchmarkPassword is the redemption of a temporary login: it is found, then
// redeemed.
func BenchmarkPassword(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		w.mint(login("acme", "guest@x.example"))
		return func(int) error {
			_, err := w.password(credentials.NewID(), nil, "guest@x.example", "why")
			return err
		}
	})
}

// BenchmarkPIN is the mint of a PIN and its redemption in two transactions, without
// the hash.
func BenchmarkPIN(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		return func(n int) error {
			w.enter(agent(n), fmt.Sprint("a", n), "123456")
			return nil
		}
	})
}

// BenchmarkIssue is a code that becomes tokens.
func BenchmarkIssue(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		s := w.enter(agent(1), "acme", "123456")
		return func(n int) error {
			g := grant(s)
			g.Refresh = w.token(s, fmt.Sprint("r", n))
			_, err := w.Issue(b.Context(), g)
			return err
		}
	})
}

func BenchmarkRefresh(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		w.issued("0")
		return func(n int) error {
			_, err := w.refresh([]byte(fmt.Sprint(n)), []byte(fmt.Sprint(n+1)))
			return err
		}
	})
}

// BenchmarkSession is what introspection and userinfo ask.
func BenchmarkSession(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		s := w.enter(agent(1), "acme", "123456")
		return func(int) error {
			_, err := w.Session(b.Context(), s.ID)
			return err
		}
	})
}

func BenchmarkAct(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		s := w.issued("0")
		return func(int) error {
			_, err := w.Act(b.Context(), action(s))
			return err
		}
	})
}

func BenchmarkTouch(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		s := w.enter(agent(1), "acme", "123456")
		return func(int) error {
			_, err := w.Touch(b.Context(), "acme", s.ID, s.AuthTime)
			return err
		}
	})
}

// BenchmarkRevoke is a login, a session of it with a token, and its end.
func BenchmarkRevoke(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		return func(n int) error {
			account, email := fmt.Sprint("a", n), fmt.Sprint(n, "@x.example")
			c := w.mint(login(account, email))
			s, err := w.password(credentials.NewID(), nil, email, "why")
			if err == nil {
				_, err = w.Issue(b.Context(), grant(s))
			}
			if err == nil {
				err = w.Revoke(b.Context(), account, c.ID, byOwner)
			}
			return err
		}
	})
}

// BenchmarkRecord is a page of the record.
func BenchmarkRecord(b *testing.B) {
	benches(b, func(w *world) func(int) error {
		for n := range 50 {
			w.enter(agent(n), "acme", "123456")
		}
		return func(int) error {
			_, err := w.Record(b.Context(), "acme", credentials.RecordPage{Limit: 50})
			return err
		}
	})
}

// issued is a session with tokens, one of them a refresh token.
func (w *world) issued(refresh string) credentials.Session {
	w.t.Helper()
	s := w.enter(agent(1), "acme", "123456")
	g := grant(s)
	g.Refresh = w.token(s, refresh)
	if _, err := w.Issue(w.t.Context(), g); err != nil {
		w.t.Fatal(err)
	}
	return s
}
