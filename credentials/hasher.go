package credentials

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"runtime"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

// Cost of the slow hash: argon2id of RFC 9106 with 19 MiB, two passes, one
// lane, as OWASP's password storage page gives it.
const (
	argonMemory = 19 * 1024 // KiB
	argonPasses = 2
	argonLanes  = 1
	argonLength = 32
)

// Hasher computes verifiers. Every slow hash of the process runs through its
// gate, so that memory and processors are bounded whoever asks.
type Hasher struct {
	pepper  []byte
	running chan struct{} // one place per hash that runs
	waiting chan struct{} // one place per caller that runs or waits
	visits  chan struct{} // the same for visitors who are not signed in
	calling chan struct{} // one place per visitor whose hash runs

	mu   sync.Mutex
	each map[string]int // places in waiting by who has them
}

// Bounds of the callers that wait for a hash. Those of PINs take 19 ms, so that
// the last of them waits a few seconds. Local people's may take a quarter of a
// second each, and anybody can ask for one: they have a queue of their own, and
// leave one of several processors to the PINs.
const (
	maxWaiting = 256
	maxEach    = maxWaiting / 4 // for one person
	maxVisits  = 128
)

// NewHasher returns a Hasher keyed by the installation's pepper.
func NewHasher(pepper []byte) *Hasher {
	return &Hasher{
		pepper:  pepper,
		running: make(chan struct{}, runtime.GOMAXPROCS(0)),
		waiting: make(chan struct{}, maxWaiting),
		visits:  make(chan struct{}, maxVisits),
		calling: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		each:    map[string]int{},
	}
}

// Enter takes a place in the queue for a slow hash, or fails with ErrBusy at
// once. Whoever must write something before hashing enters first, so that a
// crowd is turned away before it costs a write. One person alone, who is signed
// in and goes by a key, does not fill the queue.
func (h *Hasher) Enter(who string) (leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.each[who] >= maxEach {
		return nil, ErrBusy
	}
	free, err := enter(h.waiting)
	if err != nil {
		return nil, err
	}
	h.each[who]++
	return func() {
		free()
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.each[who]--; h.each[who] == 0 {
			delete(h.each, who)
		}
	}, nil
}

// Visit is Enter for visitors who are not signed in: they cannot fill the queue
// of those who are.
func (h *Hasher) Visit() (leave func(), err error) { return enter(h.visits) }

func enter(queue chan struct{}) (leave func(), err error) {
	select {
	case queue <- struct{}{}:
		return func() { <-queue }, nil
	default:
		return nil, ErrBusy
	}
}

// Slow runs f when one of the places is free. The caller has entered.
func (h *Hasher) Slow(ctx context.Context, f func()) error {
	select {
	case h.running <- struct{}{}:
		defer func() { <-h.running }()
		f()
		return nil
	case <-ctx.Done():
		return ErrBusy
	}
}

// SlowVisit is Slow for whoever entered by Visit.
func (h *Hasher) SlowVisit(ctx context.Context, f func()) error {
	select {
	case h.calling <- struct{}{}:
		defer func() { <-h.calling }()
		return h.Slow(ctx, f)
	case <-ctx.Done():
		return ErrBusy
	}
}

// slowLimit bounds how long a hash may wait for its place.
const slowLimit = 15 * time.Second

// PIN computes argon2id(HMAC-SHA-256(pepper, account ‖ PIN), the account's
// salt): one hash answers for every live PIN of the account.
func (h *Hasher) PIN(ctx context.Context, account string, salt []byte, pin Secret) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), slowLimit)
	defer cancel()
	var out []byte
	err := h.Slow(ctx, func() {
		out = argon2.IDKey(h.keyed("pin", account, pin.Reveal()), salt, argonPasses, argonMemory, argonLanes, argonLength)
	})
	return out, err
}

// Password computes HMAC-SHA-256(pepper, credential ‖ password): a password of
// 125 random bits needs no slow hash.
func (h *Hasher) Password(credential string, password Secret) []byte {
	return h.keyed("password", credential, password.Reveal())
}

// keyed joins the parts with their lengths, so that no two lists are the same.
func (h *Hasher) keyed(parts ...string) []byte {
	mac := hmac.New(sha256.New, h.pepper)
	for _, p := range parts {
		n := len(p)
		mac.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		mac.Write([]byte(p))
	}
	return mac.Sum(nil)
}
