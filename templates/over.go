package templates

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// overView is Over as the page draws it.
type overView struct {
	Name string
	At   clock
	Apps []appOverView
}

// appOverView is AppOver as the page draws it. Open: the app has not said yet
// that it refuses.
type appOverView struct {
	AppOver
	Open, Late bool
	Quick      string
	By         clock
}

func newOver(o Over, now time.Time) overView {
	out := overView{Name: cmp.Or(o.Agent, "whoever held your temporary login"), At: toTheSecond(o.EndedAt, now)}
	for _, a := range o.Apps {
		view := appOverView{AppOver: a, Open: !a.Refuses && !a.Asks}
		if view.Open {
			view.By, view.Late = toTheSecond(a.By, now), !now.Before(a.By)
		}
		if a.Refuses {
			view.Quick = quick(a.After)
		}
		out.Apps = append(out.Apps, view)
	}
	return out
}

// toTheSecond is a clock whose words tell the second: what matters here is
// shorter than a minute.
func toTheSecond(at, now time.Time) clock {
	c := newClock(at, now)
	c.Until = strings.Replace(c.Until, at.UTC().Format("15:04"), at.UTC().Format("15:04:05"), 1)
	return c
}

// quick says how long something took.
func quick(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f seconds", d.Seconds())
	}
	return span(d.Round(time.Second))
}
