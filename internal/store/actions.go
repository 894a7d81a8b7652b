package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/credentials"
)

// scanning reads a single row into values.
func scanning(found *bool, into ...any) func(row) error {
	return func(r row) error {
		*found = true
		return r.Scan(into...)
	}
}

const (
	holdActed    = `SELECT ` + headColumns + ` FROM accounts WHERE id = (SELECT account FROM sessions WHERE sid = $1)` // by tx.holdBy
	heldScopes   = `SELECT DISTINCT scope FROM grants WHERE sid = $1 AND audience = $2`
	insertAction = `INSERT INTO actions (audience, id, chain, digest, seq, refused) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
	selectAction = `SELECT seq, refused FROM actions WHERE audience = $1 AND id = $2 AND chain = $3 AND digest = $4`
)

// Why the broker refused an action, as the action's row and entry keep it.
const (
	actionEnded   = "session ended"
	actionNotLent = "scope not lent"
)

// Act implements credentials.Store.
func (s *Store) Act(ctx context.Context, a credentials.Action) (credentials.Acted, error) {
	var out credentials.Acted
	err := s.guarded(ctx, func(t *tx) error {
		out = credentials.Acted{}
		held, granted := false, []string{}
		err := t.holdBy(holdActed, a.SID)
		if err == nil {
			err = t.soon(heldScopes, func(r row) error {
				var scope string
				err := r.Scan(&scope)
				held, granted = true, append(granted, strings.Fields(scope)...)
				return err
			}, a.SID, a.Audience)
		}
		if err != nil {
			return err
		}
		session, ended, err := t.live(a.SID)
		if errors.Is(err, credentials.ErrNotFound) || err == nil && !held {
			err = credentials.ErrNotAudience // an unknown sid tells no more than a foreign one
		}
		if err != nil {
			return err
		}
		return t.act(a, session, ended, granted, &out)
	})
	return out, err
}

// act records the action. granted is what the audience holds tokens for.
func (t *tx) act(a credentials.Action, session credentials.Session, ended *credentials.EndedError, granted []string, out *credentials.Acted) error {
	account, why := session.Account.ID, ""
	var refusal error
	switch {
	case a.Refused:
	case ended != nil:
		why, refusal = actionEnded, ended
	case !slices.Contains(session.Scopes, a.Scope) || !slices.Contains(granted, a.Scope):
		why, refusal = actionNotLent, credentials.ErrNotLent
	}
	out.Seq = t.head(account).chain.Seq + 1 // of the entry below
	first, err := t.add(insertAction, a.Audience, a.ID, account, a.Digest(), out.Seq, why)
	if err != nil {
		return err
	}
	if !first {
		return t.actedBefore(a, account, ended, out)
	}
	out.Err = refusal
	if ended == nil {
		if err := t.active(&session); err != nil {
			return err
		}
	}
	return t.record(account, credentials.DraftAction(a, session.AgentKey(), why))
}

// actedBefore answers a repeated id as it was answered first. An action that
// had started does not start again once the session has ended.
func (t *tx) actedBefore(a credentials.Action, account string, ended *credentials.EndedError, out *credentials.Acted) error {
	why := ""
	found, err := t.one(selectAction, []any{a.Audience, a.ID, account, a.Digest()}, &out.Seq, &why)
	if err != nil {
		return err
	}
	if !found { // the id belongs to another action
		return credentials.ErrKeyReused
	}
	out.Repeat = true
	switch {
	case why == actionNotLent:
		out.Err = credentials.ErrNotLent
	case why == actionEnded && ended != nil:
		out.Err = ended
	case why == "" && !a.Refused && ended != nil:
		out.Err = ended
	case why == actionEnded:
		return errors.New("an action was refused for an end that is not there")
	}
	return nil
}
