package guard

import "sync"

// maxCached is how many verified tokens are kept: some 2 KB each.
const maxCached = 1 << 13

// cache keeps verified tokens, so that the signature of each is computed once. One
// whose session has ended stays until it expires or room is needed: its watch
// refuses it, and that is all there is to say of it.
// It is a map by the whole token: the runtime hashes all of it with a secret seed
// and compares all of it, in a tenth of the time of SHA-256.
type cache struct {
	g     *Guard
	most  int
	mu    sync.RWMutex
	known map[string]*token
	age   uint64 // counts what empties the cache
}

func (c *cache) get(raw string) *token {
	c.mu.RLock()
	t := c.known[raw]
	c.mu.RUnlock()
	return t
}

// now is the cache's age before a verification begins; see put.
func (c *cache) now() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.age
}

// put keeps a token that was verified by keys as they were at that age.
func (c *cache) put(t *token, age uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.age != age {
		return
	}
	if c.known == nil {
		c.known = make(map[string]*token)
	}
	if len(c.known) >= c.most {
		c.evict()
	}
	c.known[t.raw] = t
}

// evict makes room: what has expired or ended goes, or else an eighth of all, as
// the map's order has it.
func (c *cache) evict() {
	now := c.g.clock.latest(c.g.clock.read())
	for raw, t := range c.known {
		if now >= t.expires || t.watch.over() {
			delete(c.known, raw)
		}
	}
	if len(c.known) < c.most-c.most/8 {
		return
	}
	for raw := range c.known {
		if delete(c.known, raw); len(c.known) <= c.most-c.most/8 {
			return
		}
	}
}

// drop forgets one token.
func (c *cache) drop(t *token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, t.raw)
}

// clear forgets every token, because the keys have changed.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = nil
	c.age++
}
