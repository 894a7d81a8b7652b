package guard_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

func TestAThousandRequestsFetchTheKeysOnce(t *testing.T) {
	bubble(t, func(w *world) {
		tokens := make([]string, 1000)
		for i := range tokens {
			tokens[i] = w.broker.Mint(reader(fmt.Sprint("s", i)))
		}
		var all sync.WaitGroup
		for _, token := range tokens {
			all.Go(func() {
				if _, err := w.g.Verify(context.Background(), token, nil); err != nil {
					w.Error(err)
				}
			})
		}
		all.Wait()
		if n := w.broker.Requests("/jwks"); n != 1 {
			w.Fatalf("the keys were fetched %d times", n)
		}
	})
}

func TestUnknownKeysAreAskedForSeldom(t *testing.T) {
	bubble(t, func(w *world) {
		known := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, known), 200, "")
		for i := range 50 {
			invented := w.signed(ecKey(w), "ES256", fmt.Sprint("kid", i), w.broker.Claims(reader("s1")))
			w.want(w.request("GET", document, invented), 401, "bad_signature")
			time.Sleep(time.Second)
		}
		if n := w.broker.Requests("/jwks"); n < 4 || n > 6 {
			w.Fatalf("the keys were fetched %d times in 50 s", n)
		}
		time.Sleep(guard.KeysFloor)
		w.broker.AddKey() // an ordinary rotation
		w.want(w.request("GET", document, w.broker.Mint(reader("s2"))), 200, "")
		w.want(w.request("GET", document, known), 200, "")
	})
}

// TestKeysThatWereReplaced: at the event, tokens of a key that is gone are refused
// at once, although they were verified before, and their sessions with them.
func TestKeysThatWereReplaced(t *testing.T) {
	bubble(t, func(w *world) {
		old := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, old), 200, "")
		s, err := w.g.Verify(w.Context(), old, nil)
		if err != nil {
			w.Fatal(err)
		}
		w.broker.RotateKeys()
		synctest.Wait() // well within the floor
		w.want(w.request("GET", document, old), 401, "bad_signature")
		<-s.Done()
		if err := w.g.Live(w.Context(), "s1"); !errors.Is(err, guard.ErrUnknown) {
			w.Fatal(err)
		}
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 200, "")
		if err := w.g.Live(w.Context(), "s1"); err != nil {
			w.Fatal(err)
		}
	})
}

// TestKeysThatCannotBeFetched serve for a while, but not after the broker said
// that they changed.
func TestKeysThatCannotBeFetched(t *testing.T) {
	bubble(t, func(w *world) {
		mint := func() string { return w.broker.Mint(guardtest.Session{Scopes: []string{"documents.read"}}) }
		w.want(w.request("GET", document, mint()), 200, "")
		w.broker.Fail("/jwks", 500)
		time.Sleep(10 * time.Minute)
		w.broker.ForgetRequests()
		for range 20 {
			w.want(w.request("GET", document, mint()), 200, "")
		}
		if n := w.broker.Requests("/jwks"); n != 1 {
			w.Fatalf("the keys were asked for %d times", n)
		}
		unknown := w.signed(ecKey(w), "ES256", "unknown", w.broker.Claims(reader("s1")))
		w.want(w.request("GET", document, unknown), 503, "unknown_freshness")
		time.Sleep(guard.KeysKept)
		w.want(w.request("GET", document, mint()), 503, "unknown_freshness")
		w.broker.Fail("/jwks", 0)
		time.Sleep(time.Second)
		w.want(w.request("GET", document, mint()), 200, "")
		w.broker.Fail("/jwks", 500)
		w.broker.RotateKeys()
		synctest.Wait()
		w.want(w.request("GET", document, mint()), 503, "unknown_freshness")
		w.broker.Fail("/jwks", 0)
		time.Sleep(time.Second)
		w.want(w.request("GET", document, mint()), 200, "")
	})
}

func TestMaximumAgeOfKeys(t *testing.T) {
	bubble(t, func(w *world) {
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 200, "")
		time.Sleep(5*time.Minute - time.Second)
		w.want(w.request("GET", document, w.broker.Mint(reader("s2"))), 200, "")
		if n := w.broker.Requests("/jwks"); n != 1 {
			w.Fatalf("fetched %d times within max-age", n)
		}
		time.Sleep(2 * time.Second)
		w.want(w.request("GET", document, w.broker.Mint(reader("s3"))), 200, "")
		if n := w.broker.Requests("/jwks"); n != 2 {
			w.Fatalf("fetched %d times after max-age", n)
		}
	})
}

func TestStaticKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := guardtest.New(t, guardtest.InMemory())
		w := newWorld(t, broker)
		key := w.published()
		w = newWorld(t, broker, func(c *guard.Config) { c.Keys = guard.StaticKeys{key.KeyID: key.Key.(crypto.PublicKey)} })
		w.settle()
		broker.ForgetRequests()
		w.want(w.request("GET", document, broker.Mint(reader("s1"))), 200, "")
		broker.AddKey()
		w.want(w.request("GET", document, broker.Mint(reader("s2"))), 401, "bad_signature")
		if broker.Requests("/jwks") != 0 {
			t.Fatal("keys were fetched")
		}
	})
}

func TestCacheIsBoundedAndForgets(t *testing.T) {
	bubble(t, func(w *world) {
		const most, all = 80, 200
		w.g.CacheAtMost(most)
		for i := range all {
			if _, err := w.g.Verify(w.Context(), w.broker.Mint(guardtest.Session{ID: fmt.Sprint("s", i)}), nil); err != nil {
				w.Fatal(err)
			}
			if n := w.g.Cached(); n > most || i > most && n < most/2 {
				w.Fatalf("%d tokens are kept after %d", n, i)
			}
		}
		for i := range all {
			w.g.End(fmt.Sprint("s", i))
		}
		if w.g.Cached() > most || w.g.Watched() != 0 {
			w.Fatalf("%d tokens are kept of sessions that have ended, %d sessions watched", w.g.Cached(), w.g.Watched())
		}
		if _, err := w.g.Verify(w.Context(), w.broker.Mint(guardtest.Session{ID: "another"}), nil); err != nil || w.g.Cached() != 1 {
			w.Fatalf("%d tokens are kept when there is need of room, %v", w.g.Cached(), err)
		}
	})
}

// TestKeysThatChangedUnheard: what was said while no stream was open is found out
// when there is one again.
func TestKeysThatChangedUnheard(t *testing.T) {
	bubble(t, func(w *world) {
		old := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, old), 200, "")
		w.broker.Down()
		synctest.Wait()
		w.broker.RotateKeys()
		w.broker.Up()
		time.Sleep(time.Second)
		w.want(w.request("GET", document, old), 401, "bad_signature")
	})
}

// without leaves a key out of those that the broker publishes, once it is named.
type without struct {
	http.RoundTripper
	id string
}

func (x *without) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := x.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Path != "/jwks" || x.id == "" {
		return response, err
	}
	var set jose.JSONWebKeySet
	err = json.NewDecoder(response.Body).Decode(&set)
	response.Body.Close()
	set.Keys = slices.DeleteFunc(set.Keys, func(k jose.JSONWebKey) bool { return k.KeyID == x.id })
	text, _ := json.Marshal(set)
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, err
}

// TestAKeyThatIsGoneTakesEachOfItsTokens: also where the session goes on with one
// of another key, and nobody has said that the keys changed.
func TestAKeyThatIsGoneTakesEachOfItsTokens(t *testing.T) {
	x := &without{}
	bubble(t, func(w *world) {
		session := func(id string, life time.Duration) string {
			return w.broker.Mint(guardtest.Session{ID: id, Scopes: []string{"documents.read"}, Life: life, EndsIn: time.Hour})
		}
		old, first := session("s1", 30*time.Minute), w.published().KeyID
		w.want(w.request("GET", document, old), 200, "")
		w.broker.AddKey()
		time.Sleep(guard.KeysFloor + time.Second)
		newer := session("s1", 50*time.Minute)
		w.want(w.request("GET", document, newer), 200, "")
		x.id = first
		time.Sleep(6 * time.Minute)
		w.want(w.request("GET", document, session("s2", time.Minute)), 200, "") // which has the keys fetched
		w.want(w.request("GET", document, old), 401, "bad_signature")
		w.want(w.request("GET", document, newer), 200, "")
	}, func(c *guard.Config) {
		x.RoundTripper = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: x}
	})
}

// TestNothingOfOldKeysIsKept: once the broker has said that they changed, what they
// verified is as little believed as they are.
func TestNothingOfOldKeysIsKept(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		w.broker.Fail("/jwks", 500)
		w.broker.RotateKeys()
		synctest.Wait()
		w.want(w.request("GET", document, token), 503, "unknown_freshness")
	})
}

// TestOtherTokensOfASession: the cache knows a token by all of it, and an ending
// finds each token of a session.
func TestOtherTokensOfASession(t *testing.T) {
	bubble(t, func(w *world) {
		var tokens []string
		for range 3 {
			tokens = append(tokens, w.broker.Mint(reader("s1")))
			w.want(w.request("GET", document, tokens[len(tokens)-1]), 200, "")
		}
		for _, token := range tokens {
			for i := range len(token) { // one letter at a time
				if other := token[:i] + flip(token[i]) + token[i+1:]; i%7 == 0 || i > len(token)-6 {
					if _, err := w.g.Verify(w.Context(), other, nil); err == nil {
						w.Fatalf("verified with letter %d changed", i)
					}
				}
			}
		}
		w.broker.End("s1", "revoked")
		synctest.Wait()
		for _, token := range tokens {
			w.want(w.request("GET", document, token), 401, "session_ended")
		}
	})
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// TestKeysThatWereNeverFetched: whoever sends invented tokens does not make the app
// ask a broker that fails as often as they like.
func TestKeysThatWereNeverFetched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := guardtest.New(t, guardtest.InMemory())
		broker.Fail("/jwks", 503)
		w := newWorld(t, broker)
		w.settle()
		broker.ForgetRequests()
		for i := range 1000 {
			invented := w.signed(ecKey(w), "ES256", fmt.Sprint("kid", i), broker.Claims(reader("s1")))
			w.want(w.request("GET", document, invented), 503, "unknown_freshness")
			time.Sleep(10 * time.Millisecond)
		}
		if n := broker.Requests("/jwks"); n > 11 {
			t.Errorf("the broker was asked %d times in 10 s", n)
		}
		broker.Fail("/jwks", 0)
		time.Sleep(time.Second)
		w.want(w.request("GET", document, broker.Mint(reader("s1"))), 200, "")
	})
}
