package store

import (
	"cmp"
	"context"

	"github.com/valetkey/valetkey/credentials"
)

const insertGrant = `INSERT INTO grants (id, sid, client, audience, scope, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`

// Issue implements credentials.Store. A second use of a code ends its session:
// one of the two who presented it had stolen it (RFC 6749 section 4.1.2).
func (s *Store) Issue(ctx context.Context, g credentials.Grant) (credentials.Session, error) {
	replayed := false
	out, err := s.within(ctx, g.Account, g.SID, func(t *tx, found *credentials.Session) error {
		if err := t.useOnce(g.Proof); err != nil {
			return err
		}
		n, err := t.exec(insertGrant, g.ID, g.SID, g.Client, g.Audience, g.Scope, micros(t.now))
		if err != nil {
			return err
		}
		if replayed = n == 0; replayed {
			*found, err = t.end(*found, credentials.CauseReuse, credentials.Mark{Who: "client", ID: g.Client})
			return err
		}
		if g.Refresh != nil {
			if err := t.keepRefresh(*g.Refresh, nil); err != nil {
				return err
			}
		}
		if err := t.active(found); err != nil {
			return err
		}
		_, err = t.record(g.Account, credentials.DraftToken(cmp.Or(g.Type, "authorization_code"), g.SID, g.Client, g.Audience, g.Scope, g.TokenID, g.Through))
		return err
	})
	if err == nil && replayed {
		err = credentials.ErrReplayed
	}
	return out, err
}

const (
	insertRefresh = `INSERT INTO refresh_tokens (hash, parent, sid, account, client, audience, scope, jkt, made_at, replaced_at, spent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0)`
	findRefresh = `SELECT account, sid FROM refresh_tokens WHERE hash = $1`
	readRefresh = `SELECT client, audience, scope, jkt, replaced_at, spent, coalesce(parent, $2) FROM refresh_tokens WHERE hash = $1`
	useRefresh  = `UPDATE refresh_tokens SET replaced_at = $2 WHERE hash = $1 AND replaced_at = 0`
	spendParent = `UPDATE refresh_tokens SET spent = 1 WHERE hash = $1 AND spent = 0`
)

func (t *tx) keepRefresh(r credentials.RefreshToken, parent []byte) error {
	return t.put(insertRefresh, r.Hash, parent, r.SID, r.Account, r.Client, r.Audience, r.Scope, r.Key, micros(t.now))
}

const selectRefresh = `SELECT account, sid, client, audience, scope, replaced_at + spent FROM refresh_tokens WHERE hash = $1`

// RefreshToken implements credentials.Store.
func (s *Store) RefreshToken(ctx context.Context, hash []byte) (out credentials.RefreshToken, err error) {
	found := false
	var used int64
	err = s.query(ctx, selectRefresh, []any{hash}, scanning(&found, &out.Account, &out.SID, &out.Client, &out.Audience, &out.Scope, &used))
	if err == nil && !found {
		err = credentials.ErrNotFound
	}
	out.Hash, out.Used = hash, used != 0
	return out, err
}

// Refresh implements credentials.Store. A replaced token is good for
// credentials.RefreshGrace while its successor is unused; any other reuse ends
// the session. Which tokens are replaced says credentials.Refreshing.Rotates.
func (s *Store) Refresh(ctx context.Context, r credentials.Refreshing) (credentials.Session, credentials.RefreshToken, error) {
	next := credentials.RefreshToken{Hash: r.Next, Client: r.Client}
	found := false
	if err := s.query(ctx, findRefresh, []any{r.Hash}, scanning(&found, &next.Account, &next.SID)); err != nil {
		return credentials.Session{}, next, err
	}
	if !found {
		return credentials.Session{}, next, credentials.ErrInvalidGrant
	}
	replayed := false
	out, err := s.within(ctx, next.Account, next.SID, func(t *tx, found *credentials.Session) (err error) {
		replayed, err = t.refresh(r, &next, found)
		return err
	})
	if err == nil && replayed {
		err = credentials.ErrReplayed
	}
	return out, next, err
}

func (t *tx) refresh(r credentials.Refreshing, next *credentials.RefreshToken, found *credentials.Session) (replayed bool, err error) {
	var client string
	var replacedAt, spent int64
	var parent []byte
	if _, err := t.one(readRefresh, []any{r.Hash, []byte{}}, &client, &next.Audience, &next.Scope, &next.Key, &replacedAt, &spent, &parent); err != nil {
		return false, err
	}
	if client != r.Client {
		return false, credentials.ErrInvalidGrant
	}
	rotates, err := r.Rotates(*next)
	if err == nil {
		err = t.useOnce(r.Proof)
	}
	if err != nil {
		return false, err
	}
	late := replacedAt != 0 && t.now.Sub(fromMicros(replacedAt)) > credentials.RefreshGrace
	if spent != 0 || late {
		*found, err = t.end(*found, credentials.CauseReuse, credentials.Mark{Who: "client", ID: r.Client})
		return true, err
	}
	scope, err := r.Scope(next.Scope)
	if err != nil {
		return false, err
	}
	if rotates {
		replayed, err = t.rotate(r, next, found, parent, replacedAt == 0)
	} else {
		next.Hash = r.Hash
	}
	if err != nil || replayed {
		return replayed, err
	}
	if err := t.active(found); err != nil {
		return false, err
	}
	_, err = t.record(next.Account, credentials.DraftToken("refresh_token", next.SID, client, next.Audience, scope, r.TokenID, ""))
	return false, err
}

// rotate replaces the token by the next one. Its first use is the end of the one
// before it.
func (t *tx) rotate(r credentials.Refreshing, next *credentials.RefreshToken, found *credentials.Session, parent []byte, first bool) (replayed bool, err error) {
	if len(parent) > 0 && first {
		n, err := t.exec(spendParent, parent)
		if err != nil {
			return false, err
		}
		if n == 0 { // another successor of the same parent is in use: somebody holds a copy
			*found, err = t.end(*found, credentials.CauseReuse, credentials.Mark{Who: "client", ID: r.Client})
			return true, err
		}
	}
	if err := t.put(useRefresh, r.Hash, micros(t.now)); err != nil {
		return false, err
	}
	if r.Key != "" {
		next.Key = r.Key // from now on bound, to the key that was proven last
	}
	return false, t.keepRefresh(*next, r.Hash)
}
