package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// The kinds of event.
const (
	SSFRevoked  = "session-revoked"
	SSFVerify   = "verification"
	SSFUpdated  = "stream-updated"
	ssfAtOnce   = 1000
	ssfDropping = 100 // events, by one statement
)

// SSFEvent is an event that a stream's receiver has not taken yet.
type SSFEvent struct {
	JTI     string
	Kind    string
	TXN     string    // the cursor of the ending
	SID     string    // of the session that ended
	What    string    // the cause of the ending, or the stream's new status
	Text    string    // the state of a verification, or the reason of the status
	EndedAt time.Time // when the session did
	MadeAt  time.Time
}

const (
	behindSSF = `SELECT s.id, s.client FROM ssf_streams s, endings_counter c
WHERE c.one = 1 AND s.status <> 'disabled' AND (s.epoch <> c.epoch OR s.n < c.n)`
	// Unlike what is sent to those who follow the log, nothing is left out: an
	// event is kept until it is delivered, however late.
	gatherSSF = `SELECT c.epoch, c.n, coalesce(e.n, 0), coalesce(e.sid, ''), coalesce(e.cause, ''), coalesce(e.ended_at, 0), coalesce(e.audiences, '')
FROM endings_counter c LEFT JOIN endings e ON e.epoch = c.epoch AND e.n > CASE WHEN c.epoch = $1 THEN CAST($2 AS BIGINT) ELSE 0 END
WHERE c.one = 1 ORDER BY e.n LIMIT $3`
	heldSSF        = `SELECT count(*) FROM ssf_events WHERE stream = $1`
	moveSSF        = `UPDATE ssf_streams SET epoch = $2, n = $3 WHERE id = $1`
	insertSSFEvent = `INSERT INTO ssf_events (stream, jti, kind, txn, sid, what, text, ended_at, made_at, n)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`
)

// SSFBehind finds the streams for which endings are to be gathered: the client
// of each by its id.
func (s *Store) SSFBehind(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := s.query(ctx, behindSSF, nil, func(r row) error {
		var id, client string
		err := r.Scan(&id, &client)
		out[id] = client
		return err
	})
	return out, err
}

// GatherSSF makes events of the endings of sessions of which the stream's audience
// held a token (of none where it is empty), up to a batch, and notes how far it has come, in one transaction: each
// ending becomes one event, whichever nodes do it, and whenever they stop. A
// stream that holds more than most is paused; what ends then is lost to it. So is
// one that nobody has gathered for until endings were forgotten. paused is why.
func (s *Store) GatherSSF(ctx context.Context, client, id string, hears func(SSFStream) (audience string), most int) (more bool, paused string, err error) {
	err = s.verb(ctx, func(t *tx) error {
		more, paused = false, ""
		stream, err := t.holdSSF(client, id)
		if err != nil || stream.Status == SSFDisabled {
			return err
		}
		at, found, err := t.endingsFor(stream.cursor)
		if err != nil {
			return err
		}
		if more = len(found) == ssfAtOnce; more {
			at.N = found[len(found)-1].N
		}
		missed := stream.missed(at, found)
		audience := hears(stream)
		found = slices.DeleteFunc(found, func(e credentials.Ending) bool { return audience == "" || !slices.Contains(e.Audiences, audience) })
		full, err := t.keepSSF(&stream, at.Epoch, found, most)
		switch {
		case full:
			paused = "Too many events are waiting to be taken. Those that come now are lost."
		case missed:
			paused = "No events were made for too long, and some are lost."
		}
		if paused != "" && stream.Status == SSFEnabled && err == nil {
			err = t.pauseSSF(&stream, paused)
		} else {
			paused = ""
		}
		if err != nil {
			return err
		}
		_, err = t.exec(moveSSF, id, at.Epoch, at.N)
		return err
	})
	return more, paused, err
}

// missed reports whether endings were forgotten that a stream had not come to. Its
// epoch has them all, one number after the other; one that begins has missed none.
func (s *SSFStream) missed(at credentials.Cursor, found []credentials.Ending) bool {
	next := at.N + 1
	if len(found) > 0 {
		next = found[0].N
	}
	return s.cursor.N > 0 && s.cursor.Epoch == at.Epoch && next > s.cursor.N+1
}

func (t *tx) endingsFor(from credentials.Cursor) (at credentials.Cursor, out []credentials.Ending, err error) {
	err = t.each(gatherSSF, func(r row) error {
		var e credentials.Ending
		var ended int64
		var audiences string
		err := r.Scan(&at.Epoch, &at.N, &e.N, &e.SID, &e.Cause, &ended, &audiences)
		if e.N > 0 {
			e.EndedAt, e.Audiences = fromMicros(ended), strings.Fields(audiences)
			out = append(out, e)
		}
		return err
	}, from.Epoch, from.N, ssfAtOnce)
	return at, out, err
}

// keepSSF stores events of endings, as many as the held stream has room for.
func (t *tx) keepSSF(s *SSFStream, epoch string, list []credentials.Ending, most int) (full bool, err error) {
	if len(list) == 0 {
		return false, nil
	}
	var held int
	if _, err := t.one(heldSSF, []any{s.ID}, &held); err != nil {
		return false, err
	}
	room := max(most-held, 0)
	full = len(list) > room
	for _, e := range list[:min(room, len(list))] {
		at := credentials.Cursor{Epoch: epoch, N: e.N}.String()
		row := SSFEvent{JTI: ssfID(s.ID, at), Kind: SSFRevoked, TXN: at, SID: e.SID, What: string(e.Cause), EndedAt: e.EndedAt}
		if err := t.addSSF(s.ID, row, e.N); err != nil {
			return false, err
		}
	}
	return full, nil
}

func (t *tx) addSSF(stream string, e SSFEvent, n int64) error {
	_, err := t.exec(insertSSFEvent, stream, e.JTI, e.Kind, e.TXN, e.SID, e.What, e.Text, micros(e.EndedAt), micros(t.now), n)
	return err
}

// ssfID is the jti of an ending's event in a stream: the same whoever makes it.
func ssfID(stream, ending string) string {
	sum := sha256.Sum256([]byte("valetkey ssf\x00" + stream + "\x00" + ending))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// pauseSSF pauses a held stream of our own accord, and has its receiver told
// (section 8.1.5).
func (t *tx) pauseSSF(s *SSFStream, reason string) error {
	before := s.Status
	s.Status, s.Reason = SSFPaused, reason
	if err := t.saveSSF(s, before); err != nil {
		return err
	}
	return t.addSSF(s.ID, SSFEvent{JTI: credentials.NewID(), Kind: SSFUpdated, What: SSFPaused, Text: reason}, 0)
}

// Who asks is there, so what could not be pushed is tried again.
const verifiedSSF = `UPDATE ssf_streams SET verified_at = $2, tries = 0, next_at = 0 WHERE id = $1`

// VerifySSF puts a verification event into a client's stream. soon: there was one
// less than every ago.
func (s *Store) VerifySSF(ctx context.Context, client, id, state string, every time.Duration) (status string, soon bool, err error) {
	err = s.verb(ctx, func(t *tx) error {
		stream, err := t.holdSSF(client, id)
		if err != nil {
			return err
		}
		status = stream.Status
		soon = !stream.verifiedAt.IsZero() && t.now.Sub(stream.verifiedAt) < every && t.now.After(stream.verifiedAt.Add(-every))
		if soon || status == SSFDisabled {
			return nil
		}
		if _, err := t.exec(verifiedSSF, id, micros(t.now)); err != nil {
			return err
		}
		return t.addSSF(id, SSFEvent{JTI: credentials.NewID(), Kind: SSFVerify, Text: state}, 0)
	})
	return status, soon, err
}
