package store

import (
	"context"

	"github.com/valetkey/valetkey/credentials"
)

// Recovered tells what a recovery did.
type Recovered struct {
	Epoch       string // of the endings from now on
	Accounts    int    // in which anything was alive
	Credentials int    // revoked
	Sessions    int    // ended
	Tries       int    // that were reserved and will not be settled
}

// byOperator is who acts through a command.
var byOperator = credentials.Mark{Who: "operator"}

// Recover is what follows a restore from a backup, before anything is served. The
// database does not know what was revoked and ended after the backup was made,
// so it ends everything; nor which tokens were issued, so it takes away the keys
// that they were signed with.
//
// The new epoch comes first. Stopped half way, the database is not served until
// another run has come to the end; each run begins an epoch of its own that
// holds every ending which a token could still need.
func (s *Store) Recover(ctx context.Context) (Recovered, error) {
	var out Recovered
	var err error
	if out.Epoch, err = s.beginEpoch(ctx); err != nil {
		return out, err
	}
	for some := []string{itself}; len(some) > 0; {
		for _, account := range some {
			if err := s.recoverAccount(ctx, account, &out); err != nil {
				return out, err
			}
		}
		if some, err = s.alive(ctx, some[len(some)-1]); err != nil {
			return out, err
		}
	}
	return out, s.verb(ctx, func(t *tx) error {
		_, err := t.exec(setRecovering, 0)
		return err
	})
}

const (
	setRecovering = `UPDATE installation SET recovering = $1 WHERE one = 1`
	dropKeys      = `DELETE FROM signing_keys`
	// An ending that a token could need is announced again, so that the new epoch
	// says everything by itself.
	carryEndings = `WITH needed AS (
	SELECT epoch, n, row_number() OVER (ORDER BY ended_at, epoch, n) AS place FROM endings WHERE needed_until > $2)
UPDATE endings SET epoch = $1, n = needed.place FROM needed WHERE endings.epoch = needed.epoch AND endings.n = needed.n`
	carryReceipts = `UPDATE receipts SET epoch = endings.epoch, n = endings.n FROM endings
WHERE endings.sid = receipts.sid AND endings.epoch = $1 AND receipts.state = '` + receiptWaiting + `'`
	setEpoch = `UPDATE endings_counter SET epoch = $1, n = $2 WHERE one = 1`
	// Streams of events hear of all of it, too.
	rewindSSF = `UPDATE ssf_streams SET epoch = $1, n = 0`
)

// beginEpoch begins the recovery: from here on the database is not served, no
// token from before can be verified, and endings have numbers of a new epoch.
func (s *Store) beginEpoch(ctx context.Context) (epoch string, err error) {
	err = s.long(ctx, func(t *tx) error {
		epoch = credentials.NewID()
		if _, err := t.exec(setRecovering, 1); err != nil {
			return err
		}
		if err := t.hold(itself); err != nil {
			return err
		}
		if err := t.record(itself, credentials.DraftRecovered(epoch, byOperator)); err != nil {
			return err
		}
		if _, err := t.exec(dropKeys); err != nil {
			return err
		}
		if _, err := t.exec(nextKeysVersion); err != nil {
			return err
		}
		return t.carry(epoch)
	})
	return epoch, err
}

// carry takes the endings over into a new epoch. It holds the counter before it
// looks, so that a session that somebody ends beside it is not left behind.
func (t *tx) carry(epoch string) error {
	if _, err := t.exec(setEpoch, epoch, 0); err != nil {
		return err
	}
	carried, err := t.exec(carryEndings, epoch, micros(t.now))
	if err != nil {
		return err
	}
	for _, query := range []string{carryReceipts, rewindSSF} {
		if _, err := t.exec(query, epoch); err != nil {
			return err
		}
	}
	_, err = t.exec(setEpoch, epoch, carried)
	return err
}

const aliveAccounts = `SELECT id FROM accounts WHERE id > $1 AND (
EXISTS (SELECT 1 FROM credentials WHERE account = accounts.id AND state = 'live') OR
EXISTS (SELECT 1 FROM sessions WHERE account = accounts.id AND ended_at = 0) OR
EXISTS (SELECT 1 FROM tries WHERE account = accounts.id AND state = 'reserved'))
ORDER BY id LIMIT $2`

// alive finds the next accounts in which there is something to end.
func (s *Store) alive(ctx context.Context, after string) (ids []string, err error) {
	err = s.query(ctx, aliveAccounts, []any{after, sweepBatch}, func(r row) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// recoverAccount ends what is alive in one account, in one transaction.
func (s *Store) recoverAccount(ctx context.Context, account string, out *Recovered) error {
	var tries, revoked, ended int
	err := s.long(ctx, func(t *tx) error {
		if err := t.hold(account); err != nil {
			return err
		}
		var err error
		if tries, err = t.lapseAll(account); err != nil {
			return err
		}
		revoked, err = t.revokeAll(account, credentials.CauseOperator, byOperator)
		ended = len(t.ended)
		return err
	})
	if err != nil {
		return err
	}
	out.Tries, out.Credentials, out.Sessions = out.Tries+tries, out.Credentials+revoked, out.Sessions+ended
	if tries+revoked+ended > 0 {
		out.Accounts++
	}
	return nil
}

const reservedTries = `SELECT id FROM tries WHERE account = $1 AND state = 'reserved'`

// lapseAll records the tries of a held account that will not be settled.
func (t *tx) lapseAll(account string) (int, error) {
	var reserved []string
	err := t.each(reservedTries, func(r row) error {
		var id string
		err := r.Scan(&id)
		reserved = append(reserved, id)
		return err
	}, account)
	if err != nil {
		return 0, err
	}
	for _, id := range reserved {
		if err := t.lapse(account, id); err != nil {
			return 0, err
		}
	}
	return len(reserved), nil
}
