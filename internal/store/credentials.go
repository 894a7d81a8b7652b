package store

import (
	"context"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// credentialColumns are in the order of scanCredential.
const credentialColumns = `id, account, policy, kind, digits, holder, state, scopes, ticket, contact, contact_key,
minter_issuer, minter_subject, minter_name, minter_email, coalesce(email, ''), made_at, redeem_by, session, idle, uses, uses_left,
tries, wrong, ticket_misses`

// scanCredential reads a credential, and what a query selects after its columns.
func scanCredential(r row, more ...any) (credentials.Credential, error) {
	var c credentials.Credential
	var scopes string
	var holder, made, by, session, idle int64
	err := r.Scan(append([]any{&c.ID, &c.Account, &c.Policy, &c.Kind, &c.Digits, &holder, &c.State, &scopes, &c.Ticket, &c.Contact, &c.ContactKey,
		&c.Minter.Issuer, &c.Minter.Subject, &c.Minter.Name, &c.Minter.Email, &c.Email, &made, &by, &session, &idle, &c.Uses, &c.UsesLeft,
		&c.Tries, &c.Wrong, &c.TicketMisses}, more...)...)
	c.Holder, c.Scopes, c.MadeAt, c.RedeemBy = holder != 0, strings.Fields(scopes), fromMicros(made), fromMicros(by)
	c.Session, c.Idle = time.Duration(session)*time.Microsecond, time.Duration(idle)*time.Microsecond
	c.RedeemWithin = c.RedeemBy.Sub(c.MadeAt)
	return c, err
}

const selectCredential = `SELECT ` + credentialColumns + ` FROM credentials WHERE id = $1`

// credential reads a credential of a held account.
func (t *tx) credential(account, id string) (credentials.Credential, error) {
	found, ok, err := t.findCredential(id)
	if err == nil && (!ok || found.Account != account) {
		err = credentials.ErrNotFound
	}
	return found, err
}

func (t *tx) findCredential(id string) (found credentials.Credential, ok bool, err error) {
	err = t.each(selectCredential, func(r row) error {
		ok = true
		found, err = scanCredential(r)
		return err
	}, id)
	return found, ok, err
}

const saveCredential = `UPDATE credentials SET state = $2, uses_left = $3, ticket_misses = $4,
verifier = CASE WHEN $2 = 'live' THEN verifier ELSE NULL END WHERE id = $1`

// save writes what a redemption changes. The verifier of a credential that is
// no longer live is erased with it.
func (t *tx) save(c credentials.Credential) error {
	return t.put(saveCredential, c.ID, string(c.State), c.UsesLeft, c.TicketMisses)
}

const (
	selectLive    = `SELECT ` + credentialColumns + ` FROM credentials WHERE account = $1 AND state = 'live'`
	killOne       = `UPDATE credentials SET state = $2, verifier = NULL WHERE id = $1`
	liveOfOne     = `SELECT ` + sessionColumns + ` FROM sessions WHERE credential = $1 AND ended_at = 0`
	liveOfAccount = `SELECT ` + sessionColumns + ` FROM sessions WHERE account = $1 AND ended_at = 0 ORDER BY opened_at, sid`
)

// Revoke implements credentials.Store. It works whatever the clock says:
// ending access is never refused.
func (s *Store) Revoke(ctx context.Context, account, id string, by credentials.Mark) error {
	return s.long(ctx, func(t *tx) error {
		if id == "" {
			err := t.hold(account)
			if err == nil {
				_, err = t.revokeAll(account, credentials.CauseRevoked, by)
			}
			return err
		}
		if err := t.holdSoon(account); err != nil {
			return err
		}
		var live []credentials.Session
		if err := t.soon(liveOfOne, gather(&live), id); err != nil {
			return err
		}
		c, err := t.credential(account, id)
		if err != nil {
			return err
		}
		if err := t.revoke(c, by); err != nil {
			return err
		}
		return t.endEach(live, credentials.CauseRevoked, by)
	})
}

// revokeAll revokes every live credential of a held account and ends every
// session. It returns how many credentials were alive.
func (t *tx) revokeAll(account string, cause credentials.Cause, by credentials.Mark) (int, error) {
	n, err := t.revokeSome(selectLive, by, account)
	if err != nil {
		return n, err
	}
	return n, t.endAll(liveOfAccount, cause, by, account)
}

// revokeSome revokes the credentials that a query finds.
func (t *tx) revokeSome(query string, by credentials.Mark, args ...any) (int, error) {
	var found []credentials.Credential
	err := t.each(query, func(r row) error {
		c, err := scanCredential(r)
		found = append(found, c)
		return err
	}, args...)
	if err != nil {
		return 0, err
	}
	for _, c := range found {
		if err := t.revoke(c, by); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}

// revoke kills the credential in whatever state it is; one that was revoked
// before stays as it is.
func (t *tx) revoke(c credentials.Credential, by credentials.Mark) error {
	if c.State == credentials.Revoked {
		return nil
	}
	if err := t.put(killOne, c.ID, string(credentials.Revoked)); err != nil {
		return err
	}
	c.State = c.StateAt(t.now)
	return t.record(c.Account, credentials.DraftRevoked(c, by))
}
