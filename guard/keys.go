package guard

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// KeySet finds the broker's public keys: those it publishes, or [StaticKeys].
type KeySet interface {
	// Key returns the key of that id for that JWS algorithm. The error wraps
	// ErrNoKey where there is none; any other says that this is not known now.
	Key(ctx context.Context, id, algorithm string) (crypto.PublicKey, error)
}

// ErrNoKey says that the broker has no such key.
var ErrNoKey = errors.New("the broker has no such key")

var errKeys = errors.New("keys: those of the broker cannot be fetched now")

// StaticKeys are keys by their id, for where the broker's are known in advance.
type StaticKeys map[string]crypto.PublicKey

// Key returns the key of that id.
func (s StaticKeys) Key(_ context.Context, id, _ string) (crypto.PublicKey, error) {
	if key, ok := s[id]; ok {
		return key, nil
	}
	return nil, ErrNoKey
}

const (
	// keysFloor lies between two fetches for the sake of unknown keys: tokens
	// with invented ones must not make every app ask the broker all the time.
	keysFloor = 10 * time.Second
	// keysPause lies between two fetches where there are no keys and none can be had.
	keysPause = time.Second
	// keysKept is how long keys are used after their maximum age when the broker
	// cannot be reached.
	keysKept = time.Hour
	// keysAge is their maximum age where the response does not say one.
	keysAge = 5 * time.Minute
)

// ring is a fetched key set.
type ring struct {
	keys   map[[2]string]crypto.PublicKey // by id and algorithm
	asked  instant                        // when the request was sent
	maxAge time.Duration
	serial int64 // of the last "keys" event when it was asked for
}

// remoteKeys are the keys that the broker publishes (RFC 7517), kept for as long
// as its Cache-Control says.
type remoteKeys struct {
	g       *Guard
	ring    atomic.Pointer[ring]
	failed  atomic.Pointer[instant] // when a fetch last failed
	serial  atomic.Int64            // counts "keys" events
	fetches flight[*ring]
}

// Key implements KeySet.
func (k *remoteKeys) Key(ctx context.Context, id, algorithm string) (crypto.PublicKey, error) {
	have, now, name := k.ring.Load(), k.g.clock.read(), [2]string{id, algorithm}
	if k.usable(have, now) {
		if key, ok := have.keys[name]; ok {
			return key, nil
		}
		if now.since(have.asked) < keysFloor {
			return nil, ErrNoKey
		}
	}
	got, err := k.refresh(ctx, have, now)
	if got != nil {
		if key, ok := got.keys[name]; ok {
			return key, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return nil, ErrNoKey
}

// usable reports whether a ring can be used without asking: young enough, and
// asked for after the last "keys" event.
func (k *remoteKeys) usable(r *ring, now instant) bool {
	return r != nil && r.serial == k.serial.Load() && now.since(r.asked) < r.maxAge
}

// refresh fetches the keys, once for all who want them. While the broker cannot
// be reached, the old ones are returned beside the error and serve a while longer;
// not after a "keys" event, which may mean that one of them is in wrong hands.
func (k *remoteKeys) refresh(ctx context.Context, have *ring, now instant) (*ring, error) {
	if have != nil && (have.serial != k.serial.Load() || now.since(have.asked) >= have.maxAge+keysKept) {
		have = nil
	}
	pause := keysFloor
	if have == nil {
		pause = keysPause
	}
	if failed := k.failed.Load(); failed != nil && now.since(*failed) < pause {
		return have, errKeys
	}
	for range 3 { // an event in between makes what was fetched too old
		fetched, err := k.fetches.do(ctx, k.g, k.fetch)
		if err != nil {
			return have, err
		}
		if fetched.serial == k.serial.Load() {
			return fetched, nil
		}
	}
	return nil, errKeys
}

// changed is a "keys" event: nothing that was fetched before it is used again.
func (k *remoteKeys) changed() {
	k.serial.Add(1)
	k.g.cache.clear()
	k.again("guard: the broker's keys changed and cannot be fetched; the next token asks again")
}

// opened is a stream that begins after a time without one, in which an event may
// have been missed. That is no reason to distrust the keys before they are fetched.
func (k *remoteKeys) opened() {
	k.again("guard: whether the broker's keys have changed is not known until they are next fetched")
}

// again fetches the keys as they are now: a fetch that is going on may have begun
// before they changed.
func (k *remoteKeys) again(failed string) {
	from := k.g.clock.read()
	k.g.start(func(ctx context.Context) {
		for {
			fetched, err := k.fetches.do(ctx, k.g, k.fetch)
			if err != nil {
				k.g.log.WarnContext(ctx, failed, "error", err)
				return
			}
			if fetched.asked.mono >= from.mono {
				return
			}
		}
	})
}

func (k *remoteKeys) fetch(ctx context.Context) (*ring, error) {
	fetched := &ring{keys: map[[2]string]crypto.PublicKey{}, asked: k.g.clock.read(), maxAge: keysAge, serial: k.serial.Load()}
	k.g.rediscover()
	err := k.into(ctx, fetched)
	if err != nil {
		k.failed.Store(&fetched.asked)
		return nil, err
	}
	k.failed.Store(nil)
	before := k.ring.Swap(fetched)
	k.g.replaced(before, fetched)
	return fetched, nil
}

func (k *remoteKeys) into(ctx context.Context, r *ring) error {
	b, err := k.g.broker(ctx)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.JWKS, nil)
	if err != nil {
		return err
	}
	answer, err := k.g.send(req)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if answer.status != http.StatusOK {
		return fmt.Errorf("keys: the broker answered %d", answer.status)
	}
	if age, ok := maxAge(answer.header.Get("Cache-Control")); ok {
		r.maxAge = min(max(age, keysFloor), 24*time.Hour)
	}
	return r.parse(answer.body)
}

// parse takes the keys that can be used. One that is not understood does no harm
// to the others (RFC 7517 section 5).
func (r *ring) parse(body []byte) error {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) != nil || !key.Valid() || !key.IsPublic() || key.KeyID == "" || (key.Use != "" && key.Use != "sig") {
			continue
		}
		r.keys[[2]string{key.KeyID, key.Algorithm}] = key.Key
	}
	if len(r.keys) == 0 {
		return errors.New("keys: the broker published none that can be used")
	}
	return nil
}

// maxAge is a response's max-age (RFC 9111 section 5.2.2.1).
func maxAge(control string) (time.Duration, bool) {
	for directive := range strings.SplitSeq(control, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		seconds, err := strconv.ParseUint(value, 10, 31)
		if strings.EqualFold(name, "max-age") && err == nil {
			return time.Duration(seconds) * time.Second, true
		}
	}
	return 0, false
}
