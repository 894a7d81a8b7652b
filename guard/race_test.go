package guard_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// TestEndingWhileTokensAreVerified: from the receipt of an ending on, no request
// that begins is let in, over a real network and with everything going on at once.
func TestEndingWhileTokensAreVerified(t *testing.T) {
	t.Parallel()
	broker := guardtest.New(t)
	w := newWorld(t, broker)
	for round := range 20 {
		id := fmt.Sprint("s", round)
		tokens := []string{broker.Mint(reader(id)), broker.Mint(reader(id))}
		var applied, stop atomic.Bool
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for !stop.Load() {
					if i == 0 {
						w.g.Forget() // so that some are verified for the first time
					}
					before := applied.Load()
					s, err := w.g.Verify(context.Background(), tokens[i%2], nil)
					if err == nil && before {
						t.Errorf("round %d: let in after the receipt", round)
						return
					}
					if err == nil && applied.Load() {
						<-s.Done() // who was let in at that moment is told
					}
				}
			})
		}
		broker.End(id, "revoked")
		await(t, func() bool {
			acks := broker.Acks()
			return len(acks) > 0 && acks[len(acks)-1].ID == broker.Position()
		})
		applied.Store(true)
		for range 50 {
			w.want(w.request("GET", document, tokens[0]), 401, "session_ended")
		}
		stop.Store(true)
		all.Wait()
	}
}

// await looks until something is true. It waits long: the machine may be busy.
func await(t testing.TB, what func() bool) {
	t.Helper()
	for limit := time.Now().Add(2 * time.Minute); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("it did not happen")
		}
	}
}

// TestKeysChangeWhileTokensAreVerified: a token of a key that is gone leaves no
// session behind that looks alive.
func TestKeysChangeWhileTokensAreVerified(t *testing.T) {
	t.Parallel()
	broker := guardtest.New(t)
	w := newWorld(t, broker)
	for round := range 20 {
		old := broker.Mint(reader(fmt.Sprint("s", round)))
		var all sync.WaitGroup
		var stop atomic.Bool
		for range 4 {
			all.Go(func() {
				for !stop.Load() {
					_, _ = w.g.Verify(context.Background(), old, nil)
				}
			})
		}
		before := broker.Requests("/jwks")
		broker.RotateKeys()
		await(t, func() bool {
			_, err := w.g.Verify(context.Background(), old, nil)
			return err != nil && broker.Requests("/jwks") > before
		})
		stop.Store(true)
		all.Wait()
		await(t, func() bool { return w.g.Watched() == 0 })
	}
}

// TestConfig: a mistake is told in words that say what to do.
func TestConfig(t *testing.T) {
	t.Parallel()
	good := guard.Config{Issuer: "https://access.example", Audience: "a", ClientID: "c", ClientSecret: "s"}
	for name, c := range map[string]struct {
		change func(*guard.Config)
		says   string
	}{
		"no issuer":           {func(c *guard.Config) { c.Issuer = "" }, "Issuer"},
		"http":                {func(c *guard.Config) { c.Issuer = "http://access.example" }, "https"},
		"a slash":             {func(c *guard.Config) { c.Issuer += "/" }, "without a slash"},
		"a query":             {func(c *guard.Config) { c.Issuer += "?a=b" }, "Issuer"},
		"user and password":   {func(c *guard.Config) { c.Issuer = "https://a:b@access.example" }, "Issuer"},
		"a host like one":     {func(c *guard.Config) { c.Issuer = "http://127.0.0.1.example" }, "https"},
		"no audience":         {func(c *guard.Config) { c.Audience = "" }, "Audience"},
		"no client":           {func(c *guard.Config) { c.ClientID = "" }, "ClientID"},
		"no secret":           {func(c *guard.Config) { c.ClientSecret = "" }, "ClientSecret"},
		"too stale":           {func(c *guard.Config) { c.MaxStaleness = 3 * time.Minute }, "MaxStaleness"},
		"negative":            {func(c *guard.Config) { c.MaxStaleness = -1 }, "MaxStaleness"},
		"a long instance":     {func(c *guard.Config) { c.Instance = fmt.Sprintf("%101d", 1) }, "Instance"},
		"a line as instance":  {func(c *guard.Config) { c.Instance = "a\nb" }, "Instance"},
		"turned as instance":  {func(c *guard.Config) { c.Instance = "a\u202eb" }, "Instance"},
		"bytes as instance":   {func(c *guard.Config) { c.Instance = "a\xff" }, "Instance"},
		"no kind of record":   {func(c *guard.Config) { c.Record = 7 }, "Record"},
		"a base that is none": {func(c *guard.Config) { c.BaseURL = "docs.example" }, "BaseURL"},
	} {
		cfg := good
		c.change(&cfg)
		if g, err := guard.New(t.Context(), cfg); err == nil || !has(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
			if g != nil {
				g.Close()
			}
		}
	}
	for _, issuer := range []string{"http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"} {
		cfg := good
		cfg.Issuer, cfg.HTTPClient = issuer, &http.Client{Transport: nobody{}}
		g, err := guard.New(t.Context(), cfg)
		if err != nil {
			t.Error(err)
			continue
		}
		g.Close()
	}
}

// nobody answers nothing.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }
