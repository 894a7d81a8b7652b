package store

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

func (w *world) token(s credentials.Session, hash string) *credentials.RefreshToken {
	return &credentials.RefreshToken{Hash: []byte(hash), Account: s.Account.ID, SID: s.ID, Client: "docs",
		Audience: "https://docs.example/api", Scope: "documents.read settings.write"}
}

func (w *world) refresh(hash, next []byte) (credentials.RefreshToken, error) {
	_, out, err := w.Refresh(w.t.Context(), credentials.Refreshing{Hash: hash, Client: "docs", Next: next, TokenID: credentials.NewID(),
		Scope: func(granted string) (string, error) { return granted, nil }})
	return out, err
}

// step is one use of a refresh token: which one, after how long, and what comes.
type step struct {
	use, next string
	after     time.Duration
	want      error // nil, ErrReplayed, ErrInvalidGrant
}

func TestRefreshRotation(t *testing.T) {
	cases := map[string][]step{
		"one after the other": {{"r0", "r1", 0, nil}, {"r1", "r2", time.Minute, nil}, {"r2", "r3", time.Minute, nil}},
		"lost reply":          {{"r0", "r1", 0, nil}, {"r0", "r2", 30 * time.Second, nil}, {"r2", "r3", time.Minute, nil}},
		"twice lost reply":    {{"r0", "r1", 0, nil}, {"r0", "r2", 20 * time.Second, nil}, {"r0", "r3", 10 * time.Second, nil}},
		"grace has passed":    {{"r0", "r1", 0, nil}, {"r0", "r2", 30*time.Second + time.Microsecond, credentials.ErrReplayed}},
		"grace is not renewed": {{"r0", "r1", 0, nil}, {"r0", "r2", 29 * time.Second, nil},
			{"r0", "r3", 2 * time.Second, credentials.ErrReplayed}},
		"new one is in use":       {{"r0", "r1", 0, nil}, {"r1", "r2", 0, nil}, {"r0", "r3", 0, credentials.ErrReplayed}},
		"a copy beside the chain": {{"r0", "r1", 0, nil}, {"r0", "x1", 0, nil}, {"r1", "r2", 0, nil}, {"x1", "x2", 0, credentials.ErrReplayed}},
		"lost reply further on":   {{"r0", "r1", 0, nil}, {"r1", "r2", 0, nil}, {"r1", "r3", 0, nil}, {"r3", "r4", time.Minute, nil}},
		"unknown":                 {{"never", "r1", 0, credentials.ErrInvalidGrant}, {"r0", "r1", 0, nil}},
	}
	each(t, func(t *testing.T, w *world) {
		for name, steps := range cases {
			t.Run(name, func(t *testing.T) {
				s := w.enter(agent(1), name, "123456")
				g := grant(s)
				g.Refresh = w.token(s, name+"r0")
				if _, err := w.Issue(t.Context(), g); err != nil {
					t.Fatal(err)
				}
				tokens := 1
				for i, step := range steps {
					w.clock.add(step.after)
					got, err := w.refresh([]byte(name+step.use), []byte(name+step.next))
					if !errors.Is(err, step.want) || step.want == nil && err != nil {
						t.Fatalf("step %d: %v, want %v", i, err, step.want)
					}
					switch {
					case err == nil && (got.Scope != g.Refresh.Scope || string(got.Hash) != name+step.next || got.SID != s.ID):
						t.Errorf("step %d: the next token is %+v", i, got)
					case err == nil:
						tokens++
					case errors.Is(err, credentials.ErrReplayed):
						w.endedBy(s, credentials.CauseReuse, name+step.next)
					}
				}
				if n := w.kinds(name)[credentials.RecordToken]; n != tokens {
					t.Errorf("%d entries for %d tokens", n, tokens)
				}
			})
		}
		w.sound()
	})
}

func (w *world) endedBy(s credentials.Session, cause credentials.Cause, notMade string) {
	w.t.Helper()
	if got, err := w.Session(w.t.Context(), s.ID); err != nil || got.Cause != cause {
		w.t.Errorf("the session's end: %q, %v", got.Cause, err)
	}
	if _, err := w.refresh([]byte(notMade), []byte("x")); !errors.Is(err, credentials.ErrInvalidGrant) {
		w.t.Errorf("a token that was not to be made: %v", err)
	}
}

// TestRefreshByAnotherClient: it is refused and does not harm the session.
func TestRefreshByAnotherClient(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		g := grant(s)
		g.Refresh = w.token(s, "r0")
		if _, err := w.Issue(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		_, _, err := w.Refresh(t.Context(), credentials.Refreshing{Hash: []byte("r0"), Client: "thief", Next: []byte("r1"),
			Scope: func(g string) (string, error) { return g, nil }})
		if !errors.Is(err, credentials.ErrInvalidGrant) {
			t.Errorf("another client: %v", err)
		}
		wide := errors.New("wider than granted")
		_, _, err = w.Refresh(t.Context(), credentials.Refreshing{Hash: []byte("r0"), Client: "docs", Next: []byte("r1"),
			Scope: func(string) (string, error) { return "", wide }})
		if !errors.Is(err, wide) {
			t.Errorf("a scope that is refused: %v", err)
		}
		if _, err := w.refresh([]byte("r0"), []byte("r1")); err != nil {
			t.Errorf("the right client afterwards: %v", err)
		}
		if n := w.kinds("acme")[credentials.RecordToken]; n != 2 {
			t.Errorf("%d tokens in the record", n)
		}
	})
}

// TestRefreshInParallel: many uses at once are lost replies, not a theft; the
// first use of a successor makes every other copy a theft.
func TestRefreshInParallel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		g := grant(s)
		g.Refresh = w.token(s, "r")
		if _, err := w.Issue(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		var good atomic.Int64
		parallel(20, func(i int) {
			if _, err := w.refresh([]byte("r"), []byte{'n', byte(i)}); err == nil {
				good.Add(1)
			}
		})
		if good.Load() != 20 {
			t.Errorf("%d of 20 within the grace", good.Load())
		}
		good.Store(0)
		parallel(20, func(i int) {
			if _, err := w.refresh([]byte{'n', byte(i)}, []byte{'m', byte(i)}); err == nil {
				good.Add(1)
			}
		})
		if good.Load() != 1 {
			t.Errorf("%d of 20 copies were good", good.Load())
		}
		w.sound()
	})
}

// TestRevokeAgainstRefresh: after the revocation has returned no token is made.
func TestRevokeAgainstRefresh(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		g := grant(s)
		g.Refresh = w.token(s, "r")
		if _, err := w.Issue(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		var revoked atomic.Bool
		parallel(51, func(i int) {
			if i == 25 {
				if err := w.Revoke(t.Context(), "acme", "", byOwner); err != nil {
					t.Error(err)
				}
				revoked.Store(true)
				return
			}
			before := revoked.Load()
			_, err := w.refresh([]byte("r"), []byte{'n', byte(i)})
			if err == nil && before {
				t.Error("a refresh began after the revocation and succeeded")
			}
			if err != nil && !isEnded(err, credentials.CauseRevoked) {
				t.Error(err)
			}
		})
		if _, err := w.refresh([]byte("r"), []byte("z")); !isEnded(err, credentials.CauseRevoked) {
			t.Errorf("a refresh after the revocation: %v", err)
		}
		w.sound()
	})
}
