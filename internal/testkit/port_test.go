package testkit

import (
	"fmt"
	"net"
	"testing"
)

// TestPort: the port may be listened on, and is given to nobody else.
func TestPort(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 200 {
		port := Port(t)
		if seen[port] || port < firstPort || port >= endOfPort {
			t.Fatalf("port %d is given twice, or may be anybody's", port)
		}
		seen[port] = true
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}
