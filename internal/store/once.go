package store

import (
	"context"

	"github.com/valetkey/valetkey/credentials"
)

const (
	insertOnce = `INSERT INTO used_once (digest, until) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	selectOnce = `SELECT until FROM used_once WHERE digest = $1`
	pruneOnce  = `DELETE FROM used_once WHERE until <= $1`
)

// UseOnce implements credentials.Store. Of many uses at the same time, on
// however many nodes, the one whose row is stored first has it.
func (s *Store) UseOnce(ctx context.Context, o credentials.Once) error {
	return s.guarded(ctx, func(t *tx) error { return t.useOnce(&o) })
}

// useOnce uses it up as a part of the transaction; nothing is no thing to use.
func (t *tx) useOnce(o *credentials.Once) error {
	if o == nil {
		return nil
	}
	first, err := t.add(insertOnce, o.Digest(), micros(o.Until))
	if err == nil && !first {
		err = credentials.ErrUsed
	}
	return err
}

// UsedOnce implements credentials.Store.
func (s *Store) UsedOnce(ctx context.Context, o credentials.Once) (used bool, err error) {
	var until int64
	err = s.query(ctx, selectOnce, []any{o.Digest()}, scanning(&used, &until))
	return used, err
}
