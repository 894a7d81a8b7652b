package revocation

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// turns is in how many parts the crowd is told that it is fresh, one after the
// other within freshEvery.
const turns = 20

// crowd is the streams whose readers keep up. One goroutine writes to all of
// them, without waiting for any: a thousand that have one each would have to be
// woken first, which takes as long as what they write. A reader who does not take
// what is written is given a goroutine that waits for it.
type crowd struct {
	feed *Feed

	mu      sync.Mutex
	parts   [turns][]*member
	n       int // members
	joined  int // ever: who comes is put into the next part
	turn    int // the part that is told next
	running bool
	now     time.Time          // when it began to write what it writes
	told    credentials.Cursor // what was shown to everybody
	own     []byte             // what one member is told
	shared  []byte             // what all are told who have come equally far
}

// member is a stream over a connection of its own. What an ending needs of it is
// at the beginning: a thousand are looked at then, and none of them is warm.
type member struct {
	try   func([]byte) (int, error) // see promptly; while it is in the crowd
	part  int                       // of the crowd
	place int                       // in its part; -1: not in the crowd
	stream

	conn net.Conn
	over func()
	end  *time.Timer
}

// close ends a stream. Whoever has taken it out of the crowd calls it, once.
func (m *member) close() {
	_ = m.conn.Close()
	m.over()
}

// alone writes a stream by a goroutine of its own.
func (m *member) alone(f *Feed) {
	defer m.close()
	_ = f.follow(context.Background(), &m.stream) // whatever it was, the reader comes back to its place
}

// join takes a stream in; false when the node is shutting down.
func (c *crowd) join(m *member) bool {
	_ = m.conn.SetWriteDeadline(time.Time{})
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.feed.leaving:
		return false
	default:
	}
	c.now = time.Now()
	m.part = c.joined % turns
	m.place = len(c.parts[m.part])
	c.parts[m.part] = append(c.parts[m.part], m)
	c.joined++
	c.n++
	m.end = time.AfterFunc(time.Until(m.until), func() { c.finish(m) })
	if !c.running {
		c.running = true
		go c.run()
	}
	v, _ := c.feed.Log.View()
	m.show(v)
	select {
	case <-m.keys: // while it was not here yet
		m.text(otherKeys)
	default:
	}
	c.send(m, m.buf)
	return true
}

// run tells the crowd what there is to tell, as long as there is one.
func (c *crowd) run() {
	tick := time.NewTicker(freshEvery / turns)
	defer tick.Stop()
	for due := false; ; {
		changed := c.tell(due)
		if changed == nil {
			return
		}
		select {
		case <-changed:
			due = false
		case <-tick.C:
			due = true
		case <-c.feed.leaving:
			return
		}
	}
}

// tell writes what is new to all, and to those whose turn it is how fresh that
// is. It returns what is closed when there is more; nil: nobody is left.
func (c *crowd) tell(due bool) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = time.Now()
	v, changed := c.feed.Log.View()
	if v.Cursor != c.told {
		c.endings(v)
		c.told = v.Cursor
	}
	if due {
		for i := len(c.parts[c.turn]) - 1; i >= 0; i-- {
			m := c.parts[c.turn][i]
			m.due = true
			c.show(m, v)
		}
		c.turn = (c.turn + 1) % turns
	}
	if c.running = c.n > 0; !c.running {
		return nil
	}
	return changed
}

// endings writes what is new. Nearly all have come equally far: what they are
// told is put together once.
func (c *crowd) endings(v View) {
	type place struct {
		audience string
		sent     int64
	}
	var of place
	c.shared = c.shared[:0]
	c.each(func(m *member) {
		at := place{m.audience, m.sent}
		switch ahead := m.epoch == v.Cursor.Epoch && m.sent < v.Cursor.N && !m.due; {
		case ahead && at == of && len(c.shared) > 0:
			m.sent = v.Cursor.N
			c.send(m, c.shared)
		case ahead:
			of = at
			m.buf = c.shared[:0]
			m.show(v)
			c.shared = m.buf
			c.send(m, c.shared)
		default:
			c.show(m, v)
		}
	})
}

// show writes what is for one member only.
func (c *crowd) show(m *member, v View) {
	m.buf = c.own[:0]
	m.show(v)
	c.own = m.buf
	c.send(m, c.own)
}

// send writes to a member without waiting. One that has gone, or does not take
// it, is no member any more.
func (c *crowd) send(m *member, text []byte) {
	m.buf = nil
	if len(text) == 0 {
		return
	}
	m.spoken = c.now
	switch n, err := m.try(text); {
	case err != nil:
		c.remove(m)
		m.close()
	case n < len(text):
		c.remove(m)
		m.buf = bytes.Clone(text[n:])
		go m.alone(c.feed)
	}
}

// each calls f for every member, which it may remove: who came last first, so that
// what lies beside one another in memory is looked at one after the other.
func (c *crowd) each(f func(*member)) {
	for i := c.longest() - 1; i >= 0; i-- {
		for p := turns - 1; p >= 0; p-- {
			if i < len(c.parts[p]) {
				f(c.parts[p][i])
			}
		}
	}
}

// longest is how many members the largest part has.
func (c *crowd) longest() (n int) {
	for _, part := range c.parts {
		n = max(n, len(part))
	}
	return n
}

func (c *crowd) remove(m *member) {
	part := c.parts[m.part]
	last := len(part) - 1
	part[m.place] = part[last]
	part[m.place].place = m.place
	part[last] = nil
	c.parts[m.part] = part[:last]
	m.place = -1
	m.try = gone
	m.end.Stop()
	c.n--
}

// gone stands for the connection of who is no member any more: it may be closed by
// now, and its number be another's.
func gone([]byte) (int, error) { return 0, net.ErrClosed }

// finish ends a stream whose time is over.
func (c *crowd) finish(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.place >= 0 {
		c.remove(m)
		m.close()
	}
}

// keys has every reader fetch the JWKS now.
func (c *crowd) keys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = time.Now()
	now := c.feed.otherKeys()
	c.each(func(m *member) {
		m.keys = now
		c.send(m, []byte(otherKeys))
	})
}

// leave ends every stream, each with a hint of its own when to come back.
func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = time.Now()
	c.each(func(m *member) {
		c.send(m, []byte(hint()))
		if m.place >= 0 {
			c.remove(m)
			m.close()
		}
	})
}
