package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports that kernels give nobody who asks for any: whatever else listens or calls
// meanwhile does not take one that a test has found and is yet to use.
const (
	firstPort = 10_000
	endOfPort = 32_768
)

// Port is a port of 127.0.0.1 that nobody listens on, and that is nobody else's
// before the test is over: the UDP port of the same number, which nothing uses,
// tells the other tests of this machine that it is taken.
func Port(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.IntN(endOfPort-firstPort) //nolint:gosec // no secret
		address := fmt.Sprintf("127.0.0.1:%d", port)
		mine, err := net.ListenPacket("udp4", address)
		if err != nil {
			continue
		}
		free, err := net.Listen("tcp4", address)
		if err != nil {
			_ = mine.Close()
			continue
		}
		_ = free.Close()
		t.Cleanup(func() { _ = mine.Close() })
		return port
	}
	t.Fatal("no port of 127.0.0.1 is free")
	return 0
}
