package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// lent mints a login that opens without SSO and opens a session with it, which
// leaves a guess about the next transaction.
func (w *world) lent(id string) credentials.Session {
	w.t.Helper()
	email := id + "@x.example"
	w.mint(login(id, email, func(m *credentials.Minting) { m.Credential.Holder = true }))
	s, err := w.password(credentials.NewID(), nil, email, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// TestAFirstTokenByAWrongGuess: what has come in between is seen, whatever it was.
func TestAFirstTokenByAWrongGuess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i, c := range []struct {
			name    string
			between func(s credentials.Session) error
			want    credentials.Cause // "": it gets the token
		}{
			{"nothing", func(credentials.Session) error { return nil }, ""},
			{"the credential is revoked", func(s credentials.Session) error {
				return w.Revoke(t.Context(), s.Account.ID, s.Credential, byOwner)
			}, credentials.CauseRevoked},
			{"everything is revoked", func(s credentials.Session) error {
				return w.Revoke(t.Context(), s.Account.ID, "", byOwner)
			}, credentials.CauseRevoked},
			{"the session is ended", func(s credentials.Session) error {
				_, err := w.End(t.Context(), s.Account.ID, s.ID, credentials.CauseSignedOut, byOwner)
				return err
			}, credentials.CauseSignedOut},
			{"another PIN is minted", func(s credentials.Session) error {
				_, _, err := w.Mint(t.Context(), minting(s.Account.ID, "123456"))
				return err
			}, ""},
			{"another session is opened", func(s credentials.Session) error {
				_, err := w.password(credentials.NewID(), nil, s.Account.ID+"@x.example", "")
				return err
			}, ""},
			{"its time comes", func(s credentials.Session) error {
				w.clock.add(s.DueAt().Sub(w.clock.now()))
				return nil
			}, credentials.CauseIdle},
		} {
			s := w.lent(fmt.Sprint("acme", i))
			if err := c.between(s); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			_, err := w.Issue(t.Context(), grant(s))
			tokens := w.kinds(s.Account.ID)[credentials.RecordToken]
			switch {
			case c.want == "" && (err != nil || tokens != 1):
				t.Errorf("%s: %v, %d tokens in the record", c.name, err, tokens)
			case c.want != "" && (!isEnded(err, c.want) || tokens != 0 || w.number(`SELECT count(*) FROM grants WHERE sid = $1`, s.ID) != 0):
				t.Errorf("%s: %v, %d tokens in the record", c.name, err, tokens)
			}
		}
		w.sound()
	})
}

// TestARedemptionByAWrongGuess: between the look at a login and its redemption.
func TestARedemptionByAWrongGuess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i, c := range []struct {
			name    string
			between func(credentials.Credential) error
			want    credentials.State // "": it opens
		}{
			{"nothing", func(credentials.Credential) error { return nil }, ""},
			{"it is revoked", func(c credentials.Credential) error { return w.Revoke(t.Context(), c.Account, c.ID, byOwner) }, credentials.Revoked},
			{"its last use is used", func(c credentials.Credential) error {
				_, err := w.password(credentials.NewID(), nil, c.Email, "")
				return err
			}, credentials.Used},
			{"a PIN is minted", func(c credentials.Credential) error {
				_, _, err := w.Mint(t.Context(), minting(c.Account, "123456"))
				return err
			}, ""},
			{"its time comes", func(c credentials.Credential) error { w.clock.add(c.RedeemWithin); return nil }, credentials.Expired},
		} {
			made := w.mint(login(fmt.Sprint("acme", i), fmt.Sprint("g", i, "@x.example"), func(m *credentials.Minting) {
				m.Credential.Holder, m.Credential.Uses, m.Credential.UsesLeft = true, 1, 1
			}))
			found, err := w.Login(t.Context(), made.Email)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.between(made); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			s, err := w.RedeemPassword(t.Context(), credentials.PasswordTry{Login: found, ID: "late", Right: true, SID: credentials.NewID()})
			sessions := w.number(`SELECT count(*) FROM sessions WHERE sid = $1`, s.ID)
			switch {
			case c.want == "" && (err != nil || sessions != 1):
				t.Errorf("%s: %v, %d sessions", c.name, err, sessions)
			case c.want != "" && (unusable(err) != c.want || sessions != 0):
				t.Errorf("%s: %v, want %s; %d sessions", c.name, err, c.want, sessions)
			}
		}
		w.sound()
	})
}

// TestManyFirstTokensOfAnAccount: of transactions that foresee the same, one is
// right; the others look, and the record has all of them in a row.
func TestManyFirstTokensOfAnAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 12
		first := w.lent("acme")
		open := make([]credentials.Session, n)
		for i := range open {
			var err error
			if open[i], err = w.password(credentials.NewID(), nil, "acme@x.example", ""); err != nil {
				t.Fatal(err)
			}
		}
		parallel(n+1, func(i int) {
			if i == n {
				if err := w.Revoke(t.Context(), "acme", first.Credential, byOwner); err != nil {
					t.Error(err)
				}
				return
			}
			if _, err := w.Issue(t.Context(), grant(open[i])); err != nil && !isEnded(err, credentials.CauseRevoked) {
				t.Error(err)
			}
		})
		ended := map[string]bool{}
		for _, e := range w.record("acme") {
			sid := e.Facts["sid"]
			switch e.Kind {
			case credentials.RecordEnded:
				ended[sid] = true
			case credentials.RecordToken:
				if ended[sid] {
					t.Errorf("%s has a token after its end", sid)
				}
			}
		}
		if len(ended) != n+1 {
			t.Errorf("%d sessions have ended, of %d", len(ended), n+1)
		}
		w.sound()
	})
}

// TestGuessesAreFew: they are forgotten after a minute, when taken, and when
// there are too many; and they are about one account.
func TestGuessesAreFew(t *testing.T) {
	var g guesses
	now := time.Now()
	keep := func(sid string) {
		g.keep(credentials.Session{ID: sid, EndsAt: now.Add(time.Hour)}, head{Account: credentials.Account{ID: "acme"}}, now)
	}
	keep("a")
	if g.take("other", "a", now) != nil {
		t.Error("a guess about another account")
	}
	keep("a")
	if g.take("acme", "a", now.Add(foresight-time.Second)) == nil || g.take("acme", "a", now) != nil {
		t.Error("a guess is not taken once")
	}
	keep("a")
	if g.take("acme", "a", now.Add(foresight)) != nil {
		t.Error("a guess that is a minute old")
	}
	for i := range 10 * mostForeseen {
		keep(fmt.Sprint(i))
	}
	if n := len(g.young) + len(g.old); n > 2*mostForeseen {
		t.Errorf("%d guesses are kept", n)
	}
	if g.take("acme", fmt.Sprint(10*mostForeseen-1), now) == nil {
		t.Error("the newest guess is forgotten")
	}
	now = now.Add(2 * foresight)
	keep("b")
	now = now.Add(2 * foresight)
	keep("c")
	if n := len(g.young) + len(g.old); n != 2 {
		t.Errorf("%d guesses are kept of long ago", n)
	}
}

// TestASessionIsShownAsItWasOpened for a moment, and not when something has been
// done with it since.
func TestASessionIsShownAsItWasOpened(t *testing.T) {
	t.Parallel()
	var g guesses
	now := time.Now()
	sees := func(sid string, at time.Time, want bool) {
		t.Helper()
		if s, ok := g.peek(sid, at); ok != want || ok && s.ID != sid {
			t.Errorf("%s after %s: %v %q", sid, at.Sub(now), ok, s.ID)
		}
	}
	keep := func(sid string) { g.keep(credentials.Session{ID: sid, Scopes: []string{"a"}}, head{}, now) }
	for _, sid := range []string{"a", "b", "c"} {
		keep(sid)
	}
	sees("a", now, true)
	sees("a", now.Add(shown-time.Millisecond), true)
	sees("a", now.Add(shown), false)
	sees("a", now.Add(-time.Millisecond), false)
	sees("d", now, false)
	g.take("", "b", now)
	sees("b", now, false)
	g.forget("c")
	sees("c", now, false)
	for i := range mostForeseen {
		keep(fmt.Sprint(i))
	}
	sees("a", now, true) // in the older half
	g.forget("a")
	sees("a", now, false)
	s, _ := g.peek("0", now)
	s.Scopes[0] = "b"
	if s, _ = g.peek("0", now); s.Scopes[0] != "a" {
		t.Error("whoever is shown a session can change it")
	}
}

// TestAGuessIsConfirmedBeforeItIsRefused: what is refused for another reason than
// a wrong guess rests on a right one.
func TestAGuessIsConfirmedBeforeItIsRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.lent("acme")
		if err := w.Revoke(t.Context(), "acme", s.Credential, byOwner); err != nil {
			t.Fatal(err)
		}
		mine := errors.New("mine")
		if _, err := w.within(t.Context(), "acme", s.ID, w.guesses.take("acme", s.ID, w.now()), func(*tx, *credentials.Session) error { return mine }); !isEnded(err, credentials.CauseRevoked) {
			t.Errorf("the session has ended, and it is refused for %v", err)
		}
	})
}

// TestWhatIsDueIsNotShown: nor anything while this node's clock cannot be trusted.
func TestWhatIsDueIsNotShown(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.mint(login("acme", "guest@x.example", func(m *credentials.Minting) { m.Credential.Holder, m.Credential.Idle = true, time.Second }))
	s, err := w.password("1", nil, "guest@x.example", "")
	if err != nil {
		t.Fatal(err)
	}
	sessions := &credentials.Sessions{Store: w, Now: w.clock.now}
	sees := func(what string, want bool) {
		t.Helper()
		if got, ok := sessions.JustOpened(s.ID); ok != want || ok && got.ID != s.ID {
			t.Errorf("%s: %v %q", what, ok, got.ID)
		}
	}
	sees("at once", true)
	w.clockBad.Store(true)
	sees("without a clock", false)
	w.clockBad.Store(false)
	w.clock.add(time.Second - time.Microsecond)
	sees("before it is idle", true)
	w.clock.add(time.Microsecond)
	sees("when it is idle", false)
}

// after is a transaction whose commit takes so long to be told of that something
// happens after it.
type after struct {
	*pipeline
	what func()
}

func (a after) commit() error {
	err := a.pipeline.commit()
	a.what()
	return err
}

// TestWhatEndsAsItIsOpenedIsNotShown: another verb of this node may end a session
// before the one that opened it has heard of its own commit.
func TestWhatEndsAsItIsOpenedIsNotShown(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.mint(login("acme", "guest@x.example", func(m *credentials.Minting) { m.Credential.Holder = true }))
	var back func()
	_, back = w.through(func(q *pipeline) transaction {
		back() // the revocation is as any other
		return after{q, func() {
			if err := w.Revoke(t.Context(), "acme", "", byOwner); err != nil {
				t.Error(err)
			}
		}}
	})
	s, err := w.password("1", nil, "guest@x.example", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.JustOpened(s.ID); ok {
		t.Error("a session that has ended is shown")
	}
	w.sound()
}
