package signintest

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

// Clock goes only where the test puts it.
type Clock struct{ micros atomic.Int64 }

// NewClock is a clock that stands at this moment.
func NewClock() *Clock {
	c := &Clock{}
	c.micros.Store(time.Now().UnixMicro())
	return c
}

// Now is the time it shows.
func (c *Clock) Now() time.Time { return time.UnixMicro(c.micros.Load()).UTC() }

// Add moves it.
func (c *Clock) Add(d time.Duration) { c.micros.Add(d.Microseconds()) }

// Log is a log that may be read while it is written.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is what was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
