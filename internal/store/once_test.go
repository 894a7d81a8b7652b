package store

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

func (w *world) once(kind credentials.OnceKind, whose, id string) credentials.Once {
	return credentials.Once{Kind: kind, Owner: whose, ID: id, Until: w.clock.now().Add(time.Minute)}
}

// TestOnce: a thing is used once, also when its name is long or made of other
// things' names, until it is too old to be used at all.
func TestOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		zeros := strings.Repeat("\x00", 8)
		things := []credentials.Once{
			w.once(credentials.OnceAssertion, "docs", "1"), w.once(credentials.OnceAssertion, "doc", "s1"), w.once(credentials.OnceAssertion, "docs1", ""),
			w.once(credentials.OnceProof, "docs", "1"), w.once(credentials.OncePushed, "docs", "1"), w.once(credentials.OnceAssertion, "docs", "\x00\xff"),
			w.once(credentials.OnceAssertion, "a"+zeros+"b", "c"), w.once(credentials.OnceAssertion, "a", "b"+zeros+"c"),
			w.once(credentials.OnceAssertion, "docs", strings.Repeat("1", 1<<16)), w.once(credentials.OnceAssertion, "docs", strings.Repeat("1", 1<<16+1)),
		}
		for i, thing := range things {
			if used, err := w.UsedOnce(t.Context(), thing); used || err != nil {
				t.Errorf("%d was used before: %v", i, err)
			}
			if err := w.UseOnce(t.Context(), thing); err != nil {
				t.Errorf("%d: %v", i, err)
			}
			if used, err := w.UsedOnce(t.Context(), thing); !used || err != nil {
				t.Errorf("%d was not used: %v", i, err)
			}
		}
		w.clock.add(time.Minute - time.Microsecond)
		for i, thing := range things {
			if err := w.SweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := w.UseOnce(t.Context(), thing); !errors.Is(err, credentials.ErrUsed) {
				t.Errorf("%d again: %v", i, err)
			}
		}
		w.clock.add(time.Microsecond)
		if err := w.SweepOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, thing := range things {
			if used, err := w.UsedOnce(t.Context(), thing); used || err != nil {
				t.Errorf("%d is kept although it is too old: %v", i, err)
			}
		}
	})
}

// TestOnceInParallel: of fifty uses at the same time one has it.
func TestOnceInParallel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var good, used atomic.Int64
		thing := w.once(credentials.OnceProof, "key", "1")
		parallel(50, func(int) {
			switch err := w.UseOnce(t.Context(), thing); {
			case err == nil:
				good.Add(1)
			case errors.Is(err, credentials.ErrUsed):
				used.Add(1)
			}
		})
		if good.Load() != 1 || used.Load() != 49 {
			t.Errorf("%d had it, %d were told that it was used", good.Load(), used.Load())
		}
	})
}

// TestAProofIsUsedUpWithItsGrantOrNotAtAll: a proof that was used leaves the code
// and the refresh token as they are, and a grant that is refused leaves the proof.
func TestAProofIsUsedUpWithItsGrantOrNotAtAll(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		spent, fresh := w.once(credentials.OnceProof, "key", "spent"), w.once(credentials.OnceProof, "key", "fresh")
		if err := w.UseOnce(t.Context(), spent); err != nil {
			t.Fatal(err)
		}
		g := grant(s)
		g.Refresh, g.Proof = w.token(s, "r0"), &spent
		if _, err := w.Issue(t.Context(), g); !errors.Is(err, credentials.ErrUsed) {
			t.Fatalf("a code with a proof that was used: %v", err)
		}
		g.Proof = nil
		if _, err := w.Issue(t.Context(), g); err != nil {
			t.Fatalf("the code afterwards: %v", err)
		}
		use := credentials.Refreshing{Hash: []byte("r0"), Client: "docs", Next: []byte("r1"), TokenID: "t", Proof: &spent,
			Scope: func(granted string) (string, error) { return granted, nil }}
		if _, _, err := w.Refresh(t.Context(), use); !errors.Is(err, credentials.ErrUsed) {
			t.Fatalf("a refresh with a proof that was used: %v", err)
		}
		narrow := errors.New("more than was granted")
		use.Proof, use.Scope = &fresh, func(string) (string, error) { return "", narrow }
		if _, _, err := w.Refresh(t.Context(), use); !errors.Is(err, narrow) {
			t.Fatalf("a refresh that is refused: %v", err)
		}
		use.Scope = func(granted string) (string, error) { return granted, nil }
		if _, next, err := w.Refresh(t.Context(), use); err != nil || string(next.Hash) != "r1" {
			t.Fatalf("the same once more: %v", err)
		}
		if used, _ := w.UsedOnce(t.Context(), fresh); !used {
			t.Error("its proof is good again")
		}
		if n := w.kinds("acme")[credentials.RecordToken]; n != 2 {
			t.Errorf("%d tokens in the record", n)
		}
		w.sound()
	})
}

// TestRefreshTokensThatAreKept: used as often as one likes, by the client, with
// the key; and nothing else of it changes.
func TestRefreshTokensThatAreKept(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, tc := range map[string]struct {
			key string // that the token is bound to
			use credentials.Refreshing
			err error
			new bool // the use makes a next token
		}{
			"by a key of the client":           {"", credentials.Refreshing{Keep: true, Proven: true}, nil, false},
			"by a key of the client, bound":    {"k", credentials.Refreshing{Keep: true, Proven: true, Key: "k"}, nil, false},
			"by a key of the client, new one":  {"k", credentials.Refreshing{Keep: true, Proven: true, Key: "l"}, nil, false},
			"by a key of the client, no proof": {"k", credentials.Refreshing{Keep: true, Proven: true}, credentials.ErrUnproven, false},
			"public, bound":                    {"k", credentials.Refreshing{Key: "k"}, nil, false},
			"public, another key":              {"k", credentials.Refreshing{Key: "l"}, credentials.ErrUnproven, false},
			"public, no proof":                 {"k", credentials.Refreshing{}, credentials.ErrUnproven, false},
			"public, not bound":                {"", credentials.Refreshing{}, nil, true},
			"by a secret, bound":               {"k", credentials.Refreshing{Proven: true, Key: "k"}, nil, true},
			"by a secret, bound, new one":      {"k", credentials.Refreshing{Proven: true, Key: "l"}, nil, true},
			"by a secret, bound, no proof":     {"k", credentials.Refreshing{Proven: true}, credentials.ErrUnproven, false},
		} {
			s := w.enter(agent(1), name, "123456")
			g := grant(s)
			g.Refresh = w.token(s, name)
			g.Refresh.Key = tc.key
			if _, err := w.Issue(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				use := tc.use
				use.Hash, use.Client, use.Next, use.TokenID = []byte(name), "docs", []byte(name+"next"), credentials.NewID()
				use.Scope = func(granted string) (string, error) { return granted, nil }
				w.clock.add(time.Minute)
				_, next, err := w.Refresh(t.Context(), use)
				if !errors.Is(err, tc.err) || tc.err == nil && (err != nil || (string(next.Hash) == name) == tc.new) {
					t.Errorf("%s, use %d: %q, %v", name, i, next.Hash, err)
				}
				if tc.new {
					break
				}
			}
			if _, err := w.End(t.Context(), s.Account.ID, s.ID, credentials.CauseRevoked, byOwner); err != nil {
				t.Fatal(err)
			}
			tc.use.Hash, tc.use.Client = []byte(name), "docs"
			var ended *credentials.EndedError
			if _, _, err := w.Refresh(t.Context(), tc.use); !errors.As(err, &ended) {
				t.Errorf("%s after the session ended: %v", name, err)
			}
		}
		w.sound()
	})
}
