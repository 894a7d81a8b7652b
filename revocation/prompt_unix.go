//go:build unix

package revocation

import (
	"errors"
	"net"
	"syscall"
)

// promptly returns how to write to a connection without waiting: what its buffer
// in the kernel does not take is not written, and no error. It is nil for what is
// no socket. The connection has to be open whenever that is called: nothing of it
// is looked at but the number that the kernel knows it by.
func promptly(conn net.Conn) func([]byte) (int, error) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	var fd int
	if raw.Control(func(number uintptr) { fd = int(number) }) != nil {
		return nil
	}
	return func(text []byte) (int, error) {
		n, err := syscall.Write(fd, text)
		for errors.Is(err, syscall.EINTR) {
			n, err = syscall.Write(fd, text)
		}
		if errors.Is(err, syscall.EAGAIN) {
			err = nil
		}
		return max(n, 0), err
	}
}
