//go:build unix

package revocation

import (
	"errors"
	"net"
	"syscall"
)

// promptly returns how to write to a connection without waiting: what its buffer
// in the kernel does not take is not written, and no error. It is nil for what is
// no socket.
func promptly(conn net.Conn) func([]byte) (int, error) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return func(text []byte) (n int, err error) {
		closed := raw.Write(func(fd uintptr) bool {
			for n, err = syscall.Write(int(fd), text); errors.Is(err, syscall.EINTR); {
				n, err = syscall.Write(int(fd), text)
			}
			return true // or it would wait
		})
		if errors.Is(err, syscall.EAGAIN) {
			n, err = 0, nil
		}
		return max(n, 0), errors.Join(closed, err)
	}
}
