package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// link is one connection to the feed.
type link struct {
	g      *Guard
	cancel context.CancelCauseFunc
	begun  time.Time
	heard  atomic.Int64 // when anything came, if only a comment: ns after begun
	alive  *time.Timer  // ends the link when it has been silent for too long

	stream events
	body   io.Reader // that they come from

	sent  instant // when the request was sent: fresh counts from then
	after int64   // the same, in ns after begun
	gap   bool    // there was no other stream before
	epoch string  // of what the stream tells; empty where it has not said
	blind bool    // something was told that is not understood

	confirmed chan struct{} // closed at the first "fresh"
	renew     <-chan time.Time
	done      chan struct{} // closed at the end; then the two below are set
	err       error
	retry     time.Duration // that the broker asked to wait
}

var errSilent = errors.New("nothing was heard for too long")

// dial begins a link; gap says that there was none for a while.
func (g *Guard) dial(ctx context.Context, gap bool) *link {
	l := &link{g: g, gap: gap, begun: time.Now(), confirmed: make(chan struct{}), done: make(chan struct{})}
	ctx, l.cancel = context.WithCancelCause(ctx)
	l.alive = time.AfterFunc(time.Hour, l.listen)
	l.alive.Reset(silence)
	renew := make(chan time.Time, 1)
	l.renew = renew
	if !g.start(func(context.Context) { l.run(ctx, renew) }) {
		l.err = errClosed
		close(l.done)
	}
	return l
}

// listen ends a link that has been silent for too long, or looks again when that
// could be. So what comes need not set a timer each time.
func (l *link) listen() {
	if left := silence - (time.Since(l.begun) - time.Duration(l.heard.Load())); left > 0 {
		l.alive.Reset(left)
		return
	}
	l.cancel(errSilent)
}

// Read implements io.Reader: the stream, and a note when something comes.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.body.Read(p)
	if n > 0 {
		l.heard.Store(int64(time.Since(l.begun)))
	}
	return n, err
}

// close ends a link and waits for it; nil is none.
func (l *link) close() {
	if l == nil {
		return
	}
	l.cancel(nil)
	<-l.done
}

func (l *link) run(ctx context.Context, renew chan<- time.Time) {
	defer close(l.done)
	defer l.cancel(nil)
	defer l.alive.Stop()
	l.err = l.read(ctx, renew)
	if cause := context.Cause(ctx); cause != nil {
		l.err = cause
	}
}

// read opens the stream and applies what it tells until it ends.
func (l *link) read(ctx context.Context, renew chan<- time.Time) error {
	if l.gap {
		l.g.rediscover()
	}
	b, err := l.g.apiToken(ctx, youngEnough)
	if err != nil {
		return err
	}
	response, err := l.open(ctx, b)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	left := time.Duration(renewAt*float64(b.life)) - l.sent.since(b.from)
	timer := time.AfterFunc(max(left, 0), func() { renew <- time.Now() })
	defer timer.Stop()
	l.body, l.stream.from = response.Body, l
	for {
		ev, err := l.stream.next()
		if err != nil {
			return err
		}
		if ev.retry > 0 {
			l.retry = min(ev.retry, time.Minute)
		}
		if err := l.apply(ev); err != nil {
			return err
		}
	}
}

// open sends the request and looks at the response's head.
func (l *link) open(ctx context.Context, b *bearer) (*http.Response, error) {
	g := l.g
	query := url.Values{"instance": {g.cfg.Instance}, "max_staleness": {g.cfg.MaxStaleness.String()}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.cfg.Issuer+"/api/v1/endings?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer "+b.token)
	if at := g.position.get(); at.epoch != "" {
		r.Header.Set("Last-Event-ID", at.String())
		l.epoch = at.epoch
	}
	l.sent, l.after = g.clock.read(), int64(time.Since(l.begun))
	response, err := g.stream.Do(r)
	if err != nil {
		return nil, err
	}
	g.compare(response.Header, l.sent)
	if response.StatusCode == http.StatusOK {
		if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			g.clock.hear(date)
		}
		if keys, ok := g.keys.(*remoteKeys); ok && l.gap {
			keys.opened()
		}
		return response, nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxEvent)) // what cannot be read is not said
	response.Body.Close()                                          //nolint:errcheck,gosec // it was only read
	if response.StatusCode == http.StatusUnauthorized {
		g.token.forget(b)
	}
	return nil, fmt.Errorf("the feed of endings answered %s: the client needs api: [endings.read]", why(response.StatusCode, body))
}

// apply does what an event says. An error ends the link.
func (l *link) apply(ev event) error {
	switch ev.name {
	case "ended":
		l.ended(ev)
	case "fresh":
		return l.fresh(ev)
	case "reset":
		l.epoch = ""
		l.g.acks.forget()
		l.g.position.forget() // the set stays: what has ended has ended
	case "keys":
		if keys, ok := l.g.keys.(*remoteKeys); ok {
			keys.changed()
		}
	case "": // a retry or an id alone
	default:
		l.distrust("guard: an event that is not known; requests are asked about until the next connection", ev)
	}
	return nil
}

func (l *link) ended(ev event) {
	at, ok := parseCursor(ev.id)
	said, err := readTold(ev.data)
	if err != nil || said.SID == "" || !ok {
		l.distrust("guard: an ending that is not understood; requests are asked about until the next connection", ev)
		return
	}
	// The clock need not be read for what says whether a time can be meant at all. One
	// that was set since then ends the link: see fresh.
	heard := l.sent.plus(time.Duration(l.heard.Load() - l.after))
	l.g.ledger.end(said.SID, ending(said.EndedAt, said.Cause, heard))
	l.epoch = at.epoch
	l.g.position.reach(at)
	l.g.acks.reached(at, l.g.clock.read())
}

// fresh confirms the endings up to when the broker's node began to read its log:
// its time since it accepted the stream, counted from when the request was sent,
// which was before that.
func (l *link) fresh(ev event) error {
	seq, since, ok := confirmation(ev.data)
	if !ok {
		l.distrust("guard: a confirmation that is not understood; requests are asked about until the next connection", ev)
		return nil
	}
	now := l.g.clock.read()
	at := l.sent.plus(since)
	if !together(now, l.sent) || at.mono > now.mono+int64(time.Second) {
		return errors.New("the clock was set, or the machine was suspended, since the stream began")
	}
	if l.blind {
		return nil
	}
	if l.epoch != "" {
		reached := cursor{l.epoch, seq}
		l.g.position.reach(reached)
		select {
		case <-l.confirmed:
		default:
			l.g.acks.reached(reached, now) // of a replay
		}
	}
	l.g.confirm(instant{min(at.wall, now.wall), min(at.mono, now.mono)}, now)
	select {
	case <-l.confirmed:
	default:
		close(l.confirmed)
	}
	return nil
}

// confirmation reads the data of a "fresh" event.
func confirmation(data []byte) (seq int64, since time.Duration, ok bool) {
	var said struct {
		Seq       *int64 `json:"seq"`
		SinceOpen *int64 `json:"since_open_ms"`
	}
	if json.Unmarshal(data, &said) != nil || said.Seq == nil || said.SinceOpen == nil || *said.Seq < 0 || *said.SinceOpen < 0 {
		return 0, 0, false
	}
	return *said.Seq, time.Duration(min(*said.SinceOpen, int64(24*time.Hour/time.Millisecond))) * time.Millisecond, true
}

// distrust ends what is known until there is another connection.
func (l *link) distrust(why string, ev event) {
	l.blind = true
	l.g.distrust()
	l.g.log.Error(why, "event", ev.name)
}
