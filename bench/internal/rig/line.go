package rig

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits of one request, and of how long a connection may have been idle before
// another is made: the broker closes one after two minutes.
const (
	replyLimit = 30 * time.Second
	idleLimit  = time.Minute
)

// line is a connection to a node that is kept. A request is written and its reply
// read by the goroutine that asks: http.Transport has two more for each connection,
// which take processor time from what is measured.
type line struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	used time.Time
}

// line is the visitor's connection to this host.
func (v *Visitor) line(host string) (*line, error) {
	l := v.lines[host]
	if l != nil && time.Since(l.used) < idleLimit {
		return l, nil
	}
	v.drop(host)
	conn, err := net.DialTimeout("tcp", host, replyLimit)
	if err != nil {
		return nil, err
	}
	l = &line{conn: conn, in: bufio.NewReaderSize(conn, 8<<10), out: bufio.NewWriterSize(conn, 4<<10)}
	v.lines[host] = l
	return l, nil
}

func (v *Visitor) drop(host string) {
	if l := v.lines[host]; l != nil {
		_ = l.conn.Close()
		delete(v.lines, host)
	}
}

// Close lets go of its connections.
func (v *Visitor) Close() {
	for host := range v.lines {
		v.drop(host)
	}
}

// Send sends a request and reads the answer.
func (v *Visitor) Send(r *http.Request) (Reply, error) {
	if err := r.Context().Err(); err != nil {
		return Reply{}, err
	}
	l, err := v.line(r.URL.Host)
	if err != nil {
		return Reply{}, err
	}
	got, keep, err := l.exchange(r)
	if err != nil || !keep {
		v.drop(r.URL.Host)
	}
	return got, err
}

func (l *line) exchange(r *http.Request) (got Reply, keep bool, err error) {
	l.used = time.Now()
	if err = l.conn.SetDeadline(l.used.Add(replyLimit)); err != nil {
		return got, false, err
	}
	if err = r.Write(l.out); err == nil {
		err = l.out.Flush()
	}
	if err != nil {
		return got, false, err
	}
	answer, err := http.ReadResponse(l.in, r)
	if err != nil {
		return got, false, err
	}
	got.Status, got.Header = answer.StatusCode, answer.Header
	if answer.ContentLength >= 0 {
		got.Body = make([]byte, answer.ContentLength)
		_, err = io.ReadFull(answer.Body, got.Body)
	} else {
		got.Body, err = io.ReadAll(answer.Body)
	}
	_ = answer.Body.Close()
	return got, err == nil && !answer.Close, err
}
