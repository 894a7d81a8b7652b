package guard

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"slices"
)

// verify opens a support token. Every error is a *Refusal. The request is for
// DPoP; nil where there is none, which refuses bound tokens but those of a login.
// The session is shared by all requests with this token: handlers are given a copy.
func (g *Guard) verify(ctx context.Context, c carried, r *http.Request) (*Session, error) {
	t, err := g.admit(ctx, c.raw)
	if err != nil {
		return nil, err
	}
	if err := g.bound(t, c, r); err != nil {
		return nil, err
	}
	return &t.session, nil
}

// admit returns a verified token of a session that is known to be alive now. An
// ending is applied before what it makes fresh is: so the freshness is read
// first, and the session's end after it.
func (g *Guard) admit(ctx context.Context, raw string) (*token, error) {
	now := g.clock.read()
	t := g.cache.get(raw)
	switch {
	case t != nil && g.clock.latest(now) >= t.expires:
		g.cache.drop(t)
		return nil, errExpired
	case t != nil && t.watch.over():
		if _, err := g.ledger.find(t.session.ID); errors.Is(err, ErrEnded) {
			return nil, err // for good, and not worth another signature
		}
		g.cache.drop(t) // to be looked at anew
		t = nil
	}
	if t == nil {
		var err error
		if t, err = g.open(ctx, raw); err != nil {
			return nil, err
		}
		now = g.clock.read()
	}
	if t.long || !g.isFresh(now) {
		if err := g.introspect(ctx, raw, t.session.ID); err != nil {
			return nil, err
		}
	}
	if t.watch.over() {
		return nil, t.watch.cause()
	}
	return t, nil
}

// open verifies a token that is not in the cache: size and form, type, algorithm,
// key, signature, then what it says.
func (g *Guard) open(ctx context.Context, raw string) (*token, error) {
	h, err := headerOf(raw, typAccess)
	if err != nil {
		return nil, err
	}
	if h.Algorithm != algAccess || h.KeyID == "" {
		return nil, errSignature
	}
	for {
		t, err := g.openBy(ctx, raw, h.KeyID)
		if !errors.Is(err, errKeysChanged) {
			return t, err
		}
	}
}

// openBy is open, after the header. It returns errKeysChanged where they did
// while it looked.
func (g *Guard) openBy(ctx context.Context, raw, keyID string) (*token, error) {
	age := g.cache.now()
	key, err := g.key(ctx, keyID, algAccess)
	if err != nil {
		return nil, err
	}
	payload, err := open(raw, algAccess, key)
	if err != nil {
		return nil, err
	}
	at := g.clock.latest(g.clock.read())
	t, err := g.read(raw, keyID, payload, at)
	if err != nil {
		return nil, err
	}
	if t.watch, err = g.ledger.watch(t, at, age); err != nil {
		return nil, err
	}
	t.session.watch = t.watch
	g.cache.put(t, age)
	return t, nil
}

// key finds a key of the broker; the error is a *Refusal.
func (g *Guard) key(ctx context.Context, id, algorithm string) (any, error) {
	key, err := g.keys.Key(ctx, id, algorithm)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, ErrNoKey):
		return nil, errSignature
	}
	g.log.WarnContext(ctx, "guard: a token's key is not known, and cannot be asked for", "error", err)
	return nil, ErrUnknown
}

// payload verifies a JWT of the broker that is no access token: size, type,
// algorithm, key and signature, none of its claims. It returns what it says.
func (g *Guard) payload(ctx context.Context, raw, typ string, algorithms ...string) ([]byte, error) {
	h, err := headerOf(raw, typ)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(algorithms, h.Algorithm) || h.KeyID == "" {
		return nil, errSignature
	}
	key, err := g.key(ctx, h.KeyID, h.Algorithm)
	if err != nil {
		return nil, err
	}
	return open(raw, h.Algorithm, key)
}

// replaced is told that other keys were fetched. Where one is gone, or another
// has its name, what it signed is verified anew: also what is watched already.
func (g *Guard) replaced(before, after *ring) {
	if before == nil {
		return
	}
	gone := map[string]bool{}
	for name, key := range before.keys {
		old, ok := key.(interface{ Equal(crypto.PublicKey) bool })
		if now := after.keys[name]; name[1] == algAccess && (!ok || now == nil || !old.Equal(now)) {
			gone[name[0]] = true
		}
	}
	if len(gone) == 0 {
		return
	}
	g.cache.clear()
	g.ledger.doubt(func(w *watch) bool { return gone[w.keyID] })
}
