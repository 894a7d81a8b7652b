package store

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// A database that is away is said to be, and not four times a second.
func TestASilentDatabaseIsToldOnce(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	var said strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	w.log = slog.New(slog.NewTextHandler(&said, nil))
	w.now = func() time.Time {
		if asked++; asked == 10 {
			cancel()
		}
		return time.Now()
	}
	w.Close()
	if err := w.Watch(ctx, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(said.String(), "does not answer the clock check"); n != 1 {
		t.Errorf("asked %d times, the log says %d times that nobody answers: %s", asked, n, said.String())
	}
}

func TestAForeignSchemaSaysWhatToDo(t *testing.T) {
	t.Parallel()
	if said := notOurs(&pgconn.PgError{Code: "42501"}).Error(); !strings.Contains(said, "run «valetkey migrate --config FILE» first") {
		t.Errorf("it says: %s", said)
	}
}
