package guard

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// askewBy is how far from the broker's clock this machine's may be without a word.
	askewBy = 5 * time.Second
	// askewMore is by how much that must change for another word.
	askewMore = 2 * askewBy
	// askewNot is within what it is right again, for certain: the word after that is
	// the first one. Answers of several nodes, or slow ones, do not make it right and
	// wrong in turns.
	askewNot = askewBy / 2
)

// compare warns where this machine's clock is wrong by the Date of an answer of the
// broker, of a request that was sent at that time. Nothing is decided by it: the
// Date may be that of a proxy.
func (g *Guard) compare(header http.Header, sent instant) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	least, most := askew(date, sent.wall, g.clock.read().wall)
	by := max(least, 0) + min(most, 0) // zero where it could be right
	said := g.clock.warned.Load()
	if said != 0 && least >= -askewNot && most <= askewNot {
		g.clock.warned.CompareAndSwap(said, 0)
		return
	}
	if by.Abs() <= askewBy || (by-time.Duration(said)).Abs() <= max(askewMore, time.Duration(said).Abs()/2) && said != 0 {
		return
	}
	if !g.clock.warned.CompareAndSwap(said, int64(by)) {
		return // another answer said it at this moment
	}
	where := "ahead of"
	if by < 0 {
		where = "behind"
	}
	g.log.Warn(fmt.Sprintf("guard: this machine's clock is %s %s the broker's. Set it: tokens and proofs are refused where it is wrong", by.Abs().Round(time.Second), where))
}

// askew is how far a clock is ahead of another, negative where it is behind: between
// these two. The other's time, in whole seconds, was written between sent and got.
func askew(date time.Time, sent, got int64) (least, most time.Duration) {
	return time.Duration(sent - date.Add(time.Second).UnixNano()), time.Duration(got - date.UnixNano())
}
