package credentials

import (
	"strconv"
	"strings"
	"time"
)

// Ending is the numbered fact that a session ended, as every relying app is
// told it.
type Ending struct {
	N           int64 // within its epoch; the order of commits
	SID         string
	Account     string
	Credential  string
	Cause       Cause
	EndedAt     time.Time
	NeededUntil time.Time // no token of the session can be alive after it
	Audiences   []string  // that held a token of it
	StatusIndex int64     // of the session in the status list; 0: none
}

// Cursor is a place in the log of endings. Whoever has seen a cursor has seen
// every ending of its epoch up to N.
type Cursor struct {
	Epoch string
	N     int64
}

// String writes the cursor as apps keep it: <epoch>-<n>.
func (c Cursor) String() string { return c.Epoch + "-" + strconv.FormatInt(c.N, 10) }

// maxCursor bounds a cursor that is read, in bytes.
const maxCursor = 100

// ParseCursor reads what String wrote; false for anything else.
func ParseCursor(s string) (Cursor, bool) {
	at := strings.LastIndexByte(s, '-') // an epoch may have hyphens of its own
	if at < 1 || len(s) > maxCursor {
		return Cursor{}, false
	}
	n, err := strconv.ParseInt(s[at+1:], 10, 64)
	c := Cursor{Epoch: s[:at], N: n}
	return c, err == nil && n >= 0 && c.String() == s // one way to write each
}

// EndingMargin is how long beyond the life of the last token an ending is still
// announced, for clocks that differ.
const EndingMargin = 2 * time.Minute

// Enforces is how an app learns of endings.
type Enforces string

// The ways. What an owner is told of an app is no more than its way can know.
const (
	ByGuard         Enforces = "guard"         // it follows the endings and says so
	ByIntrospection Enforces = "introspection" // it asks at each request
	ByLogout        Enforces = "logout"        // it is called back
	ByNothing       Enforces = "none"          // its tokens run out
)

// Receipt is what is known of one app that held a token of an ended session.
type Receipt struct {
	SID         string
	Client      string
	Audience    string
	Account     string
	Enforces    Enforces
	EndedAt     time.Time
	AppliedAt   time.Time     // zero until the app has acknowledged the ending
	Instances   int           // that acknowledged; 0 where the app was called back
	TokensUntil time.Time     // the last of its tokens is over by then at the latest
	Staleness   time.Duration // what its instances promise at most; 0 where none is known
}

// After is how long the app took to say that it refuses.
func (r Receipt) After() time.Duration { return max(r.AppliedAt.Sub(r.EndedAt), 0) }

// RefusesBy is the moment from which the app refuses the session at the latest,
// by what is known of it: its word; or the promise of its instances, which ask
// where they know nothing new; or that it asks each time; or that its tokens have
// run out.
func (r Receipt) RefusesBy() time.Time {
	switch {
	case !r.AppliedAt.IsZero():
		return r.AppliedAt
	case r.Enforces == ByIntrospection:
		return r.EndedAt
	case r.Enforces == ByGuard && r.Staleness > 0 && r.EndedAt.Add(r.Staleness).Before(r.TokensUntil):
		return r.EndedAt.Add(r.Staleness)
	}
	return r.TokensUntil
}
