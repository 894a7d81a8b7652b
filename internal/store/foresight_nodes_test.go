package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// nodes are two nodes of one installation on PostgreSQL, each with a clock of its
// own.
func nodes(t *testing.T) (a, b *world) {
	t.Helper()
	a = open(t, storetest.Postgres(t))
	b = openWith(t, a.dsn, func(o *Options) { o.Secrets = a.secrets })
	return a, b
}

// TestALoginThatAnotherNodeHasSeenExpire: the job writes no entry when it marks a
// login as expired, and the clocks of two nodes differ.
func TestALoginThatAnotherNodeHasSeenExpire(t *testing.T) {
	t.Parallel()
	a, b := nodes(t)
	c := a.mint(login("acme", "guest@x.example", func(m *credentials.Minting) {
		m.Credential.Holder, m.Credential.Uses, m.Credential.UsesLeft = true, 2, 2
	}))
	b.clock.add(c.RedeemBy.Sub(b.clock.now()))
	a.clock.add(c.RedeemBy.Sub(a.clock.now()) - time.Second)
	seen, err := a.Login(t.Context(), c.Email)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = a.RedeemPassword(t.Context(), credentials.PasswordTry{Login: seen, ID: "late", Right: true, SID: credentials.NewID()})
	if unusable(err) != credentials.Expired {
		t.Errorf("a login that is marked as expired: %v", err)
	}
	a.sound()
}

// TestActivityOnAnotherNode: activity and a newer proof write no entry; they are
// seen all the same.
func TestActivityOnAnotherNode(t *testing.T) {
	t.Parallel()
	a, b := nodes(t)
	both := func(d time.Duration) { a.clock.add(d); b.clock.add(d) }
	a.mint(login("acme", "guest@x.example", func(m *credentials.Minting) { m.Credential.Holder, m.Credential.Idle = true, 30*time.Second }))
	s, err := a.password("one", nil, "guest@x.example", "")
	if err != nil {
		t.Fatal(err)
	}
	both(20 * time.Second)
	if _, err := b.Touch(t.Context(), "acme", s.ID, time.Time{}); err != nil {
		t.Fatal(err)
	}
	both(20 * time.Second)
	if _, err := a.Issue(t.Context(), grant(s)); err != nil {
		t.Errorf("a session that was active 20 s ago: %v", err)
	}

	who := agent(1)
	a.enter(who, "alike", "123456") // with the same proof
	s = a.enter(who, "other", "123456")
	proof := s.AuthTime.Add(time.Second)
	if _, err := b.Touch(t.Context(), "other", s.ID, proof); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Issue(t.Context(), grant(s)); err != nil || !got.AuthTime.Equal(proof) {
		t.Errorf("a token says the proof of %s where there is one of %s: %v", got.AuthTime, proof, err)
	}

	s = a.enter(agent(1), "third", "123456")
	if _, err := b.Touch(t.Context(), "third", s.ID, proof.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Touch(t.Context(), "third", s.ID, proof); err != nil || !got.AuthTime.Equal(proof.Add(time.Second)) {
		t.Errorf("an older proof has taken the place of a newer one: %s, %v", got.AuthTime, err)
	}
	a.sound()
}

// TestAGuessAboutAnAccountThatIsGone: a database that has fallen over to a copy
// which never had the account confirms nothing about it.
func TestAGuessAboutAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	a, _ := nodes(t)
	s := a.lent("acme")
	a.lose("acme")
	if _, err := a.Issue(t.Context(), grant(s)); err == nil || a.number(`SELECT count(*) FROM grants`) != 0 {
		t.Errorf("a token for a session that is not there: %v", err)
	}
	a.sound()
}

// TestAGuessAboutAnotherHistory: one that is as long, in a database that has fallen
// over to a copy which lacked what was foreseen, and gone on from there.
func TestAGuessAboutAnotherHistory(t *testing.T) {
	t.Parallel()
	a, b := nodes(t)
	holder := func(m *credentials.Minting) { m.Credential.Holder = true }
	c := a.mint(login("acme", "guest@x.example", holder))
	seen, err := a.Login(t.Context(), c.Email)
	if err != nil {
		t.Fatal(err)
	}
	a.lose("acme")
	b.mint(login("acme", "other@x.example", holder))
	s, err := a.RedeemPassword(t.Context(), credentials.PasswordTry{Login: seen, ID: "late", Right: true, SID: credentials.NewID()})
	if !errors.Is(err, credentials.ErrNotFound) {
		t.Errorf("a login that is not there has opened %q: %v", s.ID, err)
	}
	a.sound()
}

// lose deletes all that there is of an account.
func (w *world) lose(account string) {
	w.t.Helper()
	for _, of := range []string{"sessions WHERE account", "credentials WHERE account", "record_people WHERE chain", "record WHERE chain", "accounts WHERE id"} {
		if _, err := w.engine.write.ExecContext(w.t.Context(), `DELETE FROM `+of+` = $1`, account); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestAGuessThatIsSentEarly: however it is sent, what is recorded after it is in
// the row of the account.
func TestAGuessThatIsSentEarly(t *testing.T) {
	t.Parallel()
	a, _ := nodes(t)
	s := a.lent("acme")
	guess := a.guesses.take("acme", s.ID, a.now())
	err := a.verb(t.Context(), func(tx *tx) error {
		if ok, err := tx.foresee(guess); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := tx.hold(itself); err != nil {
			return err
		}
		_, err := tx.end(s, credentials.CauseSignedOut, byOwner)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	a.sound()
}

// TestAGuessWaitsForTheRow: a guess that began before another node's transaction
// was over is about what that leaves, however the database plans and isolates.
func TestAGuessWaitsForTheRow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options string
		pooled  bool
	}{
		"as it is":             {},
		"serializable":         {options: "&default_transaction_isolation=serializable"},
		"planned each time":    {options: "&plan_cache_mode=force_custom_plan"},
		"a transaction pooler": {pooled: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, storetest.Postgres(t))
			a := openWith(t, b.dsn, func(o *Options) {
				if o.Secrets, o.DSN = b.secrets, o.DSN+c.options; c.pooled {
					o.DSN, o.Pooled = storetest.Pooled(t, o.DSN), true
				}
			})
			for i, undone := range []bool{false, true} {
				s := a.lent(fmt.Sprint("acme", i))
				a.guessWaits(b, s, undone)
			}
			a.sound()
		})
	}
}

var errUndo = errors.New("undo it")

// guessWaits has a token issued while b ends the session, which it then may undo.
func (w *world) guessWaits(b *world, s credentials.Session, undone bool) {
	w.t.Helper()
	issued := make(chan error, 1)
	err := b.verb(w.t.Context(), func(tx *tx) error {
		if err := tx.hold(s.Account.ID); err != nil {
			return err
		}
		if _, err := tx.end(s, credentials.CauseRevoked, byOwner); err != nil {
			return err
		}
		if err := cmp.Or(tx.finish(), tx.send()); err != nil {
			return err
		}
		for _, h := range tx.heads {
			h.dirty = false
		}
		tx.ended = nil
		go func() {
			_, err := w.Issue(context.WithoutCancel(w.t.Context()), grant(s))
			issued <- err
		}()
		if err := w.somebodyWaits(); err != nil || !undone {
			return err
		}
		return errUndo
	})
	if err != nil && !errors.Is(err, errUndo) {
		w.t.Error(err)
	}
	if err := <-issued; undone != (err == nil) || err != nil && !isEnded(err, credentials.CauseRevoked) {
		w.t.Errorf("undone %v: %v", undone, err)
	}
}

// before is a transaction before whose commit something happens.
type before struct {
	*pipeline
	what func()
}

func (b before) commit() error {
	b.what()
	return b.pipeline.commit()
}

// TestAGuessWaitsForWhateverEndsIt: whatever ends a session moves what its first
// token foresees, also where that waits for it: at another node, whose statement
// reads the session as it was before.
func TestAGuessWaitsForWhateverEndsIt(t *testing.T) {
	t.Parallel()
	for name, verb := range map[string]func(w *world, s credentials.Session) error{
		"a revocation": func(w *world, s credentials.Session) error {
			return w.Revoke(t.Context(), "acme", s.Credential, byOwner)
		},
		"an end": func(w *world, s credentials.Session) error {
			_, err := w.End(t.Context(), "acme", s.ID, credentials.CauseCancelled, byOwner)
			return err
		},
		"a suspension": func(w *world, s credentials.Session) error {
			return w.Suspend(t.Context(), s.AgentKey(), true, byOperator)
		},
		"an agent who is gone": func(w *world, _ credentials.Session) error {
			return w.EndUnknown(t.Context(), func(credentials.Agent) bool { return false })
		},
		"an erasure of the account": func(w *world, _ credentials.Session) error {
			_, err := w.EraseAccount(t.Context(), "acme")
			return err
		},
		"an erasure of the owner": func(w *world, _ credentials.Session) error {
			_, err := w.ErasePerson(t.Context(), owner.Issuer, owner.Subject)
			return err
		},
		"an erasure of the agent": func(w *world, s credentials.Session) error {
			_, err := w.ErasePerson(t.Context(), s.Agent.Issuer, s.Agent.Subject)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := nodes(t)
			a.erased = true
			s := a.enter(agent(1), "acme", "123456")
			if _, ok := a.JustOpened(s.ID); !ok {
				t.Fatal("nothing is foreseen")
			}
			issued := make(chan error, 1)
			var once sync.Once
			b.through(func(q *pipeline) transaction {
				return before{q, func() {
					once.Do(func() {
						if err := q.settle(); err != nil {
							t.Error(err)
						}
						go func() {
							_, err := a.Issue(context.WithoutCancel(t.Context()), grant(s))
							issued <- err
						}()
						if err := a.somebodyWaits(); err != nil {
							t.Error(err)
						}
					})
				}}
			})
			if err := verb(b, s); err != nil {
				t.Fatal(err)
			}
			var ended *credentials.EndedError
			if err := <-issued; !errors.As(err, &ended) || a.number(`SELECT count(*) FROM grants`) != 0 {
				t.Errorf("a token for a session that has ended: %v", err)
			}
			a.sound()
		})
	}
}

// TestTheNewerProofStays: of two renewals that come at once at two nodes.
func TestTheNewerProofStays(t *testing.T) {
	t.Parallel()
	a, b := nodes(t)
	s := a.enter(agent(1), "acme", "123456")
	older, newer := s.AuthTime.Add(time.Second), s.AuthTime.Add(2*time.Second)
	touched := make(chan error, 1)
	err := b.verb(t.Context(), func(tx *tx) error {
		if err := tx.hold("acme"); err != nil {
			return err
		}
		if err := cmp.Or(tx.put(proveSession, s.ID, micros(newer)), tx.send()); err != nil {
			return err
		}
		go func() {
			_, err := a.Touch(context.WithoutCancel(t.Context()), "acme", s.ID, older)
			touched <- err
		}()
		return a.somebodyWaits()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-touched; err != nil {
		t.Error(err)
	}
	if got, err := a.Session(t.Context(), s.ID); err != nil || !got.AuthTime.Equal(newer) {
		t.Errorf("the session has the proof of %s, want that of %s: %v", got.AuthTime, newer, err)
	}
	a.sound()
}

// somebodyWaits returns when a transaction waits for a row.
func (w *world) somebodyWaits() error {
	const locked = `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
	for tries := 0; w.number(locked) == 0; tries++ {
		if tries > 10_000 {
			return errors.New("nothing waits for the account that is held")
		}
	}
	return nil
}
