package guard

import "context"

// Live returns nil while a session is known to be alive. It is for jobs and
// sockets that outlive the request, and knows the sessions that this guard has
// let in. The error is [ErrEnded] where the session has ended, and [ErrUnknown]
// where that cannot be known, which is no permission either.
//
// While the endings are fresh it costs a look into memory. When they are not the
// broker is asked, as long as a token of the session is alive.
func (g *Guard) Live(ctx context.Context, sid string) error {
	fresh := g.isFresh(g.clock.read()) // before the endings: see admit
	w, err := g.ledger.find(sid)
	if err != nil {
		return err
	}
	g.ledger.mu.RLock()
	raw, expires, endsAt := w.raw, w.expires, w.endsAt
	g.ledger.mu.RUnlock()
	at := g.clock.latest(g.clock.read())
	switch {
	case at >= endsAt:
		return ErrEnded
	case fresh:
		return nil
	case at >= expires:
		return ErrUnknown
	}
	if err := g.introspect(ctx, raw, sid); err != nil {
		return err
	}
	if w.over() {
		return w.cause()
	}
	return nil
}
