package guard

import (
	"sync/atomic"
	"time"
)

// instant is one moment on two clocks: by the wall, which can be set, and by the
// monotonic clock, which cannot but stands still while a machine is suspended.
type instant struct {
	wall int64 // ns since 1970
	mono int64 // ns since the guard began
}

// plus is the instant a while later.
func (i instant) plus(d time.Duration) instant {
	return instant{i.wall + int64(d), i.mono + int64(d)}
}

// since is how much later than past it is, by the clock that says more. So
// neither a clock set back nor a suspended machine makes anything look younger.
func (i instant) since(past instant) time.Duration {
	return time.Duration(max(i.wall-past.wall, i.mono-past.mono))
}

// clock tells the time, and what of it is certain about the broker's.
type clock struct {
	read func() instant
	// told is what a node of the broker said that its time is. What that node
	// says later replaces it, so that one wrong clock is not believed for ever.
	told atomic.Pointer[instant]
	// warned is how far from the broker's it was last said to be, in ns; 0: nothing
	// was said.
	warned atomic.Int64
}

// newClock reads the wall clock from now, time.Now where that is nil.
func newClock(now func() time.Time) *clock {
	start := time.Now()
	if now == nil {
		return &clock{read: func() instant {
			t := time.Now() // both clocks in one reading
			return instant{t.UnixNano(), int64(t.Sub(start))}
		}}
	}
	return &clock{read: func() instant { return instant{now().UnixNano(), int64(time.Since(start))} }}
}

// hear notes the broker's time, from the Date of a response to a stream.
func (c *clock) hear(date time.Time) {
	c.told.Store(&instant{date.UnixNano(), c.read().mono})
}

// latest is the later of the own time and the least that the broker's must be.
// Tokens are judged by it: a clock set back keeps none alive.
func (c *clock) latest(now instant) int64 {
	if told := c.told.Load(); told != nil {
		return max(now.wall, told.wall+now.mono-told.mono)
	}
	return now.wall
}

// earliest is the earlier of the two, and the beginning of time where the broker
// has not said. What must be kept until some time is kept by it.
func (c *clock) earliest(now instant) int64 {
	if told := c.told.Load(); told != nil {
		return min(now.wall, told.wall+now.mono-told.mono)
	}
	return 0
}
