package e2e

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// proxy is a piece of network between two programs, which a test breaks.
type proxy struct {
	address string
	target  string

	mu    sync.Mutex
	cut   bool
	held  chan struct{} // while nothing gets through, until it is closed
	delay time.Duration
	conns []net.Conn
}

// newProxy forwards what comes to its address.
func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l := listenOn(t, 0)
	p := &proxy{address: l.Addr().String(), target: target}
	go p.accept(l)
	t.Cleanup(func() {
		_ = l.Close()
		p.sever()
	})
	return p
}

func (p *proxy) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go p.connect(c)
	}
}

func (p *proxy) connect(in net.Conn) {
	defer func() { _ = in.Close() }()
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	p.mu.Lock()
	cut := p.cut
	p.conns = append(p.conns, in, out)
	p.mu.Unlock()
	if cut {
		return
	}
	go p.forward(in, out)
	p.forward(out, in)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(c net.Conn) bool { return c == in || c == out })
}

// forward passes on what comes; not while the network is a black hole, where
// that waits, as what is lost on a real one is sent again.
func (p *proxy) forward(to, from net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		held, delay := p.held, p.delay
		p.mu.Unlock()
		if held != nil {
			<-held
		}
		if delay > 0 {
			time.Sleep(delay)
		}
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			if errors.Is(err, io.EOF) {
				_ = to.(*net.TCPConn).CloseWrite()
				return
			}
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

// sever ends every connection and lets none through any more.
func (p *proxy) sever() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// swallow lets nothing through, without a word to anybody.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
}

// slow has everything take so much longer.
func (p *proxy) slow(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = by
}

// heal lets everything through again.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delay = false, 0
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}
