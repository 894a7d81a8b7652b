package guard

import (
	"strconv"
	"strings"
	"sync"
)

// cursor is a place in the log of endings: <epoch>-<n>.
type cursor struct {
	epoch string
	n     int64
}

func (c cursor) String() string { return c.epoch + "-" + strconv.FormatInt(c.n, 10) }

// parseCursor reads an id; n is what follows the last hyphen.
func parseCursor(id string) (cursor, bool) {
	at := strings.LastIndexByte(id, '-')
	if at <= 0 || len(id) > 200 || !named(id) {
		return cursor{}, false
	}
	n, err := strconv.ParseInt(id[at+1:], 10, 64)
	return cursor{id[:at], n}, err == nil && n >= 0
}

// position is how far the endings are applied. Two streams may move it on for a
// while: both send everything in order, so that the larger one is true.
type position struct {
	mu sync.Mutex
	at cursor // without an epoch: nothing is known, begin with a replay
}

func (p *position) get() cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// forget makes the next connection ask for a replay.
func (p *position) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = cursor{}
}

// reach notes that everything up to a place is applied.
func (p *position) reach(c cursor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.epoch != p.at.epoch || c.n > p.at.n {
		p.at = c
	}
}
