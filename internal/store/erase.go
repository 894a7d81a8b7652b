package store

import (
	"context"
	"errors"

	"github.com/valetkey/valetkey/credentials"
)

// What an erasure takes away, and what it leaves so that everything goes on
// being true. The test of every column keeps this list whole.
//
//	record_people   the rows themselves: names, emails, subjects, reasons, tickets, targets, and their salts
//	record          stays: digests without their salts say nothing; facts name people by pseudonym, and the
//	                issuer of an agent, which is a company's
//	credentials     who made it, for whom, the ticket, the temporary address
//	sessions        who the agent was, what they typed, whose credential it was; the account's name and handle
//	agents          all but the pseudonym and the suspension, so that erasing is no way out of one
//	tries           the reason; their times and pseudonyms hold up the limits on guessing
//	actions         what a repeat is compared with, which was made from the target; a repeat is refused
//	idempotency     the same, made from the request to mint
//	otp_used        the rows of a local person
//	accounts        name and handle; the id, connector and salt stay: a later mint continues the same record
//
// Ids that apps and clients chose (of accounts, actions, requests) stay: they
// are theirs, and are not to hold personal data.

// Erased tells what an erasure did.
type Erased struct {
	Person      string // their pseudonym, where a person was erased
	Accounts    int    // in which something was erased
	Entries     int    // of the record, that lost personal fields
	Credentials int    // that were revoked first
	Sessions    int    // that were ended first
	Before      bool   // everything had been erased before
}

const (
	blankAll         = ` WHERE account = $1`
	blankSessions    = `UPDATE sessions SET owner_sub = '', contact = '', ticket = '', email = ''`
	blankCredentials = `UPDATE credentials SET minter_issuer = '', minter_subject = '', minter_name = '', minter_email = '',
contact = '', contact_key = '', ticket = '', email = NULL`
	blankAgents = `UPDATE sessions SET agent_issuer = '', agent_sub = '', agent_name = '', agent_email = '', reason = ''`
	blankTries  = `UPDATE tries SET reason = ''`
	blankKeys   = `UPDATE idempotency SET digest = $2 WHERE credential IN (SELECT id FROM credentials WHERE account = $1`

	blankNames   = `UPDATE sessions SET account_name = '', handle = '' WHERE account = $1`
	blankActions = `UPDATE actions SET digest = $2 WHERE chain = $1`
	blankAccount = `UPDATE accounts SET name = '', handle = '', handle_key = $2 WHERE id = $1`
	dropPeople   = `DELETE FROM record_people WHERE chain = $1`
	anyPeople    = `SELECT 1 FROM record_people WHERE chain = $1 LIMIT 1`
)

// erasedHandle is what an erased account is found by: nothing that anybody can
// type, since handles are compared without their spaces.
func erasedHandle(account string) string { return "erased " + account }

// EraseAccount erases the personal data of an account and its people, after
// revoking everything. Its record still verifies, its handle is free, and a
// later mint for the id begins anew. ErrNotFound: there is no such account.
func (s *Store) EraseAccount(ctx context.Context, account string) (out Erased, err error) {
	if account == itself {
		return out, credentials.ErrNotFound
	}
	err = s.long(ctx, func(t *tx) error {
		out = Erased{}
		if err := t.hold(account); err != nil {
			return err
		}
		var one int
		people, err := t.one(anyPeople, []any{account}, &one)
		if err != nil {
			return err
		}
		if h := t.head(account); !people && h.Name == "" && h.Handle == "" {
			out.Before = true
			return nil
		}
		out.Accounts = 1
		if out.Credentials, err = t.revokeAll(account, credentials.CauseRevoked, byOperator); err != nil {
			return err
		}
		out.Sessions = len(t.ended)
		if err = t.record(account, credentials.DraftAccountErased(byOperator)); err != nil {
			return err
		}
		out.Entries, err = t.eraseAccount(account)
		return err
	})
	return out, err
}

func (t *tx) eraseAccount(account string) (entries int, err error) {
	for _, step := range []struct {
		query string
		args  []any
	}{
		{blankKeys + `)`, []any{account, []byte{}}},
		{blankSessions + blankAll, []any{account}},
		{blankAgents + blankAll, []any{account}},
		{blankNames, []any{account}},
		{blankCredentials + blankAll, []any{account}},
		{blankTries + blankAll, []any{account}},
		{blankActions, []any{account, []byte{}}},
		{blankAccount, []any{account, erasedHandle(account)}},
	} {
		if _, err := t.exec(step.query, step.args...); err != nil {
			return 0, err
		}
	}
	n, err := t.exec(dropPeople, account)
	return int(n), err
}

// Purge takes what was erased out of the files of an SQLite database, where
// deleted rows leave their bytes until something else is written over them: it
// writes the whole file anew, and empties the log beside it. PostgreSQL does
// that in its own time.
func (s *Store) Purge(ctx context.Context) error {
	if !s.engine.file {
		return nil
	}
	// The new file is not put together in memory.
	if _, err := s.engine.write.ExecContext(ctx, `PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY`); err != nil {
		return err
	}
	var busy, log, moved int
	err := s.engine.write.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &moved)
	if err == nil && busy != 0 {
		err = errors.New("somebody is reading the database")
	}
	return err
}
