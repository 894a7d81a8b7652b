package guard_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// TestATransportThatAllowsOneConnection: the stream has no end, and must not keep
// everything else, or the next stream, from the broker.
func TestATransportThatAllowsOneConnection(t *testing.T) {
	bubble(t, func(w *world) {
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 200, "")
		began := time.Now()
		for range 60 { // more than a stream's life
			time.Sleep(10 * time.Second)
			if !w.g.Fresh() {
				w.Fatalf("the endings are not known after %s: %s", time.Since(began), w.log)
			}
			w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 200, "")
		}
	}, func(c *guard.Config) {
		one := c.HTTPClient.Transport.(*http.Transport).Clone()
		one.MaxConnsPerHost = 1
		c.HTTPClient = &http.Client{Transport: one}
	})
}
