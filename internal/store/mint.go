package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/valetkey/valetkey/credentials"
)

const selectSalt = `SELECT salt FROM accounts WHERE id = $1`

// Salt implements credentials.Store.
func (s *Store) Salt(ctx context.Context, account string) (salt []byte, err error) {
	err = s.query(ctx, selectSalt, []any{account}, func(r row) error { return r.Scan(&salt) })
	return salt, err
}

// Mint implements credentials.Store.
func (s *Store) Mint(ctx context.Context, m credentials.Minting) (out credentials.Credential, repeated bool, err error) {
	if m.Account.ID == itself {
		return out, false, &credentials.Refused{Field: "account", Reason: "is required"}
	}
	err = s.guarded(ctx, func(t *tx) error {
		out, repeated = m.Credential, false
		if err := t.account(m); err != nil {
			return err
		}
		earlier, err := t.idempotent(m)
		if err != nil {
			return err
		}
		if earlier != "" {
			repeated = true
			out, err = t.credential(m.Account.ID, earlier)
			return err
		}
		if err := t.rename(m.Account); err != nil {
			return err
		}
		return t.mint(&out, m)
	})
	return out, repeated, err
}

const (
	// One statement makes the row or takes it. Where the row is there, only its id
	// is looked at: its handle may be another by now.
	takeAccount = `INSERT INTO accounts (id, connector, name, handle, handle_key, salt, seq, hash, at, touched)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, $8) ON CONFLICT (id) DO UPDATE SET touched = excluded.touched RETURNING ` + headColumns
	updateAccount = `UPDATE accounts SET name = $2, handle = $3, handle_key = $4 WHERE id = $1`
	selectHandle  = `SELECT id FROM accounts WHERE handle_key = $1`
)

// account holds the account's row, making it at its first mint.
func (t *tx) account(m credentials.Minting) error {
	a, salt := m.Account, m.Salt
	if salt == nil {
		salt = []byte(credentials.NewID())
	}
	known, err := t.known(a.ID)
	if err == nil && !known {
		err = t.heldBy(takeAccount, a.ID, a.Connector, a.Name, a.Handle, credentials.FoldHandle(a.Handle), salt, []byte{}, micros(t.now))
	}
	if err == nil {
		err = t.send()
	}
	if taken := duplicate(err); taken && (t.careful || t.s.engine.file) {
		return credentials.ErrHandleTaken // a new account cannot have it
	} else if taken {
		t.guessed = true // that it is another's: see known
	}
	if err != nil {
		return err
	}
	h := t.head(a.ID)
	if h.Connector != a.Connector {
		return credentials.ErrOtherOwner
	}
	if m.Salt != nil && !bytes.Equal(m.Salt, h.salt) {
		return credentials.ErrSaltChanged
	}
	return nil
}

// known holds the account's row in a transaction that looks, if there is one.
// PostgreSQL says that the handle is there already also where it is this account's
// own: where somebody makes or renames the account, or erases it, at this instant.
func (t *tx) known(id string) (bool, error) {
	if !t.careful {
		return false, nil
	}
	err := t.hold(id)
	if errors.Is(err, credentials.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// rename takes over a new name or handle of a held account.
func (t *tx) rename(a credentials.Account) error {
	h := t.head(a.ID)
	if h.Name == a.Name && h.Handle == a.Handle {
		return nil
	}
	var other string
	if found, err := t.one(selectHandle, []any{credentials.FoldHandle(a.Handle)}, &other); err != nil {
		return err
	} else if found && other != a.ID {
		return credentials.ErrHandleTaken
	}
	_, err := t.exec(updateAccount, a.ID, a.Name, a.Handle, credentials.FoldHandle(a.Handle))
	if duplicate(err) {
		return credentials.ErrHandleTaken
	}
	return err
}

const (
	insertKey = `INSERT INTO idempotency (client, request_key, digest, credential, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	selectKey = `SELECT digest, credential FROM idempotency WHERE client = $1 AND request_key = $2`
)

// idempotent claims the request's key. It returns the credential that an
// earlier request with this key made.
func (t *tx) idempotent(m credentials.Minting) (earlier string, err error) {
	if m.Idempotency == nil {
		return "", nil
	}
	key := m.Idempotency
	first, err := t.add(insertKey, key.Client, key.Key, key.Digest, m.Credential.ID, micros(t.now))
	if err != nil || first {
		return "", err
	}
	var digest []byte
	if _, err = t.one(selectKey, []any{key.Client, key.Key}, &digest, &earlier); err != nil {
		return "", err
	}
	if !bytes.Equal(digest, key.Digest) {
		return "", credentials.ErrKeyReused
	}
	return earlier, nil
}

const (
	selectPINs = `SELECT id, policy, contact_key, verifier FROM credentials
WHERE account = $1 AND state = 'live' AND kind = 'pin'`
	insertCredential = `INSERT INTO credentials (id, account, policy, kind, digits, holder, state, scopes, ticket, contact, contact_key,
minter_issuer, minter_subject, minter_name, minter_email, email, made_at, redeem_by, session, idle, uses, uses_left, tries,
reserved, wrong, ticket_misses, verifier)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, 0, 0, 0, $24)`
)

// mint stores the credential. A PIN takes the place of the live one of the same
// account, policy and contact; running sessions of that one go on.
func (t *tx) mint(c *credentials.Credential, m credentials.Minting) error {
	var replaced []string
	if c.Kind == credentials.PIN {
		err := t.each(selectPINs, func(r row) error {
			var id, policy, contact string
			var verifier []byte
			if err := r.Scan(&id, &policy, &contact, &verifier); err != nil {
				return err
			}
			if bytes.Equal(verifier, m.Verifier) {
				return credentials.ErrSamePIN
			}
			if policy == c.Policy && contact == c.ContactKey {
				replaced = append(replaced, id)
			}
			return nil
		}, c.Account)
		if err != nil {
			return err
		}
	}
	for _, id := range replaced {
		if err := t.put(killOne, id, string(credentials.Replaced)); err != nil {
			return err
		}
	}
	c.MadeAt, c.RedeemBy = t.now, t.now.Add(c.RedeemWithin)
	if err := t.put(insertCredential, c.ID, c.Account, c.Policy, string(c.Kind), c.Digits, flag(c.Holder), string(c.State),
		strings.Join(c.Scopes, " "), c.Ticket, c.Contact, c.ContactKey, c.Minter.Issuer, c.Minter.Subject, c.Minter.Name, c.Minter.Email,
		sql.NullString{String: c.Email, Valid: c.Email != ""}, micros(c.MadeAt), micros(c.RedeemBy), c.Session.Microseconds(),
		c.Idle.Microseconds(), c.Uses, c.UsesLeft, c.Tries, m.Verifier); err != nil {
		return err
	}
	return t.record(c.Account, credentials.DraftMinted(*c, replaced, m.By))
}
