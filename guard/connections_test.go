package guard

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestConnectionsAreKept: many requests at a time are usual, when each is to be
// asked about, and the broker is not to be greeted anew for each.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	const many, rounds = 40, 10
	var begun atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			begun.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	g := &Guard{client: newTransport(nil, time.Minute), clock: newClock(nil)}
	defer g.client.CloseIdleConnections()
	for range rounds {
		var all sync.WaitGroup
		for range many {
			all.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
				if err == nil {
					_, _, err = g.do(r)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	if n := begun.Load(); n > 2*many {
		t.Errorf("%d connections for %d requests at a time", n, many)
	}
}
