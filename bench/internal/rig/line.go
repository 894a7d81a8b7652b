package rig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// Limits of one request, and of how long a connection may have been idle before
// another is made: the broker closes one after two minutes.
const (
	replyLimit = 30 * time.Second
	idleLimit  = time.Minute
)

// line is a connection to a server that is kept. Requests are put together and
// replies read by hand, in buffers that are used again, by the goroutine that asks:
// net/http takes three times as much of the processors, and that from what is
// measured.
type line struct {
	host    string
	conn    io.ReadWriteCloser
	out, in []byte
	cookies [][]byte // of the last reply
	used    time.Time
}

// dial connects to a server: for a visitor who takes turns with others in their way.
func dial(host string, one *turn) (*line, error) {
	conn, err := net.DialTimeout("tcp", host, replyLimit)
	if err != nil {
		return nil, err
	}
	l := &line{host: host, conn: timed{conn}, in: make([]byte, 0, 8<<10)}
	if one != nil {
		l.conn, err = one.adopt(conn.(*net.TCPConn))
	}
	return l, err
}

// timed is a connection whose server does not have forever.
type timed struct{ net.Conn }

func (t timed) Write(p []byte) (int, error) {
	if err := t.SetDeadline(time.Now().Add(replyLimit)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}

// exchange sends what lies in out, and reads the reply.
func (l *line) exchange(now time.Time) (Reply, error) {
	l.used = now
	if _, err := l.conn.Write(l.out); err != nil {
		return Reply{}, err
	}
	return l.receive(l.conn)
}

// receive reads one reply, and wants nothing behind it.
func (l *line) receive(from io.Reader) (Reply, error) {
	l.in = l.in[:0]
	got := Reply{Cookies: l.cookies[:0]}
	end, err := l.upTo(from, 0, "\r\n\r\n", headLimit)
	if err == nil {
		err = got.head(l.in[:end])
	}
	if err == nil {
		l.cookies = got.Cookies
		got.Body, err = l.body(from, end, got.length)
	}
	if err != nil {
		return Reply{}, fmt.Errorf("the reply cannot be read: %w; it begins %.200q", err, l.in)
	}
	got.closes = got.closes || got.length == untilClosed
	return got, nil
}

// body reads what comes behind the head.
func (l *line) body(from io.Reader, start, length int) ([]byte, error) {
	switch length {
	case chunked:
		return l.chunks(from, start)
	case untilClosed:
		for len(l.in) <= start+bodyLimit {
			if err := l.more(from); errors.Is(err, io.ErrUnexpectedEOF) {
				return l.in[start:], nil
			} else if err != nil {
				return nil, err
			}
		}
		return nil, errors.New("it has no end")
	}
	if err := l.atLeast(from, start+length); err != nil {
		return nil, err
	}
	return l.in[start:], l.finished(start + length)
}

// chunks joins the chunks of a body where they lie (RFC 9112, section 7.1). No
// server that is measured sends trailers.
func (l *line) chunks(from io.Reader, start int) ([]byte, error) {
	next, to := start, start // of the chunks, and of what is joined
	for {
		end, err := l.upTo(from, next, "\r\n", 32)
		if err != nil {
			return nil, err
		}
		size, err := chunkSize(l.in[next : end-2])
		if err != nil || to-start+size > bodyLimit {
			return nil, fmt.Errorf("a chunk has the size %.32q", l.in[next:end-2])
		}
		next = end + size + 2
		if err := l.atLeast(from, next); err != nil {
			return nil, err
		}
		if !bytes.Equal(l.in[next-2:next], []byte("\r\n")) {
			return nil, errors.New("a chunk does not end where it has to")
		}
		to += copy(l.in[to:], l.in[end:end+size])
		if size == 0 {
			return l.in[start:to], l.finished(next)
		}
	}
}

func chunkSize(text []byte) (n int, err error) {
	if len(text) == 0 || len(text) > 7 {
		return 0, errors.New("no size")
	}
	for _, c := range text {
		digit := bytes.IndexByte([]byte("0123456789abcdef"), c|0x20)
		if c < '0' || digit < 0 {
			return 0, errors.New("no size")
		}
		n = n<<4 | digit
	}
	return n, nil
}

// finished is an error where more has come than one reply.
func (l *line) finished(end int) error {
	if len(l.in) > end {
		return fmt.Errorf("%d bytes came that nobody has asked for", len(l.in)-end)
	}
	return nil
}

// upTo reads until there is a mark behind a place, and returns the place behind
// the mark.
func (l *line) upTo(from io.Reader, start int, mark string, limit int) (int, error) {
	for {
		if i := bytes.Index(l.in[min(start, len(l.in)):], []byte(mark)); i >= 0 {
			return start + i + len(mark), nil
		}
		if len(l.in)-start > limit {
			return 0, errors.New("a line has no end")
		}
		if err := l.more(from); err != nil {
			return 0, err
		}
	}
}

// atLeast reads until there are so many bytes.
func (l *line) atLeast(from io.Reader, n int) error {
	l.in = slices.Grow(l.in, max(0, n-len(l.in)))
	for len(l.in) < n {
		if err := l.more(from); err != nil {
			return err
		}
	}
	return nil
}

// more reads what there is.
func (l *line) more(from io.Reader) error {
	l.in = slices.Grow(l.in, 1)
	n, err := from.Read(l.in[len(l.in):cap(l.in)])
	l.in = l.in[:len(l.in)+n]
	switch {
	case n > 0:
		return nil // an error comes again
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
