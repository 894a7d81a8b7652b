package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// Logout is an app that is to be called back, because a session has ended of
// which it held a token (OpenID Connect Back-Channel Logout 1.0).
type Logout struct {
	credentials.Receipt
	Until time.Time // when the session would have ended by itself
	Tries int       // so far, with the one that this was claimed for
}

const pendingLogouts = `SELECT client, min(logout_next) FROM receipts WHERE logout_next > 0 GROUP BY client`

// PendingLogouts finds the apps that are to be called back, and when first.
func (s *Store) PendingLogouts(ctx context.Context) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	err := s.query(ctx, pendingLogouts, nil, func(r row) error {
		var client string
		var next int64
		err := r.Scan(&client, &next)
		out[client] = fromMicros(next)
		return err
	})
	return out, err
}

// A claimed call is due again when the lease is over: whoever claimed it may
// have died. The outer condition is looked at once more when another node had
// the row, so that the two do not both take it.
const claimLogouts = `UPDATE receipts SET logout_next = $3, logout_tries = logout_tries + 1
WHERE logout_next > 0 AND logout_next <= $2 AND (sid, client) IN (
	SELECT sid, client FROM receipts WHERE client = $1 AND logout_next > 0 AND logout_next <= $2 ORDER BY logout_next LIMIT $4)
RETURNING sid, client, audience, account, enforces, ended_at, tokens_until, session_ends, logout_tries`

// ClaimLogouts takes up to limit calls of an app that are due, for as long as
// the lease lasts.
func (s *Store) ClaimLogouts(ctx context.Context, client string, lease time.Duration, limit int) (out []Logout, err error) {
	now := s.now()
	err = s.verb(ctx, func(t *tx) error {
		out = nil
		return t.each(claimLogouts, func(r row) error {
			var l Logout
			var ended, tokens, until int64
			err := r.Scan(&l.SID, &l.Client, &l.Audience, &l.Account, &l.Enforces, &ended, &tokens, &until, &l.Tries)
			l.EndedAt, l.TokensUntil, l.Until = fromMicros(ended), fromMicros(tokens), fromMicros(until)
			out = append(out, l)
			return err
		}, client, micros(now), micros(now.Add(lease)), limit)
	})
	return out, err
}

const (
	putOffLogout = `UPDATE receipts SET logout_next = $4 WHERE sid = $1 AND client = $2 AND logout_tries = $3 AND logout_next > 0`
	closeLogout  = `UPDATE receipts SET logout_next = 0 WHERE sid = $1 AND client = $2`
)

// PutOffLogout has a claimed call tried again at this time, unless its lease ran
// out and another node has it; at no time: never again.
func (s *Store) PutOffLogout(ctx context.Context, l Logout, next time.Time) error {
	return s.verb(ctx, func(t *tx) error {
		_, err := t.exec(putOffLogout, l.SID, l.Client, int64(l.Tries), micros(next))
		return err
	})
}

// LogoutDone writes down that the app was called back and took it, at this time.
// Where that is how the app learns of endings it is its receipt, with the one
// entry in the account's record.
func (s *Store) LogoutDone(ctx context.Context, l Logout, at time.Time) error {
	return s.verb(ctx, func(t *tx) error {
		if l.Enforces == credentials.ByLogout {
			if err := t.hold(l.Account); err != nil {
				return err
			}
			l.AppliedAt, l.Instances = at, 0
			if err := t.apply(l.Receipt); err != nil {
				return err
			}
		}
		_, err := t.exec(closeLogout, l.SID, l.Client)
		return err
	})
}
