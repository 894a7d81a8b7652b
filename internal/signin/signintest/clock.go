package signintest

import (
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
