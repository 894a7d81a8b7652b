package provider_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// writes counts what the provider writes.
type writes struct {
	credentials.Store
	n atomic.Int64
}

func (w *writes) UseOnce(ctx context.Context, o credentials.Once) error {
	w.n.Add(1)
	return w.Store.UseOnce(ctx, o)
}

func (w *writes) Issue(ctx context.Context, g credentials.Grant) (credentials.Session, error) {
	w.n.Add(1)
	return w.Store.Issue(ctx, g)
}

func (w *writes) End(ctx context.Context, account, sid string, cause credentials.Cause, by credentials.Mark) (credentials.Session, error) {
	w.n.Add(1)
	return w.Store.End(ctx, account, sid, cause, by)
}

func (w *writes) Touch(ctx context.Context, account, sid string, proof time.Time) (credentials.Session, error) {
	w.n.Add(1)
	return w.Store.Touch(ctx, account, sid, proof)
}
