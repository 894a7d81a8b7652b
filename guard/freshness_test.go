package guard_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

func TestStaleEndingsMeanAskingAboutEachRequest(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		w.broker.StopFresh()
		time.Sleep(8 * time.Second)
		w.want(w.request("GET", document, token), 200, "")
		if w.broker.Requests("/introspect") != 0 {
			w.Fatal("asked before MaxStaleness")
		}
		time.Sleep(4 * time.Second)
		for i := range 3 {
			w.want(w.request("GET", document, token), 200, "")
			if n := w.broker.Requests("/introspect"); n != i+1 {
				w.Fatalf("%d introspections for %d requests", n, i+1)
			}
		}
		w.broker.Fail("/introspect", 500)
		r := w.request("GET", document, token)
		w.want(r, 503, "unknown_freshness")
		if r.Header().Get("Retry-After") == "" || r.Header().Get("WWW-Authenticate") != "" {
			w.Fatal(r.Header())
		}
		w.broker.Fail("/introspect", 0)
		w.broker.StartFresh()
		time.Sleep(3 * time.Second)
		asked := w.broker.Requests("/introspect")
		w.want(w.request("GET", document, token), 200, "")
		if w.broker.Requests("/introspect") != asked {
			w.Fatal("asked although it is known")
		}
	})
}

func TestIntrospectionFindsWhatTheFeedCouldNotSay(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		w.broker.Fail("/api/v1/endings", 503)
		w.broker.Down()
		synctest.Wait()
		w.broker.Up()
		w.broker.End("s1", "revoked")
		time.Sleep(13 * time.Second)
		w.want(w.request("GET", document, token), 401, "session_ended")
		if w.broker.Requests("/introspect") == 0 {
			w.Fatal("nobody was asked")
		}
	})
}

// TestConfirmationsThatComeLate: a stream that brings everything later and later is
// as old as what it brings.
func TestConfirmationsThatComeLate(t *testing.T) {
	bubble(t, func(w *world) {
		time.Sleep(time.Minute)
		if w.g.Fresh() || w.broker.Requests("/api/v1/endings") != 1 {
			w.Fatalf("fresh %v after %d streams", w.g.Fresh(), w.broker.Requests("/api/v1/endings"))
		}
	}, func(c *guard.Config) { c.HTTPClient = &http.Client{Transport: late{c.HTTPClient.Transport}} })
}

// late delivers each part of a stream a second later than the one before, up to 12.
type late struct{ http.RoundTripper }

func (l late) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Path != "/api/v1/endings" {
		return response, err
	}
	from := response.Body
	out, in := io.Pipe()
	response.Body = out
	parts := make(chan part, 100)
	go func() {
		defer close(parts)
		for {
			p := make([]byte, 4096)
			n, err := from.Read(p)
			parts <- part{p[:n], time.Now()}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		defer from.Close()
		n := time.Duration(0)
		for p := range parts {
			time.Sleep(time.Until(p.at.Add(min(n, 12) * time.Second)))
			if _, err := in.Write(p.text); err != nil {
				return
			}
			n++
		}
		in.Close()
	}()
	return response, nil
}

type part struct {
	text []byte
	at   time.Time
}

// TestEndingWhileTheBrokerIsAsked: the answer may be older than the ending.
func TestEndingWhileTheBrokerIsAsked(t *testing.T) {
	a := &asked{}
	bubble(t, func(w *world) {
		token := w.broker.Mint(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}, Life: 2 * time.Hour, EndsIn: 3 * time.Hour})
		w.want(w.request("GET", document, token), 200, "")
		a.then = func() { w.g.End("s1") }
		if _, err := w.g.Verify(w.Context(), token, nil); !errors.Is(err, guard.ErrEnded) {
			w.Fatal(err)
		}
	}, func(c *guard.Config) {
		a.RoundTripper = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: a}
	})
}

// asked does something between the broker's answer and its arrival.
type asked struct {
	http.RoundTripper
	then func()
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := a.RoundTripper.RoundTrip(r)
	if r.URL.Path == "/introspect" && a.then != nil {
		a.then()
	}
	return response, err
}

// slowKeys is a key set that takes its time.
type slowKeys struct{ guard.KeySet }

func (s slowKeys) Key(ctx context.Context, id, algorithm string) (crypto.PublicKey, error) {
	time.Sleep(15 * time.Second)
	return s.KeySet.Key(ctx, id, algorithm)
}

// TestFreshnessIsOfWhenATokenIsVerified: what was known before its key was asked
// for may be too old by then.
func TestFreshnessIsOfWhenATokenIsVerified(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := guardtest.New(t, guardtest.InMemory())
		key := newWorld(t, broker).published()
		w := newWorld(t, broker, func(c *guard.Config) {
			c.Keys = slowKeys{guard.StaticKeys{key.KeyID: key.Key.(crypto.PublicKey)}}
		})
		w.settle()
		token := broker.Mint(reader("s1"))
		broker.Down()
		w.want(w.request("GET", document, token), 503, "unknown_freshness")
	})
}

// said answers introspection with a text of its own.
type said struct {
	http.RoundTripper
	status int
	text   string
}

func (s *said) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(r)
	if err == nil && r.URL.Path == "/introspect" {
		response.StatusCode, response.Body = s.status, io.NopCloser(strings.NewReader(s.text))
	}
	return response, err
}

// TestAnswersThatDoNotSayThatASessionLives let nobody in.
func TestAnswersThatDoNotSayThatASessionLives(t *testing.T) {
	for name, c := range map[string]struct {
		said said
		want int
	}{
		"it lives":            {said{status: 200, text: `{"active":true,"sid":"s1"}`}, 200},
		"it does not":         {said{status: 200, text: `{"active":false}`}, 401},
		"it does not, by sid": {said{status: 200, text: `{"active":false,"sid":"s1"}`}, 401},
		"another session":     {said{status: 200, text: `{"active":true,"sid":"s2"}`}, 401},
		"no session":          {said{status: 200, text: `{"active":true}`}, 401},
		"nothing":             {said{status: 200, text: `{"sid":"s1"}`}, 503},
		"no JSON":             {said{status: 200, text: `active`}, 503},
		"an error":            {said{status: 500, text: `{"active":true,"sid":"s1"}`}, 503},
		"a redirect":          {said{status: 302, text: `{"active":true,"sid":"s1"}`}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				token := w.broker.Mint(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}, Life: 2 * time.Hour, EndsIn: 3 * time.Hour})
				if r := w.request("GET", document, token); r.ResponseRecorder.Code != c.want {
					w.Errorf("answered %d %s, want %d", r.ResponseRecorder.Code, r.Body, c.want)
				}
			}, func(cfg *guard.Config) {
				c.said.RoundTripper = cfg.HTTPClient.Transport
				cfg.HTTPClient = &http.Client{Transport: &c.said}
			})
		})
	}
}

// TestNeverOlderThanMaxStaleness tries many courses of events: whatever happens,
// a session that ended longer than MaxStaleness ago is not let in.
func TestNeverOlderThanMaxStaleness(t *testing.T) {
	t.Parallel()
	for seed := range int64(8) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, guardtest.New(t, guardtest.InMemory(), guardtest.APITokenLife(30*time.Second)))
			w.settle()
			course(w, rand.New(rand.NewSource(seed)))
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// course does 60 things by chance and looks after each of them. A clock that is
// set back while the machine is suspended shows on neither clock, and is left out.
func course(w *world, r *rand.Rand) {
	setBack := r.Intn(2) == 0
	ended := map[string]time.Time{}
	tokens := map[string]string{}
	for i := range 60 {
		switch r.Intn(10) {
		case 0:
			w.broker.Down()
		case 1:
			w.broker.Pause()
		case 2, 3:
			w.broker.Up()
		case 4:
			w.broker.StopFresh()
		case 5:
			w.broker.StartFresh()
		case 6:
			if by := time.Duration(r.Intn(60)-50) * time.Second; setBack || by > 0 {
				w.clocks.Set(by)
			}
		case 7:
			if setBack {
				break
			}
			d := time.Duration(r.Intn(20)) * time.Second
			w.clocks.Suspend(d)
			time.Sleep(d)
		case 8:
			w.broker.Reset()
		case 9:
			w.broker.Emit("event: odd\n\n")
		}
		id := fmt.Sprint("s", i)
		tokens[id] = w.broker.Mint(guardtest.Session{ID: id, Scopes: []string{"documents.read"}, Life: 30 * time.Minute})
		_, _ = w.g.Verify(context.Background(), tokens[id], nil) // seen, or not, before it ends
		if r.Intn(2) == 0 {
			w.broker.End(id, "revoked")
			ended[id] = time.Now()
		}
		time.Sleep(time.Duration(r.Intn(4000)) * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		for id, at := range ended {
			_, err := w.g.Verify(ctx, tokens[id], nil)
			if err == nil && time.Since(at) > 10*time.Second {
				w.Errorf("%s was let in %s after its end", id, time.Since(at))
			}
		}
		cancel()
	}
}

// TestEndingThatWasNeverReplayed: while nothing could be heard a session ended,
// and so long ago that the replay leaves it out.
func TestEndingThatWasNeverReplayed(t *testing.T) {
	bubble(t, func(w *world) {
		s, err := w.g.Verify(w.Context(), w.broker.Mint(guardtest.Session{ID: "s1", Life: time.Minute}), nil)
		if err != nil {
			w.Fatal(err)
		}
		w.clocks.Set(10 * time.Minute) // suspended: no timer runs meanwhile
		time.Sleep(5 * time.Second)
		w.isDone(s)
		if err := w.g.Live(w.Context(), "s1"); !errors.Is(err, guard.ErrUnknown) {
			w.Fatal(err)
		}
	})
}

func TestTokensThatLiveLongAreAskedAbout(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}, Life: 2 * time.Hour, EndsIn: 3 * time.Hour})
		w.want(w.request("GET", document, token), 200, "")
		w.broker.End("s1", "revoked")
		time.Sleep(90 * time.Minute) // nobody needs to remember the ending
		if w.g.Ended() != 0 {
			w.Fatal("it is remembered")
		}
		w.want(w.request("GET", document, token), 401, "session_ended")
		if w.broker.Requests("/introspect") != 2 {
			w.Fatal("nobody was asked")
		}
	})
}

func TestEndingsAreRememberedWhileATokenCanLive(t *testing.T) {
	bubble(t, func(w *world) {
		claims := w.broker.Claims(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}, Life: time.Hour})
		token := w.broker.Sign("at+jwt", claims)
		w.broker.End("s1", "revoked")
		time.Sleep(time.Hour - 2*time.Second)
		if _, err := w.g.Verify(w.Context(), token, nil); !errors.Is(err, guard.ErrEnded) {
			w.Fatalf("%v, and where nothing is recorded nobody else says so", err)
		}
		w.want(w.request(http.MethodGet, document, token), 401, "session_ended")
		w.broker.End("s2", "revoked")
		time.Sleep(guard.EndedKept - time.Hour + 2*time.Minute)
		w.want(w.request(http.MethodGet, document, token), 401, "expired")
		if n := w.g.Ended(); n != 1 {
			w.Fatalf("%d endings are remembered, want that of s2", n)
		}
		w.clocks.Set(24 * time.Hour) // by the own clock alone nothing is forgotten
		time.Sleep(2 * time.Minute)
		if n := w.g.Ended(); n != 1 {
			w.Fatalf("%d endings are remembered after the clock was set", n)
		}
	})
}

// TestNobodyWaitsLongForABrokerThatSaysNothing: it is asked about many requests at
// a time, and about all at once no more. Who cannot ask in time is refused in time.
func TestNobodyWaitsLongForABrokerThatSaysNothing(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		w.broker.Pause()
		time.Sleep(11 * time.Second)
		begun := time.Now()
		var asked sync.WaitGroup
		answers := make(chan reply, 300)
		for range cap(answers) {
			asked.Go(func() { answers <- w.request("GET", document, token) })
		}
		asked.Wait()
		for range cap(answers) {
			w.want(<-answers, 503, "unknown_freshness")
		}
		if took := time.Since(begun); took > 5*time.Second {
			w.Errorf("%d requests were refused after %s", cap(answers), took)
		}
		w.broker.Up()
	})
}
