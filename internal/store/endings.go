package store

import (
	"context"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

const (
	lengthenLife = `UPDATE endings_counter SET access = $1 WHERE one = 1 AND access < $1`
	countEndings = `UPDATE endings_counter SET n = n + $1 WHERE one = 1 RETURNING epoch, n, access`
	intoEndings  = `endings (epoch, n, sid, account, credential, cause, ended_at, audiences, needed_until, status_index)`
	notifyNodes  = `SELECT pg_notify('` + endingsChannel + `', '')`
)

// lengthen keeps the longest life that access tokens ever had here. It is never
// shortened: tokens from before a change of the configuration still live.
func (s *Store) lengthen(ctx context.Context, access time.Duration) error {
	if access == 0 { // this program issues none
		return nil
	}
	return s.verb(ctx, func(t *tx) error {
		_, err := t.exec(lengthenLife, access.Microseconds())
		return err
	})
}

// number gives the transaction's endings their numbers, with one update of the
// counter, after every other lock. So the order of numbers is the order of
// commits, and whoever has read up to one has read everything before it.
func (t *tx) number() error {
	k := int64(len(t.ended))
	if k == 0 {
		return nil
	}
	held, err := t.holders()
	if err != nil {
		return err
	}
	var epoch string
	var n, access int64
	if _, err := t.one(countEndings, []any{k}, &epoch, &n, &access); err != nil {
		return err
	}
	rows := make([][]any, 0, k)
	t.told.after = credentials.Cursor{Epoch: epoch, N: n - k}
	var receipts [][]any
	for i, s := range t.ended {
		at := credentials.Cursor{Epoch: epoch, N: n - k + 1 + int64(i)}
		// The clock of whoever ends it may be behind. Each token was activity, of which
		// the last may not have been noted any more.
		tokens := max(micros(s.EndedAt), micros(s.ActiveAt.Add(noted))) + access
		tokens = max(min(tokens, micros(s.EndsAt)), micros(s.EndedAt))
		e := credentials.Ending{N: at.N, SID: s.ID, Account: s.Account.ID, Credential: s.Credential, Cause: s.Cause, EndedAt: fromMicros(micros(s.EndedAt)),
			NeededUntil: fromMicros(tokens + credentials.EndingMargin.Microseconds()), Audiences: held.audiences(s.ID), StatusIndex: s.StatusIndex}
		t.told.endings = append(t.told.endings, e)
		rows = append(rows, []any{at.Epoch, e.N, e.SID, e.Account, e.Credential, string(e.Cause), micros(e.EndedAt),
			strings.Join(e.Audiences, " "), micros(e.NeededUntil), e.StatusIndex})
		receipts = append(receipts, t.s.receipts(s, held[s.ID], at, tokens)...)
	}
	if err := t.insert(intoEndings, rows); err != nil {
		return err
	}
	if err := t.insert(intoReceipts, receipts); err != nil || !t.s.engine.notify {
		return err
	}
	return t.put(notifyNodes)
}

// holder is a client that held a token of a session.
type holder struct{ client, audience string }

// holders are those of each ended session, by client. One whose audience was
// changed meanwhile comes several times, its newest last.
type holders map[string][]holder

func (h holders) audiences(sid string) (out []string) {
	seen := map[string]bool{}
	for _, each := range h[sid] {
		if !seen[each.audience] {
			seen[each.audience] = true
			out = append(out, each.audience)
		}
	}
	return out
}

// holdersOf finds who held tokens. Its text is the same for each number of
// sessions up to a hundred, so that it is kept; what is missing is filled up.
var holdersOf = map[int]string{1: selectHolders(1), namesAtOnce: selectHolders(namesAtOnce)}

func selectHolders(n int) string {
	return `SELECT sid, client, audience FROM grants WHERE sid IN (` + places(1, n) + `) GROUP BY sid, client, audience ORDER BY sid, client, max(at)`
}

// holders are complete by the time that the next statement returns.
func (t *tx) holders() (holders, error) {
	out := holders{}
	for left := t.ended; len(left) > 0; {
		n := 1
		if len(left) > 1 {
			n = namesAtOnce
		}
		args := make([]any, n)
		for i := range args {
			args[i] = ""
			if i < len(left) {
				args[i] = left[i].ID
			}
		}
		left = left[min(n, len(left)):]
		err := t.soon(holdersOf[n], func(r row) error {
			var sid string
			var h holder
			err := r.Scan(&sid, &h.client, &h.audience)
			out[sid] = append(out[sid], h)
			return err
		}, args...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// One statement, so that counter and endings are seen at the same moment.
const readEndings = `SELECT c.epoch, c.n, coalesce(e.n, 0), coalesce(e.sid, ''), coalesce(e.account, ''), coalesce(e.credential, ''), coalesce(e.cause, ''),
coalesce(e.ended_at, 0), coalesce(e.audiences, ''), coalesce(e.needed_until, 0), coalesce(e.status_index, 0)
FROM endings_counter c LEFT JOIN endings e ON e.epoch = c.epoch AND e.n > $1
WHERE c.one = 1 ORDER BY e.n LIMIT $2`

// Endings reads the log past n, oldest first, and how far the reader has come
// with that: where there are more than limit, to the last of these. Whoever
// finds another epoch, or a lower number than n, is to begin again at 0.
//
// It tells what is stored whatever this node's clock says, which may be ahead:
// that an ending is not needed any more is for the job to decide, which looks at
// the clock first.
func (s *Store) Endings(ctx context.Context, n int64, limit int) (at credentials.Cursor, out []credentials.Ending, err error) {
	err = s.query(ctx, readEndings, []any{n, limit}, func(r row) error {
		var e credentials.Ending
		var ended, needed int64
		var audiences string
		err := r.Scan(&at.Epoch, &at.N, &e.N, &e.SID, &e.Account, &e.Credential, &e.Cause, &ended, &audiences, &needed, &e.StatusIndex)
		if e.N > 0 {
			e.EndedAt, e.NeededUntil, e.Audiences = fromMicros(ended), fromMicros(needed), strings.Fields(audiences)
			out = append(out, e)
		}
		return err
	})
	if len(out) == limit {
		at.N = out[limit-1].N
	}
	return at, out, err
}

// told are the endings of one transaction: all that there are between a place in
// the log and the number of the last.
type told struct {
	after   credentials.Cursor
	endings []credentials.Ending
}

// Hear has what a transaction of this node has ended told at once after its commit,
// by whoever waits for the commit, to a function that is quick. It is told all that
// there is between a place in the log and the last of the endings; because the order
// of numbers is the order of commits, that is all that there is for whoever had come
// to that place. Whoever had not returns false, and is woken to read. Hear is called
// before anything ends.
func (s *Store) Hear(f func(after credentials.Cursor, endings []credentials.Ending) bool) { s.hear = f }

func (s *Store) tell(t told) bool { return s.hear != nil && s.hear(t.after, t.endings) }

// Wake is signalled when there may be endings that have not been read or heard: by
// a commit of this node, or a notice from another. One reader may wait on it, and
// none may rely on it, because a notice can be lost.
func (s *Store) Wake() <-chan struct{} { return s.wake }

func (s *Store) woken() {
	select {
	case s.wake <- struct{}{}:
	default: // the reader has not come to the one before
	}
}
