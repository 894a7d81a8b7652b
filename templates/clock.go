package templates

import (
	"fmt"
	"strings"
	"time"
)

// clock is a moment as a page shows it, mostly in the future. The words hold without
// the script; with it Left runs, and Until is told in the reader's own zone.
// Now goes along because the reader's clock may be wrong: only the distance
// between the two is trusted.
type clock struct {
	Ends, Now string // RFC 3339, UTC, for the script
	Until     string // "14:32 UTC", with the day if it is not today
	Left      string // "30 min"
}

// newClock tells the time until ends as seen at now; a zero now means the
// present.
func newClock(ends, now time.Time) clock {
	if now.IsZero() {
		now = time.Now()
	}
	ends, now = ends.UTC(), now.UTC()
	format := "15:04 UTC"
	if ends.Format(time.DateOnly) != now.Format(time.DateOnly) {
		format = "2 January, 15:04 UTC"
	}
	return clock{
		Ends: ends.Format(time.RFC3339Nano), Now: now.Format(time.RFC3339Nano),
		Until: ends.Format(format), Left: remaining(ends.Sub(now)),
	}
}

// remaining says a duration in the words of a phone call: to the minute, and
// from a day on to the hour.
func remaining(d time.Duration) string {
	minutes := int(d.Round(time.Minute) / time.Minute)
	hours, days := minutes/60, minutes/(24*60)
	switch {
	case d <= 0:
		return "no time"
	case minutes < 1:
		return "less than a minute"
	case hours < 1:
		return fmt.Sprintf("%d min", minutes)
	case days < 1 && minutes%60 == 0:
		return fmt.Sprintf("%d h", hours)
	case days < 1:
		return fmt.Sprintf("%d h %d min", hours, minutes%60)
	case days == 1:
		return fmt.Sprintf("1 day %d h", hours%24)
	}
	return fmt.Sprintf("%d days %d h", days, hours%24)
}

// span says how long something is valid or lasts: "15 minutes", "2 days",
// "1 hour 30 minutes".
func span(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if n := d / unit.is; n == 1 {
			parts = append(parts, "1 "+unit.name)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit.name))
		}
		d %= unit.is
	}
	if len(parts) == 0 {
		return "no time"
	}
	return strings.Join(parts, " ")
}
