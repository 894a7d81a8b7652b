package rig

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Reply is an answer that has been read. What it holds lies in the buffer of its
// connection: it is good until the next request goes over that.
type Reply struct {
	Status   int
	Location []byte
	Type     []byte   // of the body, as it is said
	Cookies  [][]byte // that are set, as they are said
	Body     []byte

	length int  // of the body, or chunked, or untilClosed
	closes bool // the connection is at its end
}

const (
	chunked     = -1
	untilClosed = -2
)

// Limits of a reply; nothing that is measured comes near.
const (
	headLimit = 64 << 10
	bodyLimit = 8 << 20
)

// Want is an answer of this status, or an error that says what came.
func (r Reply) Want(status int, what string) error {
	if r.Status == status {
		return nil
	}
	return fmt.Errorf("%s is answered with %d, want %d: %.400s", what, r.Status, status, r.Body)
}

// is an answer of this type, or an error.
func (r Reply) is(media, what string) error {
	if bytes.HasPrefix(r.Type, []byte(media)) {
		return nil
	}
	return fmt.Errorf("%s is answered with %q, want %s: %.400s", what, r.Type, media, r.Body)
}

// head reads what comes before the body, the empty line included (RFC 9112). It
// takes what the servers send that are measured, and nothing doubtful.
func (r *Reply) head(text []byte) error {
	r.length = untilClosed
	line, rest, err := cutLine(text)
	if err == nil {
		err = r.statusLine(line)
	}
	for err == nil {
		if line, rest, err = cutLine(rest); err != nil || len(line) == 0 {
			break
		}
		err = r.field(line)
	}
	if err == nil && (r.Status == 204 || r.Status == 304) {
		r.length = 0
	}
	return err
}

// cutLine is the first line, without its end.
func cutLine(text []byte) (line, rest []byte, err error) {
	line, rest, found := bytes.Cut(text, []byte("\r\n"))
	if !found {
		return nil, nil, errors.New("a line does not end as it has to")
	}
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, fmt.Errorf("a line holds %q", c)
		}
	}
	return line, rest, nil
}

func (r *Reply) statusLine(line []byte) error {
	rest, is := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !is || len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' {
		return fmt.Errorf("it begins %.60q", line)
	}
	status, err := strconv.ParseUint(string(rest[:3]), 10, 16)
	if err != nil || status < 200 || status > 599 {
		return fmt.Errorf("it has the status %q", rest[:3])
	}
	r.Status = int(status) //nolint:gosec // three digits
	return nil
}

// field takes a header field that matters here.
func (r *Reply) field(line []byte) error {
	name, value, is := bytes.Cut(line, []byte(":"))
	if !is || !token(name) {
		return fmt.Errorf("%.60q is no header field", line)
	}
	value = bytes.Trim(value, " \t")
	switch {
	case named(name, "Content-Length"):
		n, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil || n > bodyLimit || r.length != untilClosed {
			return fmt.Errorf("its length is not clear: %.60q", line)
		}
		r.length = int(n) //nolint:gosec // below the limit
	case named(name, "Transfer-Encoding"):
		if !named(value, "chunked") || r.length != untilClosed {
			return fmt.Errorf("its length is not clear: %.60q", line)
		}
		r.length = chunked
	case named(name, "Connection"):
		r.closes = r.closes || named(value, "close")
	case named(name, "Location"):
		r.Location = value
	case named(name, "Content-Type"):
		r.Type = value
	case named(name, "Set-Cookie"):
		r.Cookies = append(r.Cookies, value)
	}
	return nil
}

// token reports whether it can be a field's name.
func token(text []byte) bool {
	for _, c := range text {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && bytes.IndexByte([]byte("-_!#$%&'*+.^`|~"), c) < 0 {
			return false
		}
	}
	return len(text) > 0
}

// named compares without regard to case; most names differ in length already.
func named(text []byte, name string) bool {
	return len(text) == len(name) && bytes.EqualFold(text, []byte(name))
}
