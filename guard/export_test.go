package guard

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// What tests look at from outside.

// Clocks are a wall clock that a test can set, and a monotonic one that it can
// stop, apart from the true ones.
type Clocks struct{ wall, mono atomic.Int64 }

// Set moves the wall clock, backward too.
func (c *Clocks) Set(by time.Duration) { c.wall.Add(int64(by)) }

// Suspend lets time pass that the monotonic clock does not count.
func (c *Clocks) Suspend(d time.Duration) { c.mono.Add(-int64(d)) }

// NewWithClocks is New with clocks that go on as the true ones do, unless moved.
func NewWithClocks(ctx context.Context, cfg Config, c *Clocks) (*Guard, error) {
	k := newClock(nil)
	read := k.read
	k.read = func() instant {
		now := read()
		return instant{now.wall + c.wall.Load(), now.mono + c.mono.Load()}
	}
	return newGuard(ctx, cfg, k)
}

func (g *Guard) Verify(ctx context.Context, raw string, r *http.Request) (*Session, error) {
	return g.verify(ctx, carried{raw, "bearer"}, r)
}
func (g *Guard) Payload(ctx context.Context, raw, typ string, algs ...string) ([]byte, error) {
	return g.payload(ctx, raw, typ, algs...)
}
func (g *Guard) Carry(source func(*http.Request) (string, bool)) {
	g.source.Store(&tokenSource{source, func(string) bool { return false }})
}
func (g *Guard) Fresh() bool                    { return g.isFresh(g.clock.read()) }
func (g *Guard) End(sid string)                 { g.end(sid) }
func (g *Guard) EndAt(sid string, at time.Time) { g.ledger.end(sid, Ending{At: at}) }
func (g *Guard) Forget()                        { g.cache.clear() }
func (g *Guard) CacheAtMost(n int)              { g.cache.most = n }
func (g *Guard) Queued() int                    { return len(g.actions.wait) }
func (g *Guard) Cached() int {
	g.cache.mu.RLock()
	defer g.cache.mu.RUnlock()
	return len(g.cache.known)
}
func (g *Guard) Ended() int {
	g.ledger.mu.RLock()
	defer g.ledger.mu.RUnlock()
	return len(g.ledger.ended)
}
func (g *Guard) Watched() int {
	g.ledger.mu.RLock()
	defer g.ledger.mu.RUnlock()
	return len(g.ledger.live)
}

// Event is one that was read from a stream.
type Event struct {
	Name, ID string
	HasID    bool
	Data     string
	Retry    time.Duration
}

// ReadEvents reads a stream to its end.
func ReadEvents(r io.Reader) (out []Event, err error) {
	e := newEvents(r)
	for {
		ev, err := e.next()
		if err != nil {
			return out, err
		}
		out = append(out, Event{ev.name, ev.id, ev.hasID, string(bytes.Clone(ev.data)), ev.retry})
	}
}

// ParseCursor splits an id of the feed.
func ParseCursor(id string) (epoch string, n int64, ok bool) {
	c, ok := parseCursor(id)
	return c.epoch, c.n, ok
}

// IssuerOf, SameURL and Bounds are what their small letters are.
func IssuerOf(raw string) string { return issuerOf(raw) }
func SameURL(a, b string) bool   { return sameURL(a, b) }

const (
	MaxQueue  = maxQueue
	MaxProofs = maxProofs
	MaxEnded  = maxEnded
	EndedKept = endedKept
	KeysFloor = keysFloor
	KeysKept  = keysKept
)

// UseProof remembers a proof of that number for as long as one can be used.
func (g *Guard) UseProof(number int) error {
	now := g.clock.read().wall
	return g.proofs.once(fmt.Sprint("proof ", number), now, now+int64(proofLife))
}

// ReadClaims reads a payload as if its signature were right.
func ReadClaims(g *Guard, payload []byte) { _, _ = g.read("", "", payload, 0) }

// Formerly is a support cookie as it was sealed before names had a tag, with another
// access token where one is given.
func (l *Login) Formerly(value, access string) string {
	plain, err := l.cookies.open("support", supportName, value)
	if err != nil {
		panic(err)
	}
	k, err := decodeKept(plain)
	if err != nil {
		panic(err)
	}
	if access != "" {
		k.Access = access
	}
	if plain, err = k.encode(); err != nil {
		panic(err)
	}
	value, err = l.former.seal("support", supportName, plain)
	if err != nil {
		panic(err)
	}
	return value
}
