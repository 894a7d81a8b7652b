package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// What becomes of a receipt.
const (
	receiptWaiting = "waiting" // for the app's word
	receiptApplied = "applied"
	receiptClosed  = "closed" // no word came, or none is to come: its tokens have run out, or will
)

const intoReceipts = `receipts (sid, client, audience, account, epoch, n, enforces, state, ended_at, tokens_until, session_ends,
applied_at, instances, logout_next, logout_tries)`

// receipts are the rows of an ending: one for each client that held a token.
func (s *Store) receipts(ended credentials.Session, held []holder, at credentials.Cursor, tokensUntil int64) (rows [][]any) {
	for i, h := range held {
		if i+1 < len(held) && held[i+1].client == h.client {
			continue // its audience is another now
		}
		c := s.clients[h.client] // one that is configured no more enforces nothing that we know of
		state, logout := receiptClosed, int64(0)
		if c.Enforces == "" {
			c.Enforces = credentials.ByNothing
		}
		if c.Enforces == credentials.ByGuard || c.Enforces == credentials.ByLogout {
			state = receiptWaiting
		}
		if c.Logout {
			logout = micros(ended.EndedAt)
		}
		rows = append(rows, []any{ended.ID, h.client, h.audience, ended.Account.ID, at.Epoch, at.N, string(c.Enforces), state,
			micros(ended.EndedAt), tokensUntil, micros(ended.EndsAt), int64(0), int64(0), logout, int64(0)})
	}
	return rows
}

const listReceipts = `SELECT r.sid, r.client, r.audience, r.account, r.enforces, r.ended_at, r.applied_at, r.instances, r.tokens_until,
coalesce((SELECT max(staleness) FROM instances i WHERE i.audience = r.audience), 0)
FROM receipts r WHERE r.account = $1 AND r.sid IN (`

var receiptsOf = listReceipts + places(2, namesAtOnce) + `) ORDER BY r.sid, r.client`

// Receipts implements credentials.Reader.
func (s *Store) Receipts(ctx context.Context, account string, sids []string) (map[string][]credentials.Receipt, error) {
	out := map[string][]credentials.Receipt{}
	for len(sids) > 0 {
		args := make([]any, 1+namesAtOnce)
		args[0] = account
		for i := range namesAtOnce {
			args[1+i] = ""
			if i < len(sids) {
				args[1+i] = sids[i]
			}
		}
		sids = sids[min(namesAtOnce, len(sids)):]
		err := s.query(ctx, receiptsOf, args, func(r row) error {
			var x credentials.Receipt
			var ended, applied, tokens, staleness int64
			err := r.Scan(&x.SID, &x.Client, &x.Audience, &x.Account, &x.Enforces, &ended, &applied, &x.Instances, &tokens, &staleness)
			x.EndedAt, x.AppliedAt, x.TokensUntil = fromMicros(ended), fromMicros(applied), fromMicros(tokens)
			x.Staleness = time.Duration(staleness) * time.Microsecond
			out[x.SID] = append(out[x.SID], x)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

const (
	// Until when each instance's tokens may be believed without a new word: one
	// that is connected is vouched for by its node, and so on for as long as that
	// is good for; one that is not has its freshness left.
	believed = `WITH believed AS (SELECT i.epoch, i.n, i.acked_at, i.staleness + CASE
	WHEN i.connected = 0 THEN i.seen_at
	WHEN coalesce(k.seen_at, 0) > i.seen_at THEN k.seen_at + $2
	ELSE i.seen_at + $2 END AS until
FROM instances i LEFT JOIN nodes k ON k.node = i.node WHERE i.audience = $1) `
	// How far the living ones have come. One of another epoch has come nowhere.
	instancesOf = believed + `SELECT count(*), coalesce(min(CASE WHEN epoch = $4 THEN n ELSE -1 END), -1), coalesce(max(acked_at), 0)
FROM believed WHERE until > $3`
	lapsedSince = believed + `SELECT CASE WHEN epoch = $5 THEN n ELSE -1 END, until FROM believed WHERE until <= $3 AND until > $4`
	waitingFor  = `SELECT sid, client, account, ended_at, n FROM receipts
WHERE audience = $1 AND enforces = 'guard' AND state = '` + receiptWaiting + `' AND epoch = $2 AND n <= $3 ORDER BY n LIMIT $4`
	applyReceipt = `UPDATE receipts SET state = '` + receiptApplied + `', applied_at = $3, instances = $4 WHERE sid = $1 AND client = $2 AND state = '` + receiptWaiting + `'`
)

// CompleteReceipts writes down what all living instances of an audience have
// acknowledged: for each session and app one entry in the account's record. more
// means that there is more to write.
func (s *Store) CompleteReceipts(ctx context.Context, audience, epoch string) (more bool, err error) {
	now := micros(s.now())
	var count, acked, at int64
	found := false
	err = s.query(ctx, instancesOf, []any{audience, grace.Microseconds(), now, epoch}, scanning(&found, &count, &acked, &at))
	if err != nil || count == 0 || acked < 1 {
		return false, err
	}
	var waiting []credentials.Receipt
	var places []int64
	err = s.query(ctx, waitingFor, []any{audience, epoch, acked, sweepBatch}, func(r row) error {
		x := credentials.Receipt{Audience: audience, Enforces: credentials.ByGuard, Instances: int(count), AppliedAt: fromMicros(at)}
		var ended, n int64
		err := r.Scan(&x.SID, &x.Client, &x.Account, &ended, &n)
		x.EndedAt = fromMicros(ended)
		waiting, places = append(waiting, x), append(places, n)
		return err
	})
	if err == nil && len(waiting) > 0 {
		err = s.lapsed(ctx, audience, epoch, now, waiting, places)
	}
	if err != nil {
		return false, err
	}
	return len(waiting) == sweepBatch, s.applyAll(ctx, waiting)
}

// lapsed sees to those who went away without a word: until their freshness had
// run out they may have let the session in, so the receipts are no earlier.
// places are the numbers of the receipts' endings.
func (s *Store) lapsed(ctx context.Context, audience, epoch string, now int64, waiting []credentials.Receipt, places []int64) error {
	first := now
	for _, r := range waiting {
		first = min(first, micros(r.EndedAt))
	}
	return s.query(ctx, lapsedSince, []any{audience, grace.Microseconds(), now, first, epoch}, func(rows row) error {
		var acked, until int64
		err := rows.Scan(&acked, &until)
		for i := range waiting {
			if r := &waiting[i]; acked < places[i] && until > micros(r.EndedAt) && until > micros(r.AppliedAt) {
				r.AppliedAt = fromMicros(until)
			}
		}
		return err
	})
}

// applyAll writes down receipts of several accounts, one account after another.
func (s *Store) applyAll(ctx context.Context, list []credentials.Receipt) (err error) {
	slices.SortStableFunc(list, func(a, b credentials.Receipt) int { return strings.Compare(a.Account, b.Account) })
	for rest := list; len(rest) > 0 && err == nil; {
		n := 1
		for n < len(rest) && rest[n].Account == rest[0].Account {
			n++
		}
		err = s.Apply(ctx, rest[:n]...)
		rest = rest[n:]
	}
	return err
}

// Apply writes down receipts of one account, each once.
func (s *Store) Apply(ctx context.Context, list ...credentials.Receipt) error {
	return s.verb(ctx, func(t *tx) error {
		if err := t.hold(list[0].Account); err != nil {
			return err
		}
		for _, r := range list {
			if err := t.apply(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// apply writes down the receipt of a held account, unless another node was
// faster.
func (t *tx) apply(r credentials.Receipt) error {
	if r.AppliedAt.Before(r.EndedAt) { // two nodes' clocks
		r.AppliedAt = r.EndedAt
	}
	n, err := t.exec(applyReceipt, r.SID, r.Client, micros(r.AppliedAt), int64(r.Instances))
	if err != nil || n == 0 {
		return err
	}
	return t.record(r.Account, credentials.DraftReceipt(r))
}
