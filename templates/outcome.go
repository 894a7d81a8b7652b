package templates

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// Summary is the last page before an account is entered. It posts request and
// enter=1 to /enter, or request to /cancel.
type Summary struct {
	Request  string   // sealed request, unseen
	Account  string   // the account's display name
	Handle   string   // the short name people say on the phone
	Contact  string   // the person who made the credential; may be empty
	Ticket   string   // may be empty
	Client   string   // name of the app that will be entered
	Agent    Agent    // Name is empty for somebody who only holds a temporary login
	Can      []string // labels of what may be done
	Never    []string // labels of what cannot be lent
	EndsAt   time.Time
	Now      time.Time // the server's time when it rendered; zero: the present
	Existing bool      // this browser already has a session for the account
}

// summaryView is Summary as the page draws it.
type summaryView struct {
	Summary
	Clock clock
}

// Summary writes the page that says what is about to be entered.
func (s *Set) Summary(w io.Writer, p Summary) error {
	existing := ""
	if p.Existing {
		existing = "existing"
	}
	c := newClock(p.EndsAt, p.Now)
	name := append([]string{"summary", s.signIn(), existing, p.Client, p.Agent.Connector, strings.Join(p.Can, "\x01")}, p.Never...)
	texts := []string{p.Request, p.Account, p.Handle, p.Contact, p.Ticket, p.Agent.Name, c.Ends, c.Now, c.Until, c.Left}
	return s.sketches.write(w, name, texts, func(w io.Writer, t []string) error {
		q := p
		q.Request, q.Account, q.Handle, q.Contact, q.Ticket, q.Agent.Name = t[0], t[1], t[2], t[3], t[4], t[5]
		return s.summary(w, summaryView{q, clock{Ends: t[6], Now: t[7], Until: t[8], Left: t[9]}})
	})
}

func (s *Set) summary(w io.Writer, v summaryView) error {
	title := "You are about to enter " + v.Account
	if v.Existing {
		title = "You are already in " + v.Account + " in this browser"
	}
	return s.render(w, "summary", title, false, v)
}

// Failure is a page for what cannot go on, in plain words. It carries no
// internal text: the caller's words are all there is.
type Failure struct {
	Status    int    // the HTTP status it is sent with; empty fields get words that fit it
	Title     string // what happened
	Text      string // why, in a sentence
	Action    string // what to do now, in a sentence
	RequestID string // to find the matching log entry; may be empty
}

// Failure writes an error page.
func (s *Set) Failure(w io.Writer, p Failure) error {
	title, action := failureWords(p.Status)
	if s.owners {
		title, action = ownersFailureWords(p.Status)
	}
	if p.Title == "" {
		p.Title = title
	}
	if p.Action == "" {
		p.Action = action
	}
	return s.render(w, "failure", p.Title, false, p)
}

// failureWords are what to say of a status when the caller says nothing.
func failureWords(status int) (title, action string) {
	switch {
	case status == http.StatusNotFound:
		return "There is no such page", "Go back to the app and start from there."
	case status == http.StatusForbidden:
		return "You cannot sign in here", "If you think that is wrong, ask whoever runs your support tools."
	case status == http.StatusTooManyRequests:
		return "Too many sign-ins at once", "Wait a minute, then try again."
	case status >= http.StatusInternalServerError:
		return "Support sign-in is not available", "Nothing was opened or changed. Wait a minute, then go back to the app and start again."
	}
	return "This sign-in cannot go on", "Go back to the app and start again."
}

// ownersFailureWords are the same for owners. Whoever reads them may have just
// tried to throw somebody out: without certainty they must not feel safe.
func ownersFailureWords(status int) (title, action string) {
	switch {
	case status == http.StatusNotFound:
		return "There is no such page", "Open Support access again and go on from there."
	case status == http.StatusForbidden:
		return "You cannot manage support access here", "If you think that is wrong, ask whoever administers your account."
	case status == http.StatusTooManyRequests:
		return "Too much at once", "Wait a minute, then open Support access again. Until you have looked, do not count on your last click."
	case status >= http.StatusInternalServerError:
		return "Support access cannot answer now", "Do not count on your last click: whoever was in your account may still be in. " +
			"Wait a minute, open Support access again and look."
	}
	return "This cannot go on", "Open Support access again. Until you have looked, do not count on your last click."
}
