package templates

import "time"

// Problem is why a form comes back. Its zero value is none.
type Problem struct {
	Text    string    // one or two sentences: what is wrong and what to do
	Blocked bool      // nothing may be tried for now: the form is shut
	Until   time.Time // end of a block; zero where only an operator can lift it
	Now     time.Time // the server's time when it rendered; zero: the present
	Field   string    // name of the input to mend; empty: the page's own choice
}

func (p Problem) any() bool { return p.Text != "" || p.Blocked }

// field is one labelled input.
type field struct {
	ID, Name, Label, Hint string
	Type, Value           string
	Complete, Mode, Class string // autocomplete, inputmode, extra CSS class
	Required, Focus       bool
	Problem               string // id of the problem's text, if it is about this input
}

// DescribedBy lists the ids of what explains the input, the problem first: it
// is what somebody who hears the page needs first.
func (f field) DescribedBy() string {
	ids := f.Problem
	if f.Hint != "" {
		if ids != "" {
			ids += " "
		}
		ids += f.ID + "-hint"
	}
	return ids
}

// form is one form of a page, ready to be drawn.
type form struct {
	ID, Action, Button string
	Hidden             []hidden
	Fields             []field
	Problem            Problem
	Clock              clock  // of Problem.Until, if there is one
	SignIn, Again      string // path of the sign-in and sealed request, for the link that looks whether a pause is over
	ForCustomer        bool   // a customer is waiting for this form: say what they can do
	Other              *other
}

// other is a second thing to do with what a form holds.
type other struct{ Action, Button, Hint string }

// hidden is an input the person does not see.
type hidden struct{ Name, Value string }

// Shut reports that the form cannot be used, now or ever.
func (f form) Shut() bool { return f.Problem.Blocked }

// Reopens reports that a shut form can be used again at a known time.
func (f form) Reopens() bool { return f.Problem.Blocked && !f.Problem.Until.IsZero() }

// blame marks the inputs that the problem is about: the one it names, or else
// all of those given, since a neutral text must not tell which was wrong. The
// first of them that is empty gets the focus, for that is where to type.
func (f *form) blame(p Problem, suspects ...string) {
	f.Problem = p
	if p.Text == "" || p.Blocked {
		return
	}
	if p.Field != "" {
		suspects = []string{p.Field}
	}
	for i := range f.Fields {
		for _, name := range suspects {
			if f.Fields[i].Name == name {
				f.Fields[i].Problem = f.ID + "-problem"
			}
		}
	}
	f.focus(func(x field) bool { return x.Problem != "" })
}

// focus puts the cursor into the first empty input that fits, or the first that
// fits. A shut form gets none.
func (f *form) focus(fits func(field) bool) {
	if f.Problem.Blocked {
		return
	}
	first := -1
	for i, x := range f.Fields {
		switch {
		case !fits(x):
		case x.Value == "":
			f.Fields[i].Focus = true
			return
		case first < 0:
			first = i
		}
	}
	if first >= 0 {
		f.Fields[first].Focus = true
	}
}

// everything fits every input.
func everything(field) bool { return true }
