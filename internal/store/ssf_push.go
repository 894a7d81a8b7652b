package store

import (
	"context"
	"time"
)

const (
	// What may be delivered: of a paused stream only the word that it is.
	deliverable = `(s.status = 'enabled' OR s.status = 'paused' AND e.kind = '` + SSFUpdated + `')`
	eventsSSF   = `SELECT e.jti, e.kind, e.txn, e.sid, e.what, e.text, e.ended_at, e.made_at FROM ssf_events e JOIN ssf_streams s ON s.id = e.stream
WHERE e.stream = $1 AND s.held_until >= CAST($2 AS BIGINT) AND ` + deliverable + ` ORDER BY e.made_at, e.n, e.jti LIMIT $3`
	dueSSF = `SELECT s.id, s.client FROM ssf_streams s WHERE s.method = 'push' AND s.next_at <= $1 AND s.held_until <= $1
AND EXISTS (SELECT 1 FROM ssf_events e WHERE e.stream = s.id AND ` + deliverable + `) ORDER BY s.next_at LIMIT $2`
	leaseSSF   = `UPDATE ssf_streams SET held_until = $2 WHERE id = $1 AND method = 'push' AND next_at <= $3 AND held_until <= $3 RETURNING ` + ssfColumns
	releaseSSF = `UPDATE ssf_streams SET held_until = 0, tries = $3, next_at = $4 WHERE id = $1 AND held_until = $2`
	oldSSF     = `SELECT DISTINCT s.id, s.client FROM ssf_events e JOIN ssf_streams s ON s.id = e.stream WHERE e.made_at <= $1`
	dropOldSSF = `DELETE FROM ssf_events WHERE stream = $1 AND made_at <= $2`
)

var dropSSF = `DELETE FROM ssf_events WHERE stream = $1 AND jti IN (` + places(2, ssfDropping) + `)`

// SSFEvents are the next events of a stream that may be delivered as it stands,
// oldest first: none where a lease is given and lost.
func (s *Store) SSFEvents(ctx context.Context, stream string, lease time.Time, limit int) (out []SSFEvent, err error) {
	err = s.query(ctx, eventsSSF, []any{stream, micros(lease), limit}, func(r row) error {
		var e SSFEvent
		var ended, made int64
		err := r.Scan(&e.JTI, &e.Kind, &e.TXN, &e.SID, &e.What, &e.Text, &ended, &made)
		e.EndedAt, e.MadeAt = fromMicros(ended), fromMicros(made)
		out = append(out, e)
		return err
	})
	return out, err
}

// TakenSSF forgets events that a stream's receiver has taken, or will never
// take.
func (s *Store) TakenSSF(ctx context.Context, stream string, jtis []string) error {
	return s.verb(ctx, func(t *tx) error {
		for rest := jtis; len(rest) > 0; {
			args := []any{stream}
			for i := range ssfDropping {
				jti := ""
				if i < len(rest) {
					jti = rest[i]
				}
				args = append(args, jti)
			}
			rest = rest[min(ssfDropping, len(rest)):]
			if _, err := t.exec(dropSSF, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// SSFDue finds streams to which something is to be pushed.
func (s *Store) SSFDue(ctx context.Context, limit int) (ids []string, err error) {
	err = s.query(ctx, dueSSF, []any{micros(s.now()), limit}, func(r row) error {
		var id, client string
		err := r.Scan(&id, &client)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// LeaseSSF keeps a stream that is due for this node, for so long. ok is false
// where another was faster.
func (s *Store) LeaseSSF(ctx context.Context, id string, life time.Duration) (out SSFStream, lease time.Time, ok bool, err error) {
	err = s.verb(ctx, func(t *tx) error {
		ok, lease = false, t.now.Add(life)
		return t.each(leaseSSF, func(r row) (err error) {
			ok = true
			out, err = scanSSF(r)
			return err
		}, id, micros(lease), micros(t.now))
	})
	return out, lease, ok, err
}

// ReleaseSSF gives a leased stream back: what failed so often is tried again
// after a pause.
func (s *Store) ReleaseSSF(ctx context.Context, id string, lease time.Time, tries int, pause time.Duration) error {
	return s.verb(ctx, func(t *tx) error {
		_, err := t.exec(releaseSSF, id, micros(lease), int64(tries), micros(t.now.Add(pause)))
		return err
	})
}

// TrimSSF forgets events older than keep. A stream that loses one is paused, so
// that its receiver learns of it; their ids are returned.
func (s *Store) TrimSSF(ctx context.Context, keep time.Duration) (paused []string, err error) {
	clients := map[string]string{}
	before := s.now().Add(-keep)
	err = s.query(ctx, oldSSF, []any{micros(before)}, func(r row) error {
		var id, client string
		err := r.Scan(&id, &client)
		clients[id] = client
		return err
	})
	for id, client := range clients {
		if err != nil {
			return paused, err
		}
		var now bool
		err = s.verb(ctx, func(t *tx) error {
			now = false
			stream, err := t.holdSSF(client, id)
			if err != nil {
				return err
			}
			if _, err := t.exec(dropOldSSF, id, micros(before)); err != nil || stream.Status != SSFEnabled {
				return err
			}
			now = true
			return t.pauseSSF(&stream, "Events were not taken for too long, and are lost.")
		})
		if now && err == nil {
			paused = append(paused, id)
		}
	}
	return paused, err
}
