package guard_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
	"github.com/valetkey/valetkey/internal/testkit"
)

// TestAGuardThatEndsWithItsContext says so once: it would else be found out by the
// agents alone. One that is closed has nothing to say.
func TestAGuardThatEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*guard.Guard, context.CancelFunc)
		says string // empty: nothing
	}{
		"its time is over":           {func(*guard.Guard, context.CancelFunc) { time.Sleep(2 * time.Minute) }, "cause=\"context deadline exceeded\""},
		"it is cancelled":            {func(_ *guard.Guard, cancel context.CancelFunc) { cancel() }, "cause=\"context canceled\""},
		"it is closed":               {func(g *guard.Guard, _ context.CancelFunc) { _ = g.Close() }, ""},
		"it is closed and cancelled": {func(g *guard.Guard, cancel context.CancelFunc) { _ = g.Close(); cancel() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				broker, log := guardtest.New(t, guardtest.InMemory()), &testkit.Log{}
				config := broker.Config()
				config.Logger = slog.New(slog.NewTextHandler(log, nil))
				g, err := guard.New(ctx, config)
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close()
				time.Sleep(time.Second)
				c.end(g, cancel)
				synctest.Wait()
				const line = "the context that New was given has ended"
				if n := strings.Count(log.String(), line); (n == 1) != (c.says != "") || !strings.Contains(log.String(), c.says) {
					t.Errorf("said %d times: %s", n, log)
				}
				if _, err := g.Verify(t.Context(), broker.Mint(reader("s1")), nil); err == nil {
					t.Error("a token is accepted after the end")
				}
			})
		})
	}
}
