package credentials

import (
	"fmt"
	"strings"
	"time"
)

// Span writes a duration as people and the configuration do: 7d, 1h30m, 15m.
func Span(d time.Duration) string {
	var out strings.Builder
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			fmt.Fprintf(&out, "%d%s", n, unit.name)
			d -= n * unit.length
		}
	}
	if out.Len() == 0 {
		return d.String()
	}
	return out.String()
}

// spans writes several durations.
func spans(list []time.Duration) string {
	out := make([]string, 0, len(list))
	for _, d := range list {
		out = append(out, Span(d))
	}
	return strings.Join(out, ", ")
}
