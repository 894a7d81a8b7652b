package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// What a stream's status says (Shared Signals Framework 1.0 section 8.1.2.1).
const (
	SSFEnabled  = "enabled"
	SSFPaused   = "paused"   // its events are kept
	SSFDisabled = "disabled" // there are none
)

// How the events of a stream are delivered.
const (
	SSFPush = "push" // RFC 8935
	SSFPoll = "poll" // RFC 8936
)

// SSFStream is a stream of security events to a client.
type SSFStream struct {
	ID, Client  string
	Method      string
	Endpoint    string // of push
	Header      []byte // sealed: the Authorization header of push; empty: none
	Requested   string // the events that were asked for, as JSON; empty: nothing was said
	Description string
	Status      string
	Reason      string // of the status
	MadeAt      time.Time
	Tries       int // of push, that failed since one was taken

	verifiedAt time.Time
	cursor     credentials.Cursor // how far the endings have been gathered
}

// ssfColumns are in the order of scanSSF.
const ssfColumns = `id, client, method, endpoint, header, requested, description, status, reason, epoch, n, made_at, verified_at, tries`

func scanSSF(r row) (s SSFStream, err error) {
	var made, verified int64
	err = r.Scan(&s.ID, &s.Client, &s.Method, &s.Endpoint, &s.Header, &s.Requested, &s.Description, &s.Status, &s.Reason,
		&s.cursor.Epoch, &s.cursor.N, &made, &verified, &s.Tries)
	s.MadeAt, s.verifiedAt = fromMicros(made), fromMicros(verified)
	return s, err
}

const (
	listSSF    = `SELECT ` + ssfColumns + ` FROM ssf_streams WHERE client = $1 ORDER BY made_at, id`
	countSSF   = `SELECT epoch, n, (SELECT count(*) FROM ssf_streams WHERE client = $1) FROM endings_counter WHERE one = 1`
	insertSSF  = `INSERT INTO ssf_streams (` + ssfColumns + `, next_at, held_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, 0, 0)`
	holdSSF    = `UPDATE ssf_streams SET n = n WHERE id = $1 AND client = $2 RETURNING ` + ssfColumns
	saveSSF    = `UPDATE ssf_streams SET method = $2, endpoint = $3, header = $4, requested = $5, description = $6, status = $7, reason = $8, epoch = $9, n = $10, tries = 0, next_at = 0, held_until = 0 WHERE id = $1`
	deleteSSF  = `DELETE FROM ssf_streams WHERE id = $1 AND client = $2`
	dropAllSSF = `DELETE FROM ssf_events WHERE stream = $1`
)

// SSFStreams are a client's streams, in the order in which they were made.
func (s *Store) SSFStreams(ctx context.Context, client string) (out []SSFStream, err error) {
	err = s.query(ctx, listSSF, []any{client}, func(r row) error {
		found, err := scanSSF(r)
		out = append(out, found)
		return err
	})
	return out, err
}

// CreateSSF makes a stream, unless the client has as many as it may. It begins
// with the endings that a token could still need.
func (s *Store) CreateSSF(ctx context.Context, in SSFStream, most int) (out SSFStream, made bool, err error) {
	err = s.verb(ctx, func(t *tx) error {
		out, made = in, false
		var have int
		if _, err := t.one(countSSF, []any{in.Client}, &out.cursor.Epoch, &out.cursor.N, &have); err != nil || have >= most {
			return err
		}
		out.cursor.N, out.MadeAt, made = 0, t.now, true
		_, err := t.exec(insertSSF, out.ID, out.Client, out.Method, out.Endpoint, orEmpty(out.Header), out.Requested, out.Description,
			out.Status, out.Reason, out.cursor.Epoch, out.cursor.N, micros(out.MadeAt))
		return err
	})
	return out, made, err
}

func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// holdSSF takes the row of a client's stream: whatever gathers for it, changes it
// or takes its status into account waits.
func (t *tx) holdSSF(client, id string) (out SSFStream, err error) {
	err = credentials.ErrNotFound
	if failed := t.each(holdSSF, func(r row) error {
		out, err = scanSSF(r)
		return err
	}, id, client); failed != nil {
		err = failed
	}
	return out, err
}

// ChangeSSF lets f change a client's stream. Disabling it drops its events; when
// it is enabled after that, it goes on with what ends from then on.
func (s *Store) ChangeSSF(ctx context.Context, client, id string, f func(*SSFStream) error) (out SSFStream, err error) {
	err = s.verb(ctx, func(t *tx) error {
		var err error
		if out, err = t.holdSSF(client, id); err != nil {
			return err
		}
		before := out.Status
		if err := f(&out); err != nil {
			return err
		}
		return t.saveSSF(&out, before)
	})
	return out, err
}

// saveSSF writes a held stream. Whoever pushes to it at this moment loses it: the
// next event goes where it says now.
func (t *tx) saveSSF(s *SSFStream, before string) error {
	if s.Status != before {
		var have int
		if s.Status == SSFDisabled {
			if _, err := t.exec(dropAllSSF, s.ID); err != nil {
				return err
			}
		} else if before == SSFDisabled {
			if _, err := t.one(countSSF, []any{s.Client}, &s.cursor.Epoch, &s.cursor.N, &have); err != nil {
				return err
			}
		}
	}
	s.Tries = 0
	_, err := t.exec(saveSSF, s.ID, s.Method, s.Endpoint, orEmpty(s.Header), s.Requested, s.Description, s.Status, s.Reason, s.cursor.Epoch, s.cursor.N)
	return err
}

// DeleteSSF deletes a client's stream and what it holds.
func (s *Store) DeleteSSF(ctx context.Context, client, id string) error {
	return s.verb(ctx, func(t *tx) error {
		n, err := t.exec(deleteSSF, id, client)
		if err == nil && n == 0 {
			err = credentials.ErrNotFound
		}
		if err != nil {
			return err
		}
		_, err = t.exec(dropAllSSF, id)
		return err
	})
}
