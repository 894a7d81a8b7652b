package store

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/credentials"
)

// brief says of a statement what it does to which table, and where a
// transaction begins and ends.
func brief(statement string) string {
	words := strings.Fields(statement)
	switch words[0] {
	case "SELECT":
		return "SELECT " + words[slices.Index(words, "FROM")+1]
	case "INSERT", "DELETE":
		return words[0] + " " + words[2]
	case "UPDATE":
		return "UPDATE " + words[1]
	case "WITH":
		return words[3][1:] + " " + words[4]
	}
	return statement
}

// signIn is what a sign-in with a temporary login and a refresh token takes, one
// commit for the redemption and one for the tokens, in so many trips to PostgreSQL.
// Whoever adds one makes every sign-in slower, and changes docs/performance.md too.
var signIn = map[string][]string{
	"redeem": {"SELECT credentials",
		"BEGIN", "SELECT accounts", "SELECT credentials", "INSERT sessions", "INSERT record", "INSERT record_people", "UPDATE accounts", "COMMIT", "COMMITTED"},
	"summary": {"SELECT sessions"},
	"enter":   {"SELECT sessions"},
	"token": {"BEGIN", "SELECT accounts", "SELECT sessions", "INSERT grants", "INSERT refresh_tokens", "INSERT record",
		"UPDATE accounts", "COMMIT", "COMMITTED"},
}

// foreseenSignIn is that on PostgreSQL, where nobody comes in between.
var foreseenSignIn = map[string][]string{
	"redeem":  {"SELECT credentials", "BEGIN", "UPDATE accounts", "INSERT sessions", "INSERT record", "INSERT record_people", "COMMIT", "COMMITTED"},
	"summary": nil,
	"enter":   {"SELECT sessions"},
	"token":   {"BEGIN", "UPDATE accounts", "INSERT grants", "INSERT refresh_tokens", "INSERT record", "COMMIT", "COMMITTED"},
}

var signInTrips = map[string]int{"redeem": 2, "summary": 0, "enter": 1, "token": 1}

// traveller is a transaction on PostgreSQL that counts its trips.
type traveller struct {
	*pipeline
	trips *int
}

func (c traveller) run(query string, args []any, scan func(row) error) (int64, error) {
	*c.trips++
	return c.pipeline.run(query, args, scan)
}

func (c traveller) settle() error {
	if len(c.waiting) > 0 {
		*c.trips++
	}
	return c.pipeline.settle()
}

func (c traveller) commit() error {
	*c.trips++
	return c.pipeline.commit()
}

// trips counts the trips to PostgreSQL from now on.
func (w *world) trips() *int {
	n := new(int)
	if w.engine.file {
		return n
	}
	w.through(func(q *pipeline) transaction { return traveller{q, n} })
	look := w.engine.look
	w.engine.look = func(ctx context.Context, long bool, query string, args []any, scan func(row) error) error {
		*n++
		return look(ctx, long, query, args, scan)
	}
	return n
}

// TestStatementsOfASignIn counts and lists the statements of every step, on both
// engines.
func TestStatementsOfASignIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(login("acme", "guest@x.example", func(m *credentials.Minting) { m.Credential.Holder = true }))
		var s credentials.Session
		trips, want := w.trips(), foreseenSignIn
		if w.engine.file {
			want = signIn
		}
		sessions := &credentials.Sessions{Store: w, Now: w.clock.now}
		enter := func() error {
			_, err := sessions.Live(t.Context(), s.ID)
			return err
		}
		summary := func() error { // as the page does
			if _, ok := sessions.JustOpened(s.ID); ok {
				return nil
			}
			return enter()
		}
		for _, step := range []struct {
			name string
			do   func() error
		}{
			{"redeem", func() (err error) { s, err = w.password("1", nil, "guest@x.example", "a reason"); return err }},
			{"summary", summary}, {"enter", enter},
			{"token", func() error {
				g := grant(s)
				g.Refresh = &credentials.RefreshToken{Hash: []byte("r"), Account: g.Account, SID: g.SID, Client: g.Client, Audience: g.Audience, Scope: g.Scope}
				_, err := w.Issue(t.Context(), g)
				return err
			}},
		} {
			var got []string
			w.probe = func(statement string) error { got = append(got, brief(statement)); return nil }
			*trips = 0
			err := step.do()
			w.probe = nil
			if !w.engine.file && *trips != signInTrips[step.name] {
				t.Errorf("%s takes %d trips, not %d", step.name, *trips, signInTrips[step.name])
			}
			if err != nil || !slices.Equal(got, want[step.name]) {
				t.Errorf("%s takes\n%s\nnot\n%s\n%v", step.name, strings.Join(got, "\n"), strings.Join(want[step.name], "\n"), err)
			}
		}
		w.sound()
	})
}
