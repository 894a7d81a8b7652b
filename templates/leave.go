package templates

import "io"

// Leave asks an agent whether their access is to end, where an app has asked
// for it without saying whose. It posts request to /logout/confirm, or to
// /logout/stay where nothing is to end.
type Leave struct {
	Request   string   // sealed request, unseen
	Client    string   // name of the app that asks; may be empty
	Accounts  []string // names of those whose access ends; at least one
	Elsewhere bool     // some of it was opened in another browser
	Astray    bool     // the app wants to lead on to an address that is not registered
}

// Leave writes the question.
func (s *Set) Leave(w io.Writer, p Leave) error {
	return s.render(w, "leave", "End your access to "+allOf(p.Accounts)+"?", p.Astray, p)
}

// Names are the accounts in words.
func (p Leave) Names() string { return allOf(p.Accounts) }

// SignedOut confirms that somebody has left. The fields are for agents.
type SignedOut struct {
	Client   string   // name of the app that they can go back to; may be empty
	Accounts []string // names of those that their access to has ended now; none: there was nothing to end
	Stayed   bool     // they chose not to: Accounts are still open
	Agent    Agent    // who is still signed in to support in this browser; may be nobody
}

// Names are the accounts in words.
func (p SignedOut) Names() string { return allOf(p.Accounts) }

// SignedOut writes the confirmation.
func (s *Set) SignedOut(w io.Writer, p SignedOut) error {
	title := "You are signed out"
	switch {
	case p.Stayed:
		title = "You are still in " + p.Names()
	case len(p.Accounts) > 0:
		title = "Your access to " + p.Names() + " has ended"
	}
	return s.render(w, "signed-out", title, false, p)
}

// allOf names several things in a sentence.
func allOf(names []string) string {
	out := ""
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			out += " and "
		default:
			out += ", "
		}
		out += name
	}
	return out
}
