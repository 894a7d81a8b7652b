package store

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

func (w *world) reads(s credentials.Session) map[string]error {
	ctx := w.t.Context()
	out := map[string]error{"ready": w.Ready(ctx), "clock": w.checkClock(ctx), "sweep": w.SweepOnce(ctx)}
	_, out["session"] = w.Session(ctx, s.ID)
	_, out["live"] = (&credentials.Sessions{Store: w, Now: w.clock.now}).Live(ctx, s.ID)
	_, out["salt"] = w.Salt(ctx, "acme")
	_, out["login"] = w.Login(ctx, "guest@x.example")
	_, out["suspended"] = w.Suspended(ctx, agent(1).Key())
	_, out["account"] = w.Account(ctx, "acme")
	_, out["credential"] = w.Credential(ctx, "acme", s.Credential)
	_, out["credentials"] = w.Credentials(ctx, "acme", credentials.Page{Limit: 1})
	_, out["sessions"] = w.Sessions(ctx, "acme", credentials.Page{Limit: 1})
	_, out["usable"] = w.Usable(ctx, "acme", 1)
	_, out["visits"] = w.Visits(ctx, "acme", 1)
	_, out["names"] = w.Names(ctx, "acme", []string{s.ID})
	_, out["receipts"] = w.Receipts(ctx, "acme", []string{s.ID})
	_, _, out["endings"] = w.Endings(ctx, 0, 1)
	_, out["completing receipts"] = w.CompleteReceipts(ctx, theAudience, "e")
	_, out["record"] = w.Record(ctx, "acme", credentials.RecordPage{Limit: 1})
	_, out["refresh token"] = w.RefreshToken(ctx, []byte("r0"))
	_, out["agents"] = w.Agents(ctx)
	_, out["signing keys"] = w.Ring(ctx, []string{"RS256"})
	_, out["otp"] = w.UseOTP(ctx, "sam", 1)
	_, out["recovery"] = w.Recover(ctx)
	_, out["erasing a person"] = w.ErasePerson(ctx, owner.Issuer, owner.Subject)
	return out
}

// TestLostConnections: PostgreSQL ends the connections in the middle of work.
// What was acknowledged is there, what failed was told, and work goes on.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.mint(login("acme", "guest@x.example"))
	var opened atomic.Int64
	var known sync.Map
	parallel(40, func(i int) {
		if i%10 == 5 {
			_, _ = w.engine.read.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			return
		}
		for n := range 5 {
			a := agent(10*i + n)
			s, err := w.password(credentials.NewID(), &a, "guest@x.example", "")
			if err == nil {
				opened.Add(1)
				known.Store(s.ID, true)
			}
		}
	})
	known.Range(func(sid, _ any) bool {
		if _, err := w.Session(t.Context(), sid.(string)); err != nil {
			t.Errorf("an acknowledged session: %v", err)
		}
		return true
	})
	if n := w.number(`SELECT count(*) FROM sessions`); n < int(opened.Load()) {
		t.Errorf("%d sessions, %d were acknowledged", n, opened.Load())
	}
	w.enter(agent(1000), "other", "123456")
	w.sound()
}
