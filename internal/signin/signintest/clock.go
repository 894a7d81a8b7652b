package signintest

import (
	"sync/atomic"
	"time"
)

// Clock follows the real time until it is stopped, because PostgreSQL has a clock of
// its own to compare with while a store is opened; then it goes only where the test
// puts it.
type Clock struct{ micros atomic.Int64 } // 0: it follows

// NewClock is a clock that stands at this moment.
func NewClock() *Clock {
	c := &Clock{}
	c.Stop()
	return c
}

// Now is the time it shows.
func (c *Clock) Now() time.Time {
	at := c.micros.Load()
	if at == 0 {
		at = time.Now().UnixMicro()
	}
	return time.UnixMicro(at).UTC()
}

// Follow lets it go on with the real time, for those who have clocks of their own.
func (c *Clock) Follow() { c.micros.Store(0) }

// Stop stops it at this moment.
func (c *Clock) Stop() { c.micros.Store(time.Now().UnixMicro()) }

// Add moves it, once it is stopped.
func (c *Clock) Add(d time.Duration) { c.micros.Add(d.Microseconds()) }
