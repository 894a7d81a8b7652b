package connectors

import (
	"net/netip"
	"sync"
	"time"
)

// Limits of failed sign-ins of local people. An office shares an address, so
// it is never the only limit. A name has a low limit from each address, and a
// high one from all together: somebody far away must not lock a person out
// cheaply, nor guess without bound.
const (
	pairLimit     = 10 // of a name from one address
	nameLimit     = 100
	nameWindow    = 15 * time.Minute
	addressLimit  = 30
	addressWindow = time.Hour
	maxKept       = 20_000 // names and addresses; older ones are forgotten first
)

// Tries counts failed sign-ins in memory: visitors who are not signed in must
// not make the broker write.
type Tries struct {
	Now func() time.Time

	mu        sync.Mutex
	pairs     map[string]window
	names     map[string]window
	addresses map[string]window
}

// window is a count that starts again when its time is over.
type window struct {
	count int
	until time.Time
}

// take reserves a try before anything is compared; false means that there is
// none left. A try that turned out right is given back.
func (t *Tries) take(address, name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, address := t.Now(), network(address)
	pair := name + "\x00" + address
	if !under(t.addresses[address], addressLimit, now) || !under(t.names[name], nameLimit, now) || !under(t.pairs[pair], pairLimit, now) {
		return false
	}
	if t.names == nil {
		t.pairs, t.names, t.addresses = map[string]window{}, map[string]window{}, map[string]window{}
	}
	count(t.pairs, pair, nameWindow, now)
	count(t.names, name, nameWindow, now)
	count(t.addresses, address, addressWindow, now)
	return true
}

// giveBack returns a try that was no failure.
func (t *Tries) giveBack(address, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	giveBack(t.pairs, name+"\x00"+network(address))
	giveBack(t.names, name)
	giveBack(t.addresses, network(address))
}

func giveBack(in map[string]window, key string) {
	if w, ok := in[key]; ok && w.count > 0 {
		w.count--
		in[key] = w
	}
}

// network is what counts as one address: of IPv6 the /64 that a single
// subscriber has to choose from.
func network(address string) string {
	at, err := netip.ParseAddr(address)
	if err != nil || !at.Is6() || at.Is4In6() {
		return address
	}
	within, err := at.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return within.String()
}

func under(w window, limit int, now time.Time) bool { return w.count < limit || !now.Before(w.until) }

func count(in map[string]window, key string, length time.Duration, now time.Time) {
	w := in[key]
	if !now.Before(w.until) {
		w = window{until: now.Add(length)}
	}
	w.count++
	in[key] = w
	if len(in) > maxKept {
		forget(in, now)
	}
}

// forget drops what is over, or else the one whose time is over first.
func forget(in map[string]window, now time.Time) {
	oldest, first := "", time.Time{}
	for key, w := range in {
		if !now.Before(w.until) {
			delete(in, key)
			continue
		}
		if oldest == "" || w.until.Before(first) {
			oldest, first = key, w.until
		}
	}
	if len(in) > maxKept {
		delete(in, oldest)
	}
}
