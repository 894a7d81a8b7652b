package store

import (
	"cmp"
	"context"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

const insertGrant = `INSERT INTO grants (id, sid, client, audience, scope, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`

// Issue implements credentials.Store. A second use of a code ends its session:
// one of the two who presented it had stolen it (RFC 6749 section 4.1.2).
func (s *Store) Issue(ctx context.Context, g credentials.Grant) (credentials.Session, error) {
	replayed := false
	out, err := s.within(ctx, g.Account, g.SID, s.guesses.take(g.Account, g.SID, s.now()), func(t *tx, found *credentials.Session) error {
		if err := t.useOnce(g.Proof); err != nil {
			return err
		}
		first, err := t.add(insertGrant, g.ID, g.SID, g.Client, g.Audience, g.Scope, micros(t.now))
		if err != nil {
			return err
		}
		if replayed = !first; replayed {
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
		return t.record(g.Account, credentials.DraftToken(cmp.Or(g.Type, "authorization_code"), g.SID, g.Client, g.Audience, g.Scope, g.TokenID, g.Through))
	})
	if err == nil && replayed {
		err = credentials.ErrReplayed
	}
	return out, err
}

const (
	insertRefresh = `INSERT INTO refresh_tokens (hash, parent, sid, account, client, audience, scope, jkt, made_at, replaced_at, spent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0)`
	findRefresh = `SELECT sid FROM refresh_tokens WHERE hash = $1`
	holdRefresh = `SELECT ` + headColumns + ` FROM accounts WHERE id = (SELECT account FROM refresh_tokens WHERE hash = $1)` // by tx.holdBy
	// A token with its session and whether its parent is spent. Of a parent that is
	// gone nobody can say that it was not.
	readRefresh = `SELECT ` + sessionColumns + `, its_client, its_audience, its_scope, jkt, replaced_at, spent, coalesce(parent, $2),
coalesce((SELECT of.spent FROM refresh_tokens of WHERE of.hash = its.parent), 1)
FROM (SELECT sid AS its_sid, client AS its_client, audience AS its_audience, scope AS its_scope, jkt, replaced_at, spent, parent
FROM refresh_tokens WHERE hash = $1) its JOIN sessions ON sid = its_sid`
	useRefresh  = `UPDATE refresh_tokens SET replaced_at = $2 WHERE hash = $1`
	spendParent = `UPDATE refresh_tokens SET spent = 1 WHERE hash = $1`
	// All three by one statement, for PostgreSQL: a token, the one that it replaces
	// by its first use, and the one before that.
	replaceRefresh = `WITH its_parent AS (UPDATE refresh_tokens SET replaced_at = $9 WHERE hash = $2), before AS (UPDATE refresh_tokens SET spent = 1 WHERE hash = $10) ` + insertRefresh
)

func (t *tx) keepRefresh(r credentials.RefreshToken, parent []byte) error {
	return t.put(insertRefresh, t.refreshRow(r, parent)...)
}

// refreshRow is the row of a new token.
func (t *tx) refreshRow(r credentials.RefreshToken, parent []byte) []any {
	return []any{r.Hash, parent, r.SID, r.Account, r.Client, r.Audience, r.Scope, r.Key, micros(t.now)}
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

// used is what is kept of a refresh token that somebody uses.
type used struct {
	credentials.RefreshToken
	replacedAt, spent int64
	parent            []byte
	parentSpent       int64
}

// read holds the account of a token and reads the token with its session. Nobody
// can change them meanwhile.
func (u *used) read(t *tx, hash []byte) (found credentials.Session, ok bool, err error) {
	*u = used{}
	if err := t.holdBy(holdRefresh, hash); err != nil {
		return found, false, err
	}
	err = t.each(readRefresh, func(r row) error {
		ok = true
		found, err = scanSession(r, &u.Client, &u.Audience, &u.Scope, &u.Key, &u.replacedAt, &u.spent, &u.parent, &u.parentSpent)
		u.Account, u.SID = found.Account.ID, found.ID
		return err
	}, hash, []byte{})
	if err == nil && !ok {
		err = credentials.ErrInvalidGrant
	}
	return found, ok, err
}

// reused reports whether somebody else must have a copy of the token: it, or
// another successor of its parent, has been used, and not by somebody who has
// only lost the reply.
func (u *used) reused(now time.Time, rotates bool) bool {
	late := u.replacedAt != 0 && now.Sub(fromMicros(u.replacedAt)) > credentials.RefreshGrace
	return u.spent != 0 || late || rotates && u.replacedAt == 0 && len(u.parent) > 0 && u.parentSpent != 0
}

// Refresh implements credentials.Store. A replaced token is good for
// credentials.RefreshGrace while its successor is unused; any other reuse ends
// the session. Which tokens are replaced says credentials.Refreshing.Rotates.
func (s *Store) Refresh(ctx context.Context, r credentials.Refreshing) (credentials.Session, credentials.RefreshToken, error) {
	var next credentials.RefreshToken
	if !r.Proven { // a visitor may have made it up, and does not take the account's time
		found, sid := false, ""
		if err := s.query(ctx, findRefresh, []any{r.Hash}, scanning(&found, &sid)); err != nil || !found {
			return credentials.Session{}, next, cmp.Or(err, credentials.ErrInvalidGrant)
		}
	}
	var u used
	replayed := false
	out, err := s.upon(ctx, func(t *tx) (credentials.Session, bool, error) {
		return u.read(t, r.Hash)
	}, func(t *tx, found *credentials.Session) (err error) {
		next, replayed, err = t.refresh(r, u, found)
		return err
	})
	if err == nil && replayed {
		err = credentials.ErrReplayed
	}
	return out, next, err
}

func (t *tx) refresh(r credentials.Refreshing, u used, found *credentials.Session) (next credentials.RefreshToken, replayed bool, err error) {
	next = u.RefreshToken
	if next.Client != r.Client {
		return next, false, credentials.ErrInvalidGrant
	}
	rotates, err := r.Rotates(next)
	if err == nil {
		err = t.useOnce(r.Proof)
	}
	if err != nil {
		return next, false, err
	}
	if u.reused(t.now, rotates) {
		*found, err = t.end(*found, credentials.CauseReuse, credentials.Mark{Who: "client", ID: r.Client})
		return next, true, err
	}
	scope, err := r.Scope(next.Scope)
	if err != nil {
		return next, false, err
	}
	if next.Hash = r.Hash; rotates {
		next, err = t.rotate(r, u)
	}
	if err == nil {
		err = t.active(found)
	}
	if err == nil {
		err = t.record(next.Account, credentials.DraftToken("refresh_token", next.SID, r.Client, next.Audience, scope, r.TokenID, ""))
	}
	return next, false, err
}

// rotate replaces the token by the next one. Its first use is the end of the one
// before it.
func (t *tx) rotate(r credentials.Refreshing, u used) (credentials.RefreshToken, error) {
	next := u.RefreshToken
	if next.Hash = r.Next; r.Key != "" {
		next.Key = r.Key // from now on bound, to the key that was proven last
	}
	if u.replacedAt == 0 && !t.s.engine.file {
		return next, t.put(replaceRefresh, append(t.refreshRow(next, r.Hash), u.parent)...)
	}
	if u.replacedAt == 0 {
		if err := t.put(useRefresh, r.Hash, micros(t.now)); err != nil {
			return next, err
		}
	}
	if u.replacedAt == 0 && len(u.parent) > 0 {
		if err := t.put(spendParent, u.parent); err != nil {
			return next, err
		}
	}
	return next, t.keepRefresh(next, r.Hash)
}
