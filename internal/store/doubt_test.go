package store

import (
	"errors"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestAClockThatIsOffDecidesNothing: what the job writes cannot be undone, and
// whether a session lives is a question of time; revoking still works.
func TestAClockThatIsOffDecidesNothing(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{72 * time.Hour, -2 * time.Hour} {
		w := open(t, storetest.Postgres(t))
		s := w.enter(agent(1), "acme", "123456")
		c := w.mint(minting("acme", "222333"))
		_, _ = w.redeem(agent(1), "H-acme", "000000")
		before := w.number(`SELECT count(*) FROM tries`)
		w.clock.add(off)
		if err := w.checkClock(t.Context()); err != nil {
			t.Fatal(err)
		}
		sessions := &credentials.Sessions{Store: w.Store, Now: w.clock.now}
		_, live := sessions.Live(t.Context(), s.ID)
		for what, err := range map[string]error{
			"ready": w.Ready(t.Context()), "the job": w.SweepOnce(t.Context()), "pruning": w.prune(t.Context()), "a look at the session": live,
		} {
			if !errors.Is(err, credentials.ErrClock) {
				t.Errorf("%v off, %s: %v, want ErrClock", off, what, err)
			}
		}
		got, _ := w.Session(t.Context(), s.ID)
		cc, _ := w.Credential(t.Context(), "acme", c.ID)
		if got.Ended() || cc.State != credentials.Live || before != w.number(`SELECT count(*) FROM tries`) {
			t.Errorf("%v off: ended %v, credential %s", off, got.Ended(), cc.State)
		}
		if err := w.Revoke(t.Context(), "acme", "", byOwner); err != nil {
			t.Errorf("%v off, revoking: %v", off, err)
		}
	}
}

// TestAStuckDatabaseIsNotWaitedForWithoutEnd: reads have a limit too.
func TestAStuckDatabaseIsNotWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.enter(agent(1), "acme", "123456")
	w.limit = time.Second
	tx, err := w.engine.write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`LOCK TABLE sessions, accounts IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := w.Reserve(t.Context(), trying("x", agent(2), "hacme"))
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a try was reserved in a locked table")
		}
	case <-time.After(time.Minute):
		t.Error("the read still waits")
	}
}

// TestAWrongTryOfOneAccountDoesNotWaitForAnother: the count of the whole
// installation is the last thing that is locked.
func TestAWrongTryOfOneAccountDoesNotWaitForAnother(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.mint(minting("acme", "123456"))
	w.mint(minting("other", "123456"))
	var held [2]credentials.Reservation
	for i, handle := range []string{"hacme", "hother"} {
		var err error
		if held[i], err = w.Reserve(t.Context(), trying(handle, agent(i), handle)); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := w.engine.write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`UPDATE accounts SET touched = 0 WHERE id = 'acme'`); err != nil { // as a long verb of acme does
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := w.Settle(t.Context(), credentials.Settlement{Reservation: held[0]})
		waiting <- err
	}()
	const locked = `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
	for tries := 0; w.number(locked) == 0; tries++ {
		if tries > 10_000 {
			t.Fatal("nothing waits for the account that is held")
		}
	}
	if _, err := w.Settle(t.Context(), credentials.Settlement{Reservation: held[1]}); !isNoMatch(err) {
		t.Errorf("a wrong try of another account: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !isNoMatch(err) {
		t.Errorf("the one that waited: %v", err)
	}
	w.sound()
}

// TestARepeatedMintChangesNothing: not even a name or handle that is newer.
func TestARepeatedMintChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := login("acme", "a@x.example", func(m *credentials.Minting) {
			m.Idempotency = &credentials.Idempotency{Client: "c", Key: "k", Digest: []byte("1")}
		})
		w.mint(first)
		w.mint(login("acme", "b@x.example", func(m *credentials.Minting) { m.Account.Handle, m.Account.Name = "NEW", "New name" }))
		if _, repeated, err := w.Mint(t.Context(), first); err != nil || !repeated {
			t.Fatal(err, repeated)
		}
		if a, _ := w.Account(t.Context(), "acme"); a.Handle != "NEW" || a.Name != "New name" {
			t.Errorf("the account afterwards: %+v", a)
		}
	})
}

// TestAnActionIsOneAction: an app acts by what its audience was granted, and an
// id belongs to one action only.
func TestAnActionIsOneAction(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		if _, err := w.Issue(t.Context(), grant(s)); err != nil { // documents.read
			t.Fatal(err)
		}
		beyond := action(s)
		beyond.ID, beyond.Scope = "beyond", "settings.write"
		if got, err := w.Act(t.Context(), beyond); err != nil || !errors.Is(got.Err, credentials.ErrNotLent) {
			t.Errorf("by a scope that no token of the app has: %+v, %v", got, err)
		}
		a := action(s)
		if got, err := w.Act(t.Context(), a); err != nil || got.Err != nil {
			t.Fatal(got, err)
		}
		if got, err := w.Act(t.Context(), a); err != nil || !got.Repeat || got.Err != nil {
			t.Errorf("the same again: %+v, %v", got, err)
		}
		for what, change := range map[string]func(*credentials.Action){
			"action":  func(a *credentials.Action) { a.Name = "documents.print" },
			"target":  func(a *credentials.Action) { a.Target = "another" },
			"scope":   func(a *credentials.Action) { a.Scope = "settings.write" },
			"outcome": func(a *credentials.Action) { a.Refused = !a.Refused },
		} {
			other := a
			change(&other)
			if got, err := w.Act(t.Context(), other); !errors.Is(err, credentials.ErrKeyReused) {
				t.Errorf("the id with another %s: %+v, %v", what, got, err)
			}
		}
		w.sound()
	})
}

// TestATicketIsNotGuessedWithoutEnd: a temporary login dies of wrong tickets as
// a PIN does.
func TestATicketIsNotGuessedWithoutEnd(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.mint(login("acme", "g@x.example", func(m *credentials.Minting) { m.Credential.Ticket = "4711" }))
		a := agent(1)
		for range 8 {
			if _, err := w.password(credentials.NewID(), &a, "g@x.example", "no"); !errors.Is(err, credentials.ErrTicket) {
				t.Fatal(err)
			}
		}
		if _, err := w.password(credentials.NewID(), &a, "g@x.example", "4711"); err == nil {
			t.Error("the right ticket opens it still")
		}
		if got, _ := w.Credential(t.Context(), "acme", c.ID); got.State != credentials.Burned {
			t.Errorf("it is %s", got.State)
		}
		w.sound()
	})
}

// TestWhatNoDatabaseTakesMatchesNothing: on both engines alike.
func TestWhatNoDatabaseTakesMatchesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, redeem := w.minter()
		a := agent(1)
		for _, typed := range []string{"1\x00", "\xff", "a\x00@b.c"} {
			if _, err := redeem.PIN(t.Context(), credentials.NewID(), a, typed, credentials.NewSecret("1\x002"), "why\x00"); !isNoMatch(err) {
				t.Errorf("account %q: %v", typed, err)
			}
			if _, err := redeem.Password(t.Context(), credentials.NewID(), &a, typed, credentials.NewSecret("\x00"), ""); !isNoMatch(err) {
				t.Errorf("email %q: %v", typed, err)
			}
		}
	})
}

// TestManySessionsEndAtOnce: a login that a whole team used is revoked by few
// statements, and so is everything of an agent.
func TestManySessionsEndAtOnce(t *testing.T) {
	const many = 2500
	each(t, func(t *testing.T, w *world) {
		c := w.mint(login("acme", "g@x.example"))
		a := agent(1)
		s, err := w.password("p", &a, "g@x.example", "r")
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []string{"x", "y"} {
			if _, err := w.engine.write.ExecContext(t.Context(), `INSERT INTO sessions
WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < $3)
SELECT $2 || g.i, $2 || g.i, account, account_name, handle, credential, kind, policy, agent, agent_issuer, agent_sub, agent_name,
agent_email, connector, scopes, ticket, reason, contact, email, owner_sub, opened_at, ends_at, idle, active_at, due_at, auth_time,
amr, ended_at, cause, NULL FROM sessions, g WHERE sid = $1`, s.ID, prefix, many); err != nil {
				t.Fatal(err)
			}
			statements := 0
			w.probe = func(string) error { statements++; return nil }
			if prefix == "x" {
				err = w.Revoke(t.Context(), "acme", c.ID, byOwner)
			} else {
				err = w.Suspend(t.Context(), a.Key(), true, credentials.Mark{Who: "operator"})
			}
			w.probe = nil
			if left := w.number(`SELECT count(*) FROM sessions WHERE ended_at = 0`); err != nil || left != 0 {
				t.Errorf("%d left, %v", left, err)
			}
			if statements > 100 {
				t.Errorf("%d statements for %d sessions", statements, many)
			}
			// The first one of the second round ended with the first.
			if prefix == "x" {
				if _, err := w.engine.write.ExecContext(t.Context(), `UPDATE sessions SET ended_at = 0, cause = '' WHERE sid = $1`, s.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
