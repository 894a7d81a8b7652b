package main

import (
	"net"
	"strings"
	"testing"
)

func TestAPortThatIsTakenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if _, err = listenOn(l.Addr().String()); err == nil || !strings.Contains(err.Error(), "stop that one, or write another address") {
		t.Errorf("listening on a port that is taken: %v", err)
	}
}
