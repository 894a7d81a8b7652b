package guard_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// upgrades has introspection elsewhere, once the broker is upgraded.
type upgrades struct {
	http.RoundTripper
	issuer atomic.Value // a string, that it calls itself then; none: it is not upgraded
	moved  atomic.Int64
}

func (u *upgrades) RoundTrip(r *http.Request) (*http.Response, error) {
	at := "http://" + r.URL.Host
	issuer, upgraded := u.issuer.Load().(string)
	switch {
	case r.URL.Path == "/v2/introspect":
		u.moved.Add(1)
		r = r.Clone(r.Context())
		r.URL.Path = "/introspect"
	case upgraded && r.URL.Path == "/.well-known/openid-configuration":
		text := fmt.Sprintf(`{"issuer":%q,"token_endpoint":%q,"jwks_uri":%q,"introspection_endpoint":%q}`, issuer, at+"/token", at+"/jwks", at+"/v2/introspect")
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	}
	return u.RoundTripper.RoundTrip(r)
}

// TestABrokerThatIsUpgraded: where it has moved an endpoint, that is found out
// without a restart of the app, and what is not of the issuer changes nothing.
func TestABrokerThatIsUpgraded(t *testing.T) {
	t.Parallel()
	restart := func(w *world) {
		w.broker.Down()
		w.settle()
		w.broker.Up()
		time.Sleep(10 * time.Second)
	}
	aged := func(w *world) {
		time.Sleep(6 * time.Minute)
		w.want(w.request("GET", document, w.broker.Mint(reader("another"))), 200, "")
	}
	for name, c := range map[string]struct {
		issuer string // that it calls itself then, if not the one it is
		upon   func(*world)
		moved  bool
	}{
		"found out when the stream is opened again": {"", restart, true},
		"found out with the keys":                   {"", aged, true},
		"another issuer, when the stream is opened": {"https://other.example", restart, false},
		"another issuer, with the keys":             {"https://other.example", aged, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := &upgrades{}
			bubble(t, func(w *world) {
				w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 200, "")
				u.issuer.Store(cmp.Or(c.issuer, w.broker.URL))
				c.upon(w)
				w.settle()
				w.broker.StopFresh()
				time.Sleep(time.Minute)
				w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 200, "")
				asked := int64(w.broker.Requests("/introspect"))
				if moved := u.moved.Load(); asked != 1 || c.moved != (moved == 1) {
					w.Errorf("asked %d times, %d of them where introspection is now", asked, moved)
				}
				if told := strings.Contains(w.log.String(), "those that it told before are used"); told == c.moved {
					w.Errorf("the log says %s", w.log)
				}
			}, func(cfg *guard.Config) {
				u.RoundTripper = cfg.HTTPClient.Transport
				cfg.HTTPClient = &http.Client{Transport: u}
			})
		})
	}
}

// TestAThousandRequestsAskForTheEndpointsOnce, too, when the keys are too old.
func TestAThousandRequestsAskForTheEndpointsOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 200, "")
		time.Sleep(6 * time.Minute)
		w.broker.ForgetRequests()
		var all sync.WaitGroup
		for i := range 1000 {
			token := w.broker.Mint(reader(fmt.Sprint("t", i)))
			all.Go(func() { w.g.Verify(w.Context(), token, nil) })
		}
		all.Wait()
		synctest.Wait()
		if n := w.broker.Requests("/.well-known/openid-configuration"); n != 1 {
			w.Fatalf("asked %d times", n)
		}
	})
}

// TestTheEndpointsAreAskedForWhereTheKeysAreNot when the stream is opened again,
// by way of which also another token endpoint is found.
func TestTheEndpointsAreAskedForWhereTheKeysAreNot(t *testing.T) {
	bubble(t, func(w *world) {
		w.broker.ForgetRequests()
		w.broker.Down()
		w.settle()
		w.broker.Up()
		time.Sleep(10 * time.Second)
		if n := w.broker.Requests("/.well-known/openid-configuration"); n == 0 || n > 5 {
			w.Fatalf("asked %d times", n)
		}
	}, func(cfg *guard.Config) { cfg.Keys = guard.StaticKeys{} })
}
