package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
)

// itself is the id of the account row that stands for the installation.
const itself = ""

// head is an account's row, held by this transaction, and its record's end.
type head struct {
	credentials.Account
	salt  []byte
	chain audit.Head
	dirty bool

	pending []any // of saveForeseen, which has been put and not sent
	last    []any // the newest entry, where it is to be written together with the record's end
}

const (
	headColumns = `id, connector, name, handle, salt, seq, hash, at`
	holdAccount = `SELECT ` + headColumns + ` FROM accounts WHERE id = $1` // by tx.holdBy
	saveAccount = `UPDATE accounts SET seq = $2, hash = $3, at = $4 WHERE id = $1`
)

// hold takes the head rows of accounts, in ascending order of their ids, and
// then the transaction's time. An account that does not exist is
// credentials.ErrNotFound.
func (t *tx) hold(ids ...string) error {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	had := len(t.heads)
	for _, id := range ids {
		if err := t.holdSoon(id); err != nil {
			return err
		}
	}
	if err := t.send(); err != nil {
		return err
	}
	if len(t.heads)-had < len(ids) {
		return credentials.ErrNotFound
	}
	t.now = t.s.now().UTC().Truncate(time.Microsecond)
	return nil
}

// holdSoon takes an account's head row, and then the transaction's time, by the
// time that the next statement returns: that statement already sees the account
// as it is held. Without such an account there is no head.
func (t *tx) holdSoon(id string) error { return t.holdBy(holdAccount, id) }

// holdBy is holdSoon by a query that finds what holdAccount does. What it returns
// is the row as it stands when nobody else holds it any more.
func (t *tx) holdBy(query string, args ...any) error { return t.heldBy(query+t.s.engine.lock, args...) }

// heldBy is holdBy by a statement that locks the row by itself.
func (t *tx) heldBy(query string, args ...any) error {
	return t.soon(query, func(r row) error {
		h := &head{}
		var at int64
		err := r.Scan(&h.ID, &h.Connector, &h.Name, &h.Handle, &h.salt, &h.chain.Seq, &h.chain.Hash, &at)
		h.chain.At = fromMicros(at)
		t.heads = append(t.heads, h)
		t.now = t.s.now().UTC().Truncate(time.Microsecond)
		return err
	}, args...)
}

// head finds a held row.
func (t *tx) head(id string) *head {
	for _, h := range t.heads {
		if h.ID == id {
			return h
		}
	}
	return nil
}

// The tables of the record, with the columns of a row from chain.
const (
	intoRecord = `record (chain, seq, at, kind, facts, digests, prev, hash)`
	intoPeople = `record_people (chain, seq, person, salt, fields)`

	insertEntry = `INSERT INTO ` + intoRecord + ` VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	insertAbout = `INSERT INTO ` + intoPeople + ` VALUES ($1, $2, $3, $4, $5)`

	// An entry that is the record's end, for PostgreSQL: what a statement costs it and
	// us besides what it does is saved.
	insertLast = `WITH its AS (UPDATE accounts SET seq = $2, hash = $8, at = $3 WHERE id = $1) ` + insertEntry
)

// record appends an entry to the record of a held account.
func (t *tx) record(account string, d audit.Draft) error {
	entry, about, err := t.chain(account, d)
	if err != nil {
		return err
	}
	h := t.head(account)
	if err := h.write(t); err != nil {
		return err
	}
	if h.last = entry; t.s.engine.file || h.pending != nil {
		err = h.write(t)
	}
	if err != nil {
		return err
	}
	for _, person := range about {
		if err := t.put(insertAbout, person...); err != nil {
			return err
		}
	}
	return nil
}

// chain links an entry to the record of a held account and returns the rows
// that are to be written for it.
func (t *tx) chain(account string, d audit.Draft) (entry []any, about [][]any, err error) {
	h := t.head(account)
	if h == nil {
		return nil, nil, fmt.Errorf("the record of %q is written without holding its head", account)
	}
	e := h.chain.Append(account, t.now, d)
	facts, err := json.Marshal(e.Facts)
	if err != nil {
		return nil, nil, err
	}
	digests, err := json.Marshal(e.Digests)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range e.About {
		fields, err := json.Marshal(p.Fields)
		if err != nil {
			return nil, nil, err
		}
		about = append(about, []any{account, e.Seq, p.ID, p.Salt, string(fields)})
	}
	h.chain, h.dirty = e.Head(), true
	return []any{account, e.Seq, micros(e.At), e.Kind, string(facts), string(digests), e.Prev, e.Hash}, about, nil
}

// save writes the record's new end into the head row.
func (h *head) save(t *tx) error {
	if !h.dirty {
		return nil
	}
	if h.pending != nil {
		copy(h.pending[1:], []any{h.chain.Seq, h.chain.Hash, micros(h.chain.At)})
		return nil
	}
	if last := h.last; last != nil && last[1] == h.chain.Seq {
		h.last = nil
		return t.put(insertLast, last...)
	}
	if err := h.write(t); err != nil {
		return err
	}
	return t.put(saveAccount, h.ID, h.chain.Seq, h.chain.Hash, micros(h.chain.At))
}

// write writes the newest entry, if that is still to be done.
func (h *head) write(t *tx) error {
	if h.last == nil {
		return nil
	}
	last := h.last
	h.last = nil
	return t.put(insertEntry, last...)
}

const endSession = `UPDATE sessions SET ended_at = $2, cause = $3, due_at = $2 WHERE sid = $1 AND ended_at = 0`

// end ends a session of a held account, once: its row, its entry, its number.
// It returns the session as ended.
func (t *tx) end(s credentials.Session, cause credentials.Cause, by credentials.Mark) (credentials.Session, error) {
	if s.Ended() {
		return s, nil
	}
	s.EndedAt, s.Cause = t.now, cause
	if err := t.put(endSession, s.ID, micros(s.EndedAt), string(cause)); err != nil {
		return s, err
	}
	if err := t.record(s.Account.ID, credentials.DraftEnded(s, by)); err != nil {
		return s, err
	}
	t.ended = append(t.ended, s)
	return s, nil
}
