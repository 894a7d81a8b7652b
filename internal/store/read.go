package store

import (
	"context"
	"encoding/json"
	"math"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
)

const readAccount = `SELECT id, connector, name, handle FROM accounts WHERE id = $1 AND id <> ''`

// Account implements credentials.Reader.
func (s *Store) Account(ctx context.Context, id string) (out credentials.Account, err error) {
	found := false
	err = s.query(ctx, readAccount, []any{id}, scanning(&found, &out.ID, &out.Connector, &out.Name, &out.Handle))
	if err == nil && !found {
		err = credentials.ErrNotFound
	}
	return out, err
}

// Credential implements credentials.Reader.
func (s *Store) Credential(ctx context.Context, account, id string) (out credentials.Credential, err error) {
	found := false
	err = s.query(ctx, selectCredential, []any{id}, func(r row) (err error) {
		found = true
		out, err = scanCredential(r)
		return err
	})
	if err == nil && (!found || out.Account != account) {
		return credentials.Credential{}, credentials.ErrNotFound
	}
	return out, err
}

const (
	listCredentials = `SELECT ` + credentialColumns + ` FROM credentials
WHERE account = $1 AND (made_at, id) < ($2, $3) ORDER BY made_at DESC, id DESC LIMIT $4`
	listSessions = `SELECT ` + sessionColumns + ` FROM sessions
WHERE account = $1 AND (opened_at, sid) < ($2, $3) ORDER BY opened_at DESC, sid DESC LIMIT $4`
)

// from is where a page starts: at the newest when it names nothing.
func from(p credentials.Page) int64 {
	if p.At.IsZero() {
		return math.MaxInt64
	}
	return micros(p.At)
}

// Credentials implements credentials.Reader.
func (s *Store) Credentials(ctx context.Context, account string, p credentials.Page) (out []credentials.Credential, err error) {
	err = s.query(ctx, listCredentials, []any{account, from(p), p.ID, p.Limit}, func(r row) error {
		c, err := scanCredential(r)
		out = append(out, c)
		return err
	})
	return out, err
}

// Sessions implements credentials.Reader.
func (s *Store) Sessions(ctx context.Context, account string, p credentials.Page) (out []credentials.Session, err error) {
	err = s.query(ctx, listSessions, []any{account, from(p), p.ID, p.Limit}, gather(&out))
	return out, err
}

const (
	entryColumns  = `SELECT seq, at, kind, facts, digests, prev, hash FROM record WHERE chain = $1 `
	recordBack    = entryColumns + `AND seq < $2 ORDER BY seq DESC LIMIT $3`
	recordForward = entryColumns + `AND seq > $2 ORDER BY seq LIMIT $3`
	readPeople    = `SELECT seq, person, salt, fields FROM record_people WHERE chain = $1 AND seq >= $2 AND seq <= $3`
)

// Record implements credentials.Reader.
func (s *Store) Record(ctx context.Context, chain string, p credentials.RecordPage) ([]audit.Entry, error) {
	query, bound := recordBack, p.Before
	switch {
	case p.Forward:
		query, bound = recordForward, p.After
	case p.Before == 0:
		bound = math.MaxInt64
	}
	var out []audit.Entry
	at := map[int64]int{}
	low, high := int64(math.MaxInt64), int64(0)
	err := s.query(ctx, query, []any{chain, bound, p.Limit}, func(r row) error {
		e, err := scanEntry(r, chain)
		at[e.Seq] = len(out)
		low, high = min(low, e.Seq), max(high, e.Seq)
		out = append(out, e)
		return err
	})
	if err != nil || len(out) == 0 {
		return out, err
	}
	return out, s.query(ctx, readPeople, []any{chain, low, high}, func(r row) error {
		var seq int64
		var person audit.Person
		var fields string
		if err := r.Scan(&seq, &person.ID, &person.Salt, &fields); err != nil {
			return err
		}
		if i, ok := at[seq]; ok {
			out[i].About = append(out[i].About, person)
			return json.Unmarshal([]byte(fields), &out[i].About[len(out[i].About)-1].Fields)
		}
		return nil
	})
}

func scanEntry(r row, chain string) (audit.Entry, error) {
	e := audit.Entry{Chain: chain}
	var at int64
	var facts, digests string
	if err := r.Scan(&e.Seq, &at, &e.Kind, &facts, &digests, &e.Prev, &e.Hash); err != nil {
		return e, err
	}
	e.At = fromMicros(at)
	if len(e.Prev) == 0 {
		e.Prev = nil
	}
	if err := json.Unmarshal([]byte(facts), &e.Facts); err != nil {
		return e, err
	}
	return e, json.Unmarshal([]byte(digests), &e.Digests)
}
