package store

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/valetkey/valetkey/credentials"
)

// BenchmarkAtOnce is what eight do at once, each with an account of its own: what
// waits for the connection of SQLite that writes shares its commits.
func BenchmarkAtOnce(b *testing.B) {
	for name, prepare := range map[string]func(w *world, who int) func(n int) error{
		"sign in": func(w *world, who int) func(int) error {
			email := fmt.Sprint(who, "@x.example")
			w.mint(login(fmt.Sprint("a", who), email))
			return func(n int) error {
				s, err := w.password(credentials.NewID(), nil, email, "why")
				if err == nil {
					g := grant(s)
					g.Refresh = w.token(s, credentials.NewID())
					_, err = w.Issue(b.Context(), g)
				}
				return err
			}
		},
		"refresh": func(w *world, who int) func(int) error {
			s := w.enter(agent(who), fmt.Sprint("a", who), "123456")
			g := grant(s)
			g.Refresh = w.token(s, fmt.Sprint(who, "/0"))
			if _, err := w.Issue(b.Context(), g); err != nil {
				b.Fatal(err)
			}
			return func(n int) error {
				_, err := w.refresh([]byte(fmt.Sprint(who, "/", n)), []byte(fmt.Sprint(who, "/", n+1)))
				return err
			}
		},
		"mint": func(w *world, who int) func(int) error {
			return func(n int) error {
				_, _, err := w.Mint(b.Context(), login(fmt.Sprint("a", who, "/", n), fmt.Sprint(who, "/", n, "@x.example")))
				return err
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			benches(b, func(w *world) func(int) error {
				const at, each = 8, 25
				var count [at]int
				var do [at]func(int) error
				for who := range at {
					do[who] = prepare(w, who)
				}
				return func(int) error {
					var failed atomic.Pointer[error]
					parallel(at, func(who int) {
						for range each {
							if err := do[who](count[who]); err != nil {
								failed.Store(&err)
							}
							count[who]++
						}
					})
					if err := failed.Load(); err != nil {
						return *err
					}
					return nil
				}
			})
		})
	}
}
