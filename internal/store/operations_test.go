package store

import (
	"testing"

	"github.com/valetkey/valetkey/credentials"
)

// TestOperationsTakeNoMoreStatements than docs/performance.md says, BEGIN and COMMIT
// among them, and no more commits: each is paid for by every request. Who makes one
// take fewer writes the new number here and there.
func TestOperationsTakeNoMoreStatements(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.enter(agent(1), "acme", "123456")
		g := grant(s)
		g.Refresh = w.token(s, "r0")
		if _, err := w.Issue(ctx, g); err != nil {
			t.Fatal(err)
		}
		w.mint(login("old", "old@x.example"))
		holder, err := w.password(credentials.NewID(), nil, "old@x.example", "help")
		if err != nil {
			t.Fatal(err)
		}
		refresh := func(from, to string, proven bool) func() error {
			return func() error {
				_, _, err := w.Refresh(ctx, credentials.Refreshing{Hash: []byte(from), Client: "docs", Next: []byte(to), TokenID: credentials.NewID(),
					Proven: proven, Scope: func(granted string) (string, error) { return granted, nil }})
				return err
			}
		}
		mint := func(m credentials.Minting) func() error {
			return func() error { _, _, err := w.Mint(ctx, m); return err }
		}
		notice := int64(0) // to the other nodes, where there can be any
		if w.engine.notify {
			notice = 1
		}
		for _, op := range []struct {
			name                string
			do                  func() error
			statements, commits int64
		}{
			{"introspection, userinfo", func() error { _, err := w.Session(ctx, s.ID); return err }, 1, 0},
			{"introspection of a refresh token, besides its session's", func() error { _, err := w.RefreshToken(ctx, []byte("r0")); return err }, 1, 0},
			{"refresh, the first", refresh("r0", "r1", true), 9, 1},
			{"refresh", refresh("r1", "r2", true), 9, 1},
			{"refresh of a client that proves nothing", refresh("r2", "r3", false), 10, 1},
			{"mint of a temporary login, new account", mint(login("new", "new@x.example")), 7, 1},
			{"mint of a temporary login", mint(login("acme", "acme@x.example")), 7, 1},
			{"mint of a PIN", mint(minting("acme", "234567")), 8, 1},
			{"mint of a PIN that replaces one", mint(minting("acme", "345678")), 9, 1},
			{"an action", func() error { _, err := w.Act(ctx, action(s)); return err }, 12, 1},
			{"revocation of a login with a session, without tokens", func() error { return w.Revoke(ctx, "old", holder.Credential, byOwner) }, 15 + notice, 1},
			{"revocation by an app of its token's session", func() error {
				_, err := (&credentials.Sessions{Store: w.Store, Now: w.clock.now}).End(ctx, s.ID, credentials.CauseSignedOut, byOwner)
				return err
			}, 13 + notice, 1},
		} {
			commits, statements := w.Counts()
			if err := op.do(); err != nil {
				t.Fatalf("%s: %v", op.name, err)
			}
			c, n := w.Counts()
			if n-statements != op.statements || c-commits != op.commits {
				t.Errorf("%s: %d statements in %d commits, want %d in %d", op.name, n-statements, c-commits, op.statements, op.commits)
			}
		}
		w.sound()
	})
}
