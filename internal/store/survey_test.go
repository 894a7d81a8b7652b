package store

import (
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

func TestPromises(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	if got, err := Promises(t.Context(), dsn, dsn, false); err != nil || got != (Survey{Listens: true}) {
		t.Errorf("of a primary alone: %+v, %v", got, err)
	}
	set := "&synchronous_standby_names=x" // what a superuser sets for all; a session may not
	if _, err := Promises(t.Context(), dsn+set, dsn, false); err == nil {
		t.Error("a session chose its own standby")
	}
	if _, err := Promises(t.Context(), dsn, "postgres://nobody@127.0.0.1:1/none", false); err == nil {
		t.Error("nobody answered at database_direct, and nothing was said")
	}
}
