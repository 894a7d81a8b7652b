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

// line is the client's connection to this host.
func (c *Client) line(host string) (*line, error) {
	l := c.lines[host]
	if l != nil && time.Since(l.used) < idleLimit {
		return l, nil
	}
	c.drop(host)
	conn, err := net.DialTimeout("tcp", host, replyLimit)
	if err != nil {
		return nil, err
	}
	l = &line{conn: conn, in: bufio.NewReaderSize(conn, 8<<10), out: bufio.NewWriterSize(conn, 4<<10)}
	c.lines[host] = l
	return l, nil
}

func (c *Client) drop(host string) {
	if l := c.lines[host]; l != nil {
		_ = l.conn.Close()
		delete(c.lines, host)
	}
}

// Close lets go of its connections.
func (c *Client) Close() {
	for host := range c.lines {
		c.drop(host)
	}
}

// Send sends a request and reads the answer.
func (c *Client) Send(r *http.Request) (Reply, error) {
	if err := r.Context().Err(); err != nil {
		return Reply{}, err
	}
	l, err := c.line(r.URL.Host)
	if err != nil {
		return Reply{}, err
	}
	got, keep, err := l.exchange(r)
	if err != nil || !keep {
		c.drop(r.URL.Host)
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
