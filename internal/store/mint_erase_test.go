package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// beside is a transaction beside which the account's handle comes and goes: at
// each try PostgreSQL finds it there before it finds the account.
type beside struct{ *pipeline }

func (b beside) settle() error {
	if slices.ContainsFunc(b.waiting, func(l *leg) bool { return l.query == takeAccount }) {
		return fmt.Errorf("%w: %w", errUndone, &pgconn.PgError{Code: "23505"})
	}
	return b.pipeline.settle()
}

// TestMintBesideAnErasure of the same account: its handle is nobody else's.
func TestMintBesideAnErasure(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.erased = true
	w.mint(minting("other", "222222"))
	w.mint(minting("acme", "111111"))
	if _, err := w.EraseAccount(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	_, back := w.through(func(q *pipeline) transaction { return beside{q} })
	others := func(m *credentials.Minting) { m.Account.Handle = "H-other" }
	if _, _, err := w.Mint(t.Context(), minting("acme", "123456", others)); !errors.Is(err, credentials.ErrHandleTaken) {
		t.Errorf("by another account's handle: %v", err)
	}
	w.mint(minting("acme", "123456"))
	back()
	if a, err := w.Account(t.Context(), "acme"); err != nil || a != account("acme") {
		t.Errorf("the account is %+v, %v", a, err)
	}
	parallel(crowd, func(i int) {
		var err error
		if i%4 == 0 {
			_, err = w.EraseAccount(t.Context(), "acme")
		} else {
			_, _, err = w.Mint(t.Context(), login("acme", fmt.Sprint("g", i, "@x.example")))
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	})
	w.sound()
}
