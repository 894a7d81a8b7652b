package guardtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// beat is the time between two confirmations.
const beat = 2 * time.Second

// ending is one entry of the log of endings.
type ending struct {
	n     int64
	sid   string
	at    time.Time
	cause string
}

// Ack is a receipt of an instance.
type Ack struct {
	Instance string
	ID       string // <epoch>-<n>
	Age      time.Duration
	At       time.Time
}

// End ends a session, as [guard] is told the causes: revoked, signed_out,
// cancelled, idle, time, reuse, operator. One that has ended is left alone.
func (b *Broker) End(sid, cause string) {
	b.change(func() { b.end(sid, cause) })
}

func (b *Broker) end(sid, cause string) {
	s := b.sessions[sid]
	if s == nil {
		s = &session{}
		b.sessions[sid] = s
	}
	if s.ended == nil {
		b.endings = append(b.endings, ending{int64(len(b.endings)) + 1, sid, time.Now(), cause})
		s.ended = &b.endings[len(b.endings)-1]
	}
}

// Reset begins a new epoch, as after a restore from a backup. Streams are cut: who
// comes again with a cursor is told to forget it, and everything is replayed.
func (b *Broker) Reset() {
	b.change(func() { b.epoch += "-again" })
}

// Emit sends text on all streams that are open, as it is: an event ends with an
// empty line.
func (b *Broker) Emit(text string) { b.change(func() { b.raw = append(b.raw, text) }) }

// Acks are the receipts so far.
func (b *Broker) Acks() []Ack {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Ack(nil), b.acks...)
}

// Position is the id of the last ending so far.
func (b *Broker) Position() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%s-%d", b.epoch, len(b.endings))
}

// reader is one stream.
type reader struct {
	b      *Broker
	w      http.ResponseWriter
	opened time.Time
	epoch  string
	next   int // in b.endings
	raw    int // in b.raw
	keys   int
	fresh  time.Time // when the next confirmation is due
}

func (b *Broker) feed(w http.ResponseWriter, r *http.Request) {
	until, ok := b.caller(w, r)
	if !ok {
		return
	}
	if n := len(r.URL.Query().Get("instance")); n > 100 {
		problem(w, http.StatusBadRequest, "invalid", nil)
		return
	}
	s := &reader{b: b, w: w, opened: time.Now()}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	fmt.Fprint(w, ": endings\n\n")
	b.mu.Lock()
	s.epoch, s.raw, s.keys, s.fresh = b.epoch, len(b.raw), b.keyTurns, s.opened
	reset := false
	if cursor := r.Header.Get("Last-Event-ID"); cursor != "" {
		at := strings.LastIndexByte(cursor, '-')
		n, err := strconv.Atoi(cursor[at+1:])
		if reset = at < 0 || err != nil || cursor[:at] != b.epoch || n < 0 || n > len(b.endings); !reset {
			s.next = n
		}
	}
	b.mu.Unlock()
	if reset {
		fmt.Fprint(w, "event: reset\ndata: {}\n\n")
	}
	s.run(r.Context(), until)
}

// run sends what is new until the stream is cut, or its bearer expires.
func (s *reader) run(ctx context.Context, until time.Time) {
	expiry := time.NewTimer(time.Until(until))
	defer expiry.Stop()
	for s.b.await(ctx) {
		text, changed, wait, ok := s.news()
		if !ok {
			break
		}
		if _, err := fmt.Fprint(s.w, text); err != nil || http.NewResponseController(s.w).Flush() != nil {
			return
		}
		tick := time.NewTimer(wait)
		select {
		case <-changed:
		case <-tick.C:
		case <-expiry.C:
			return
		case <-ctx.Done():
			return
		}
		tick.Stop()
	}
	panic(http.ErrAbortHandler)
}

// news is what this stream has not been told, when to look again, and false where
// another epoch has begun.
func (s *reader) news() (text string, changed <-chan struct{}, wait time.Duration, ok bool) {
	now := time.Now()
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	var out strings.Builder
	for ; s.next < len(s.b.endings); s.next++ {
		e := s.b.endings[s.next]
		data, _ := json.Marshal(map[string]any{ // strings and a number always have a JSON
			"seq": e.n, "sid": e.sid, "ended_at": e.at.UTC().Format("2006-01-02T15:04:05.000000Z"), "cause": e.cause, "credential": "cred-" + e.sid,
		})
		fmt.Fprintf(&out, "event: ended\nid: %s-%d\ndata: %s\n\n", s.epoch, e.n, data)
	}
	for ; s.raw < len(s.b.raw); s.raw++ {
		out.WriteString(s.b.raw[s.raw])
	}
	for ; s.keys < s.b.keyTurns; s.keys++ {
		out.WriteString("event: keys\ndata: {}\n\n")
	}
	if !now.Before(s.fresh) {
		s.fresh = now.Add(beat)
		if !s.b.silent {
			fmt.Fprintf(&out, "event: fresh\ndata: {\"seq\":%d,\"since_open_ms\":%d}\n\n", s.next, now.Sub(s.opened).Milliseconds())
		}
	}
	return out.String(), s.b.changed, time.Until(s.fresh), s.epoch == s.b.epoch
}

func (b *Broker) ack(w http.ResponseWriter, r *http.Request) {
	if _, ok := b.caller(w, r); !ok {
		return
	}
	var said struct {
		Instance string `json:"instance"`
		ID       string `json:"id"`
		Age      int64  `json:"age_ms"`
	}
	if err := json.NewDecoder(r.Body).Decode(&said); err != nil || said.Instance == "" || len(said.Instance) > 100 || said.Age < 0 {
		problem(w, http.StatusUnprocessableEntity, "invalid", nil)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at := strings.LastIndexByte(said.ID, '-')
	n, err := strconv.Atoi(said.ID[at+1:])
	if at < 0 || err != nil || said.ID[:at] != b.epoch || n > len(b.endings) {
		problem(w, http.StatusConflict, "epoch", nil)
		return
	}
	b.acks = append(b.acks, Ack{said.Instance, said.ID, time.Duration(said.Age) * time.Millisecond, time.Now()})
	w.WriteHeader(http.StatusNoContent)
}
