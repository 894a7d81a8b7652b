package templates

import "fmt"

// mintView is MintForm as the page draws it.
type mintView struct {
	MintForm
	Ways    []way
	Several bool
	Field   field
}

// way is one Lending as the page draws it.
type way struct {
	Lending
	Index         int
	Selected      bool
	Words, About  string
	Within        string
	Stay          string
	Gist, Nothing string // what is lent at first, and what never is, in a line
	Replaces      bool   // one of these is open: it stops working
}

func newMint(p Access) mintView {
	m := *p.Mint
	v := mintView{MintForm: m, Several: len(m.Policies) > 1}
	chosen := 0
	for i, l := range m.Policies {
		if l.ID == m.Policy {
			chosen = i
		}
	}
	for i, l := range m.Policies {
		v.Ways = append(v.Ways, newWay(l, i, i == chosen, p))
	}
	v.Field = field{ID: "ticket", Name: "ticket", Label: "Ticket", Hint: "Only an agent who names it gets in.", Value: m.Ticket, Complete: "off"}
	if m.Problem.Field == "ticket" {
		v.Field.Problem = "mint-problem"
	}
	return v
}

func newWay(l Lending, i int, selected bool, p Access) way {
	w := way{Lending: l, Index: i, Selected: selected, Words: l.words(), About: l.about(), Stay: span(l.Session)}
	if len(l.Within) == 1 {
		w.Within = l.Within[0].Name
	}
	var lent []string
	for _, s := range l.Scopes {
		if s.Checked {
			lent = append(lent, s.Label)
		}
	}
	w.Gist, w.Nothing = join(lent), some(l.Never)
	for _, o := range p.Open {
		w.Replaces = w.Replaces || l.PIN && o.Name == l.Name && o.replacedBy(p.Person)
	}
	return w
}

// words say in short what comes out, about says it whole.
func (l Lending) words() string {
	switch {
	case l.PIN:
		return fmt.Sprintf("%d digits, one use", l.Digits)
	case l.OneUse:
		return "one use"
	}
	return "several uses"
}

func (l Lending) about() string {
	switch {
	case l.PIN:
		return fmt.Sprintf("%d digits to say on the phone, for one visit.", l.Digits)
	case l.OneUse:
		return "A temporary email and password, for one visit."
	}
	return "A temporary email and password, for several visits."
}

// some lists the first few of many.
func some(words []string) string {
	const few = 3
	if len(words) <= few {
		return join(words)
	}
	return fmt.Sprintf("%s and %d more", join(words[:few]), len(words)-few)
}

// replacedBy reports that a new one of the same policy, made by this person,
// stops l from working: of PINs there is one at a time, and where they are bound
// to somebody, one for each.
func (l Lent) replacedBy(person string) bool {
	return l.PIN && (l.Contact == "" || l.Contact == person)
}
