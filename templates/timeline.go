package templates

import "time"

// day is the part of the record that lies in one day of UTC.
type day struct {
	Name   string // empty where the page needs no heading: all of it is today's
	Events []eventView
}

// eventView is Event as the page draws it.
type eventView struct {
	Event
	ISO, Time string
}

// days cuts the record, newest first, into days. The script cuts it again, into
// those of the reader's own zone.
func days(events []Event, now time.Time) []day {
	var out []day
	last := ""
	for _, e := range events {
		at := e.At.UTC()
		if date := at.Format(time.DateOnly); date != last {
			out, last = append(out, day{Name: dayName(at, now.UTC())}), date
		}
		d := &out[len(out)-1]
		d.Events = append(d.Events, eventView{e, at.Format(time.RFC3339Nano), at.Format("15:04")})
	}
	if len(out) == 1 && out[0].Name == "Today" {
		out[0].Name = ""
	}
	return out
}

func dayName(at, now time.Time) string {
	switch at.Format(time.DateOnly) {
	case now.Format(time.DateOnly):
		return "Today"
	case now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "Yesterday"
	}
	if at.Year() == now.Year() {
		return at.Format("Monday 2 January")
	}
	return at.Format("Monday 2 January 2006")
}
