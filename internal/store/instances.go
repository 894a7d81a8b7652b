package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// VouchEvery is how often a node vouches for the instances that are connected
// to it, by one row for all of them; grace is how long its word is good for.
const (
	VouchEvery = 5 * time.Second
	grace      = 3 * VouchEvery

	keepInstances = 24 * time.Hour
)

// Instance is a running copy of a relying app that follows the endings.
type Instance struct {
	Client, Name string // the name is its own, and unique for the client
	Audience     string
	Node         string        // that it is connected to
	Connected    bool          // false: it has left, or the connection is lost
	Staleness    time.Duration // how old its knowledge may be before it refuses
	Cursor       credentials.Cursor
	AckedAt      time.Time // when it had applied everything up to the cursor
}

const (
	intoInstances = `INSERT INTO instances (client, instance, audience, node, connected, staleness, seen_at, epoch, n, acked_at) VALUES `
	// Who comes or goes keeps how far it had come. One that has gone over to
	// another node in the meantime is not taken from there.
	onPresence = ` ON CONFLICT (client, instance) DO UPDATE SET
audience = CASE WHEN excluded.connected = 1 THEN excluded.audience ELSE instances.audience END,
staleness = CASE WHEN excluded.connected = 1 THEN excluded.staleness ELSE instances.staleness END,
connected = CASE WHEN excluded.connected = 1 OR instances.node = excluded.node THEN excluded.connected ELSE instances.connected END,
node = CASE WHEN excluded.connected = 1 THEN excluded.node ELSE instances.node END,
seen_at = excluded.seen_at`
	// An acknowledgement goes forward only, and into a new epoch.
	onAck = ` ON CONFLICT (client, instance) DO UPDATE SET
acked_at = CASE WHEN instances.epoch = excluded.epoch AND instances.n >= excluded.n THEN instances.acked_at ELSE excluded.acked_at END,
n = CASE WHEN instances.epoch = excluded.epoch AND instances.n >= excluded.n THEN instances.n ELSE excluded.n END,
epoch = excluded.epoch`

	vouchFor    = `INSERT INTO nodes (node, seen_at) VALUES ($1, $2) ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at`
	connectedAt = `SELECT count(*) FROM instances WHERE node = $1 AND connected = 1`

	dropInstances = `DELETE FROM instances WHERE seen_at + staleness <= $1 AND (connected = 0 OR
	NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.node = instances.node AND nodes.seen_at > $1))`
	dropNodes = `DELETE FROM nodes WHERE seen_at <= $1`
)

// Present writes who has come to this node and who has left it; each once.
func (s *Store) Present(ctx context.Context, list []Instance) error {
	return s.instances(ctx, list, onPresence)
}

// Acked writes how far instances have come; each once.
func (s *Store) Acked(ctx context.Context, list []Instance) error {
	return s.instances(ctx, list, onAck)
}

func (s *Store) instances(ctx context.Context, list []Instance, conflict string) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Instance) int { // nodes that write at once lock in one order
		return strings.Compare(fmt.Sprint(a.Client, "\x00", a.Name), fmt.Sprint(b.Client, "\x00", b.Name))
	})
	return s.verb(ctx, func(t *tx) error {
		for left := list; len(left) > 0; {
			chunk := left[:min(rowsAtOnce, len(left))]
			left = left[len(chunk):]
			var args []any
			var values []string
			for _, i := range chunk {
				row := []any{i.Client, i.Name, i.Audience, i.Node, flag(i.Connected), i.Staleness.Microseconds(), micros(t.now),
					i.Cursor.Epoch, i.Cursor.N, micros(i.AckedAt)}
				values = append(values, "("+places(len(args)+1, len(row))+")")
				args = append(args, row...)
			}
			if err := t.once(intoInstances+strings.Join(values, ", ")+conflict, args); err != nil {
				return err
			}
		}
		return nil
	})
}

// Vouch says that the instances of this node are still connected, and how many
// they are.
func (s *Store) Vouch(ctx context.Context, node string) (n int64, err error) {
	err = s.verb(ctx, func(t *tx) error {
		if _, err := t.exec(vouchFor, node, micros(t.now)); err != nil {
			return err
		}
		_, err := t.one(connectedAt, []any{node}, &n)
		return err
	})
	return n, err
}
