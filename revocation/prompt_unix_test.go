//go:build unix

package revocation

import (
	"io"
	"net"
	"strings"
	"testing"
)

// TestASocketIsNotWaitedFor: what it does not take is not written, and what it has
// taken arrives.
func TestASocketIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	try := promptly(conn)
	text, sent := []byte(strings.Repeat("x", 100_000)), 0
	for n := len(text); n == len(text); sent += n {
		if n, err = try(text); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := try(text); n != 0 || err != nil {
		t.Errorf("a socket that is full takes %d, %v", n, err)
	}
	_ = conn.Close()
	if got, err := io.Copy(io.Discard, client); got != int64(sent) || err != nil {
		t.Errorf("%d of %d arrive, %v", got, sent, err)
	}
	if promptly(&piped{}) != nil {
		t.Error("what is no socket is taken for one")
	}
}
