package store

import (
	"context"
	"time"
)

const (
	// Streams of events are told of every ending, so each waits for them; but not
	// for ever for one that nobody gathers for.
	pruneEndings = `DELETE FROM endings WHERE (epoch, n) IN (
	SELECT e.epoch, e.n FROM endings e WHERE e.needed_until <= $1
	AND NOT EXISTS (SELECT 1 FROM ssf_streams s WHERE s.status <> 'disabled' AND s.epoch = e.epoch AND s.n < e.n)
	ORDER BY e.needed_until LIMIT $2) RETURNING sid`
	dropEndings = `DELETE FROM endings WHERE (epoch, n) IN (
	SELECT epoch, n FROM endings WHERE needed_until <= $1 ORDER BY needed_until LIMIT $2) RETURNING sid`
	// The outer condition is looked at once more where somebody else had the row.
	closeReceipts = `UPDATE receipts SET state = '` + receiptClosed + `' WHERE ` + receiptDue + ` <= $1 AND (sid, client) IN (
	SELECT sid, client FROM receipts WHERE ` + receiptDue + ` <= $1 ORDER BY ` + receiptDue + ` LIMIT $2)`
	// What was said is in the record, for good. Whom somebody is still to be told of
	// stays.
	dropReceipts = `DELETE FROM receipts WHERE ` + receiptDone + ` <= $1 AND (sid, client) IN (
	SELECT sid, client FROM receipts WHERE ` + receiptDone + ` <= $1 ORDER BY ` + receiptDone + ` LIMIT $2)`
)

const (
	keepOpen     = time.Hour           // an app that was away may still say that it refuses
	keepReceipts = 30 * 24 * time.Hour // after the last token
	keepEndings  = 7 * 24 * time.Hour  // for a stream of events: as long as that would hold them
	pruneBatches = 50                  // at a time: sessions may end faster than one batch each time
)

var freePlaces = `UPDATE sessions SET status_index = NULL WHERE sid IN (` + places(1, sweepBatch) + `)`

// pruneEndings forgets the endings that no token can need any more, and frees
// their sessions' places in the status list. It holds nothing that anybody waits
// for.
func (s *Store) pruneEndings(ctx context.Context) error {
	now := s.Past()
	for _, done := range []struct {
		query string
		until time.Time
	}{{pruneEndings, now}, {dropEndings, now.Add(-keepEndings)}} {
		for batch, n := 0, sweepBatch; n == sweepBatch && batch < pruneBatches; batch++ {
			err := s.guarded(ctx, func(t *tx) (err error) {
				n, err = t.pruneEndings(done.query, done.until)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return s.guarded(ctx, func(t *tx) error {
		if _, err := t.exec(closeReceipts, micros(now.Add(-keepOpen)), sweepBatch); err != nil {
			return err
		}
		_, err := t.exec(dropReceipts, micros(now.Add(-keepReceipts)), sweepBatch)
		return err
	})
}

func (t *tx) pruneEndings(query string, until time.Time) (n int, err error) {
	sids := make([]any, 0, sweepBatch)
	err = t.each(query, func(r row) error {
		var sid string
		err := r.Scan(&sid)
		sids = append(sids, sid)
		return err
	}, micros(until), sweepBatch)
	if n = len(sids); err != nil || n == 0 {
		return n, err
	}
	for len(sids) < sweepBatch {
		sids = append(sids, "")
	}
	_, err = t.exec(freePlaces, sids...)
	return n, err
}
