package templates

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRemaining(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   time.Duration
		want string
	}{
		{-time.Second, "no time"},
		{0, "no time"},
		{20 * time.Second, "less than a minute"},
		{40 * time.Second, "1 min"},
		{30*time.Minute - time.Millisecond, "30 min"},
		{time.Hour, "1 h"},
		{90 * time.Minute, "1 h 30 min"},
		{24 * time.Hour, "1 day 0 h"},
		{49*time.Hour + 10*time.Minute, "2 days 1 h"},
	} {
		if got := remaining(c.in); got != c.want {
			t.Errorf("%v: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestClockTellsUTCWithoutTheScript(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 9*3600)
	c := newClock(testNow.Add(30*time.Minute).In(east), testNow.In(east))
	if c.Until != "14:32 UTC" || c.Left != "30 min" || c.Ends != "2026-03-02T14:32:00Z" || c.Now != "2026-03-02T14:02:00Z" {
		t.Errorf("got %+v", c)
	}
	if c = newClock(testNow.Add(24*time.Hour), testNow); c.Until != "3 March, 14:02 UTC" {
		t.Errorf("another day is told as %q", c.Until)
	}
	if c = newClock(time.Now().Add(10*time.Minute), time.Time{}); c.Left != "10 min" {
		t.Errorf("without a time of its own a page counts from the present; got %q", c.Left)
	}
}

func TestSummarySaysWhatIsEntered(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	p := Summary{Account: "Acme Inc", Handle: "4821", Contact: "Olivia Owner", Ticket: "T-4711", Client: "Docs",
		Agent: Agent{"Dana Reed", "Northwind SSO"}, Can: []string{"View documents"}, Never: []string{"Delete anything"},
		Now: testNow, EndsAt: testNow.Add(30 * time.Minute)}
	page := written(t, func(w io.Writer) error { return s.Summary(w, p) })
	for _, want := range []string{"<h1>You are about to enter Acme Inc</h1>", "4821", "Olivia Owner", "T-4711", "Dana Reed",
		"View documents", "Delete anything", "14:32 UTC", `data-left="2026-03-02T14:32:00Z"`, `data-now="2026-03-02T14:02:00Z"`,
		"Everything you do is shown to the customer", "Cancel, and end this access"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}

	p.Existing, p.Agent, p.Contact, p.Can = true, Agent{}, "", nil
	page = written(t, func(w io.Writer) error { return s.Summary(w, p) })
	if !strings.Contains(page, "<h1>You are already in Acme Inc in this browser</h1>") || strings.Contains(page, "about to enter") {
		t.Error("a session that exists is not told apart from a new one")
	}
	for _, gone := range []string{"<dt>You</dt>", "<dt>Contact</dt>", "<li></li>"} {
		if strings.Contains(page, gone) {
			t.Errorf("%s is shown with nothing in it", gone)
		}
	}
}

func TestOnlyTheOpenFormGetsProblemAndReason(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	for open, reasonID := range map[string]string{"pin": "reason", "password": "login-reason"} {
		page := written(t, func(w io.Writer) error {
			return s.Redeem(w, Redeem{Open: open, Reason: "T-4711", Problem: Problem{Text: "No."}})
		})
		for _, g := range tags(page) {
			switch {
			case g.attrs["name"] == "reason" && (g.attrs["value"] == "T-4711") != (g.attrs["id"] == reasonID):
				t.Errorf("%s: the reason is in the wrong form: %v", open, g.attrs)
			case g.name == "details" && g.has("open") != (open == "password"):
				t.Errorf("%s: the second form is open: %v", open, g.has("open"))
			}
		}
	}
}

func TestFailureAlwaysSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	seen := map[string]int{}
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		page := written(t, func(w io.Writer) error { return s.Failure(w, Failure{Status: status}) })
		_, rest, _ := strings.Cut(page, "<h1>")
		title, _, _ := strings.Cut(rest, "</h1>")
		if title == "" || seen[title] != 0 {
			t.Errorf("%d: title %q is empty or that of %d", status, title, seen[title])
		}
		seen[title] = status
		if !strings.Contains(page, "What to do") || strings.Contains(page, "give this reference") {
			t.Errorf("%d: no advice, or a number that does not exist", status)
		}
	}
	page := written(t, func(w io.Writer) error {
		return s.Failure(w, Failure{Status: 500, Title: "Own title", Text: "Own text", Action: "Own advice", RequestID: "7f3c"})
	})
	for _, want := range []string{"<h1>Own title</h1>", "Own text", "Own advice", "7f3c"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
