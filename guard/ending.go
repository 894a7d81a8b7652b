package guard

import (
	"slices"
	"time"
)

// Ending is how a support session ended.
type Ending struct {
	At time.Time
	// Cause is revoked (by the customer), signed_out, cancelled, idle, time, reuse
	// (of a code or token) or operator; empty where the broker did not say.
	Cause string
}

// ending is one as the broker tells it, heard at some time. A session is remembered
// to have ended by that time: one that cannot be meant is taken for when it was heard.
func ending(at time.Time, cause string, heard instant) Ending {
	now := time.Unix(0, heard.wall)
	if at.Before(now.Add(-24*time.Hour)) || at.After(time.Unix(farthest, 0)) {
		at = now
	}
	return Ending{at, cause}
}

// refusal is [ErrEnded] with what is known of the ending.
func (e Ending) refusal() *Refusal {
	both := &struct {
		refusal Refusal
		ending  Ending
	}{*ErrEnded, e}
	both.refusal.Ending = &both.ending
	return &both.refusal
}

// causes are all that the broker has; the first is one that is not known.
var causes = []string{"", "revoked", "signed_out", "cancelled", "idle", "time", "reuse", "operator"}

// noted is an ending in eight bytes: when, in ns since 1970, with the cause's
// place among the causes instead of the last three bits.
type noted int64

func (e Ending) note() noted {
	return noted(e.At.UnixNano())&^7 | noted(max(slices.Index(causes, e.Cause), 0))
}

func (n noted) ending() Ending { return Ending{time.Unix(0, int64(n)&^7), causes[n&7]} }

// and is what two reports of one ending say together: the later time, and the
// cause if either has one.
func (n noted) and(other noted) noted {
	later := max(n, other)
	if later&7 == 0 {
		later |= min(n, other) & 7
	}
	return later
}
