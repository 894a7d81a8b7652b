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
)

// compare warns where this machine's clock is wrong by the Date of an answer of the
// broker, of a request that was sent at that time. Nothing is decided by it: the
// Date may be that of a proxy.
func (g *Guard) compare(header http.Header, sent instant) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	by := askew(date, sent.wall, g.clock.read().wall)
	said := g.clock.warned.Load()
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

// askew is how far a clock is ahead of another, negative where it is behind, and
// zero where it could be right. The other's time, in whole seconds, was written
// between sent and got.
func askew(date time.Time, sent, got int64) time.Duration {
	from, to := date.UnixNano(), date.Add(time.Second).UnixNano()
	return time.Duration(max(sent-to, 0) + min(got-from, 0))
}
