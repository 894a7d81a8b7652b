package revocation

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// stream is one connection: a place in the log, and what is to be written next.
type stream struct {
	audience string
	epoch    string
	sent     int64     // everything up to here has been written
	due      bool      // a fresh event is to be written
	spoken   time.Time // when anything was written last
	buf      []byte

	write    func([]byte) error // in time, or not at all
	accepted time.Time
	until    time.Time     // the end: within the last tenth of the bearer's life, at a moment of its own
	keys     chan struct{} // the feed's, when it was last looked at
	fresh    time.Time     // the confirmation that was told last
	err      error
}

// maxKept bounds the buffer that a stream keeps between writes, in bytes.
const maxKept = 2 << 10

func (s *stream) text(t string) { s.buf = append(s.buf, t...) }

// begin finds the place to begin at.
func (s *stream) begin(lastID string, v View) {
	var reset bool
	s.epoch = v.Cursor.Epoch
	if s.sent, reset = place(lastID, v); reset {
		s.reset(v)
	}
	s.due = true
}

// reset has the reader forget its place. The keys may be others too: a new epoch
// is one after a restore.
func (s *stream) reset(v View) {
	s.epoch, s.sent, s.due = v.Cursor.Epoch, 0, true
	s.text("event: reset\ndata: {}\n\n" + otherKeys)
}

// show writes what the reader has not seen of the log, and how fresh that is.
func (s *stream) show(v View) {
	if v.Cursor.Epoch != s.epoch || v.Cursor.N < s.sent { // a restore, or a failover that lost something
		s.reset(v)
	}
	for _, e := range v.after(s.sent) {
		s.ended(e)
	}
	s.sent = max(s.sent, v.Cursor.N)
	if s.due && v.Confirmed.After(s.fresh) && !v.Confirmed.Before(s.accepted) {
		s.fresh, s.due = v.Confirmed, false
		s.text("event: fresh\ndata: {\"seq\":")
		s.buf = strconv.AppendInt(s.buf, v.Cursor.N, 10)
		s.text(",\"since_open_ms\":")
		s.buf = strconv.AppendInt(s.buf, v.Confirmed.Sub(s.accepted).Milliseconds(), 10)
		s.text("}\n\n")
	}
	if len(s.buf) == 0 && time.Since(s.spoken) >= silence {
		s.text(":\n\n")
	}
}

// ended writes an ending. Its parts are ids of ours and words of ours, so
// nothing in them needs to be escaped.
func (s *stream) ended(e credentials.Ending) {
	s.text("event: ended\nid: ")
	s.text(s.epoch)
	s.buf = append(s.buf, '-')
	s.buf = strconv.AppendInt(s.buf, e.N, 10)
	s.text("\ndata: {\"seq\":")
	s.buf = strconv.AppendInt(s.buf, e.N, 10)
	s.text(",\"sid\":\"")
	s.text(e.SID)
	s.text("\",\"ended_at\":\"")
	s.buf = e.EndedAt.UTC().AppendFormat(s.buf, "2006-01-02T15:04:05.000000Z07:00")
	if s.audience != "" && slices.Contains(e.Audiences, s.audience) {
		s.text("\",\"credential\":\"")
		s.text(e.Credential)
		s.text("\",\"cause\":\"")
		s.text(string(e.Cause))
	}
	s.text("\"}\n\n")
}

// otherKeys has the reader fetch the JWKS now.
const otherKeys = "event: keys\ndata: {}\n\n"

// hint is when to come back, for one of many who are sent away at once.
func hint() string {
	return "retry: " + strconv.Itoa(500+rand.IntN(2500)) + "\n\n" //nolint:gosec // jitter
}

// flush writes what has been gathered. A reader that does not take it in time is
// dropped: it will come back to its place.
func (s *stream) flush() error {
	if len(s.buf) == 0 || s.err != nil {
		return s.err
	}
	s.err = s.write(s.buf)
	s.spoken = time.Now()
	if s.buf = s.buf[:0]; cap(s.buf) > maxKept {
		s.buf = nil
	}
	return s.err
}
