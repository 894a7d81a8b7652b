package guard_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard/guardtest"
)

// TestClocksThatMove: neither a clock set back nor a suspended machine makes the
// endings look fresher than they are.
func TestClocksThatMove(t *testing.T) {
	for name, c := range map[string]struct {
		move func(*world)
		wait time.Duration
	}{
		"a clock set back":     {func(w *world) { w.clocks.Set(-time.Hour) }, 13 * time.Second},
		"a clock set forward":  {func(w *world) { w.clocks.Set(time.Minute) }, 0},
		"a suspended machine":  {func(w *world) { w.clocks.Suspend(20 * time.Second); time.Sleep(20 * time.Second) }, 0},
		"suspended repeatedly": {func(w *world) { w.clocks.Suspend(6 * time.Second); time.Sleep(6 * time.Second) }, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				token := w.broker.Mint(reader("s1"))
				w.want(w.request("GET", document, token), 200, "")
				w.broker.Down()
				synctest.Wait()
				c.move(w)
				time.Sleep(c.wait)
				if w.g.Fresh() {
					w.Fatal("the endings look fresh")
				}
				w.want(w.request("GET", document, token), 503, "unknown_freshness")
			})
		})
	}
}

// TestStreamIsOpenedAnewAfterTheClockMoved: what it was counted from is worth
// nothing then.
func TestStreamIsOpenedAnewAfterTheClockMoved(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour, 3 * time.Second, -3 * time.Second} {
		t.Run(by.String(), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.clocks.Set(by)
				time.Sleep(4 * time.Second)
				if n := w.broker.Requests("/api/v1/endings"); n != 2 || !w.g.Fresh() {
					w.Fatalf("%d streams, want another; fresh %v", n, w.g.Fresh())
				}
			})
		})
	}
}

// TestExpiryByTheBrokersClock: a clock set back keeps no token alive.
func TestExpiryByTheBrokersClock(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		w.clocks.Set(-time.Hour)
		time.Sleep(5*time.Minute - 2*time.Second)
		w.want(w.request("GET", document, token), 200, "")
		time.Sleep(2 * time.Second)
		w.want(w.request("GET", document, token), 401, "expired")
		w.g.Forget()
		w.want(w.request("GET", document, token), 401, "expired")
	})
}

// TestNothingOutlivesTheSessionsEnd: not by a moment, and not where no timer ran
// because the machine was suspended.
func TestNothingOutlivesTheSessionsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		life, endsIn time.Duration
	}{
		"the token's end":   {time.Minute, time.Hour},
		"the session's end": {time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // a whole second, for exp
				claims := w.broker.Claims(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}, Life: c.life, EndsIn: c.life})
				claims["support"] = map[string]string{"ends_at": time.Now().Add(c.endsIn).UTC().Format(time.RFC3339)}
				token := w.broker.Sign("at+jwt", claims)
				w.want(w.request("GET", document, token), 200, "")
				w.clocks.Set(time.Minute)
				w.want(w.request("GET", document, token), 401, "expired")
			})
		})
	}
}
