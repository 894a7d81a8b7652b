package rig

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// socket is a connection of a visitor who takes turns. Waiting for a reply is
// leaving the thread to others.
type socket struct {
	fd    int
	one   *turn
	asked bool // the reply is not there yet
}

var errOver = errors.New("the measurement is over")

// adopt takes a connection away from Go's poller, and watches it here: it is told
// once of what comes, not for as long as it is there.
func (one *turn) adopt(conn *net.TCPConn) (*socket, error) {
	defer func() { _ = conn.Close() }()
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{one: one}
	var failed error
	err = raw.Control(func(fd uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if s.fd, failed = syscall.Dup(int(fd)); failed == nil {
			syscall.CloseOnExec(s.fd)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	err = syscall.EpollCtl(one.in.poller, syscall.EPOLL_CTL_ADD, s.fd,
		&syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | 1<<31, Fd: int32(s.fd)}) //nolint:gosec // EPOLLET, which has another sign there; descriptors are small
	if err != nil {
		_ = s.Close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return s, nil
}

func (s *socket) Read(p []byte) (int, error) {
	for {
		if s.asked && !s.one.wait(s.fd) {
			return 0, errOver
		}
		n, err := syscall.Read(s.fd, p)
		s.asked = errors.Is(err, syscall.EAGAIN)
		switch {
		case s.asked || errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write writes a request, which is small: a server that does not take it at once
// is out of order.
func (s *socket) Write(p []byte) (int, error) {
	s.asked = true
	n, err := syscall.Write(s.fd, p)
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Write(s.fd, p)
	}
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (s *socket) Close() error { return syscall.Close(s.fd) }

// flush has what was written to a file be on the disk.
func flush(file *os.File) error { return syscall.Fdatasync(int(file.Fd())) } //nolint:gosec // a descriptor
