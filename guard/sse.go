package guard

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

const (
	maxLine  = 4 << 10
	maxEvent = 16 << 10
)

// event is one Server-Sent Event (WHATWG HTML, section 9.2).
type event struct {
	name  string
	id    string
	hasID bool
	data  []byte        // valid until the next event is read
	retry time.Duration // asked for before this event; 0 for nothing
}

var errStream = errors.New("the feed is not one of Server-Sent Events, or is too long for one")

// events reads a stream. Lines end with LF or CRLF; a lone CR, which the standard
// allows too, is an error here and not the end of a line. All of it lies in one
// piece: see watch.
type events struct {
	from io.Reader
	err  error  // that from has returned
	data []byte // of the event
	room [512]byte

	read, filled int // in the buffer
	buffer       [maxLine]byte
}

func newEvents(r io.Reader) *events { return &events{from: r} }

// next returns the next event, a retry alone being one without a name. An event
// that the stream's end cuts off is dropped, as the standard says.
func (e *events) next() (event, error) {
	var ev event
	size, named := 0, false
	if e.data == nil {
		e.data = e.room[:0]
	}
	e.data = e.data[:0]
	for {
		line, err := e.line()
		if err != nil {
			return event{}, err
		}
		if size += len(line); size > maxEvent {
			return event{}, errStream
		}
		if len(line) == 0 {
			if named || ev.retry > 0 || ev.hasID {
				ev.data = bytes.TrimSuffix(e.data, []byte("\n"))
				return ev, nil
			}
			size = 0 // after a comment, or between events
			continue
		}
		named = e.field(&ev, line) || named
	}
}

// field takes one line in, and reports whether it makes an event.
func (e *events) field(ev *event, line []byte) bool {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		ev.name = nameOf(value)
		return true
	case "data":
		e.data = append(append(e.data, value...), '\n')
		return true
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			ev.id, ev.hasID = string(value), true
		}
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
			ev.retry = time.Duration(ms) * time.Millisecond
		}
	}
	return false // a comment, or what the standard says to ignore
}

// nameOf is an event's name; the usual ones are not made anew each time.
func nameOf(value []byte) string {
	switch string(value) {
	case "ended":
		return "ended"
	case "fresh":
		return "fresh"
	}
	return string(value)
}

// line reads one line without its end; a stream's last one has to have one. It is
// valid until the next is read.
func (e *events) line() ([]byte, error) {
	for seen := e.read; ; {
		if at := bytes.IndexByte(e.buffer[seen:e.filled], '\n'); at >= 0 {
			line := bytes.TrimSuffix(e.buffer[e.read:seen+at], []byte("\r"))
			if e.read = seen + at + 1; bytes.IndexByte(line, '\r') >= 0 {
				return nil, errStream
			}
			return line, nil
		}
		e.filled = copy(e.buffer[:], e.buffer[e.read:e.filled])
		e.read, seen = 0, e.filled
		if err := e.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads what there is, at least one byte.
func (e *events) fill() error {
	if e.filled == len(e.buffer) {
		return errStream
	}
	for range 100 { // as for bufio, a reader that reads nothing so often is broken
		if e.err != nil {
			return e.err
		}
		var n int
		n, e.err = e.from.Read(e.buffer[e.filled:])
		if e.filled += n; n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}
