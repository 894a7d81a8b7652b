package templates

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// accessView is Access as the page draws it.
type accessView struct {
	Access
	Path    string // OwnerPath
	Support string
	Clock   clock // of Now: what the page says was so then
	State   state
	Ended   []overView
	Lents   []lentView
	Days    []day
	Secret  *mintedView
	Form    *mintView
	// Announce puts the cursor on the notice, so that it is read out; a secret
	// or a problem of the form goes before.
	Announce bool
	// The versions say whether a part of the page has changed. The passing of
	// time alone changes none: the script counts down by itself.
	StateVersion, OverVersion, OpenVersion, RecordVersion string
}

// state is who is in, in one line.
type state struct {
	Tone, Line string
	Revocable  bool
	Visits     []visitView
	Next       *clock // until when what waits can be used
	Wrong      int    // wrong tries of what can still be used
}

// visitView is Visit as the page draws it.
type visitView struct {
	Visit
	Name                     string
	Since, Ends, Last, Until clock
	Alone                    bool // the state's line names who it is
}

// lentView is Lent as the page draws it.
type lentView struct {
	Lent
	Made, Ends clock
	Replaced   bool // a new one of this person's takes its place
}

// Access writes the owner's page.
func (s *Set) Access(w io.Writer, p Access) error {
	v := s.accessView(p)
	title, trouble := v.State.Line, p.Notice.Bad
	if p.Minted != nil {
		m := newMinted(*p.Minted, p.Now)
		v.Secret = &m
		title = "Your " + p.Minted.Name
	}
	if p.Mint != nil && len(p.Mint.Policies) > 0 {
		f := newMint(p)
		v.Form, trouble = &f, trouble || p.Mint.Problem.any()
	}
	v.Announce = v.Secret == nil && (p.Mint == nil || !p.Mint.Problem.any())
	return s.Owners().render(w, "access", title, trouble, v)
}

// Live writes the parts of the owner's page that change by themselves: the
// state with its visits, what has just ended, what can still be used, the record. Nothing in it is
// secret. The script puts each in the place of the one with the same data-part.
func (s *Set) Live(w io.Writer, p Access) error {
	return s.write(w, "live", s.accessView(p))
}

// Record writes one page of the record alone. Of p it shows Account, Handle,
// Person, Record and Older.
func (s *Set) Record(w io.Writer, p Access) error {
	return s.Owners().render(w, "record", "What happened before", false, s.accessView(p))
}

func (s *Set) accessView(p Access) accessView {
	v := accessView{Access: p, Path: OwnerPath, Support: s.brand.Support, Clock: newClock(p.Now, p.Now),
		State: stateOf(p), Days: days(p.Record, p.Now)}
	for _, l := range p.Open {
		v.Lents = append(v.Lents, lentView{l, newClock(l.MadeAt, p.Now), newClock(l.RedeemBy, p.Now), l.replacedBy(p.Person)})
	}
	for _, o := range p.Over {
		v.Ended = append(v.Ended, newOver(o, p.Now))
	}
	today := p.Now.UTC().Format(time.DateOnly)
	v.StateVersion = version(today, p.Unknown, p.Visits, p.Open)
	v.OverVersion = version(today, p.Over, v.late())
	v.OpenVersion = version(today, p.Open)
	v.RecordVersion = version(today, p.Record, p.Older)
	return v
}

// late is how many apps ought to refuse by now without having said so: the one
// thing about what has ended that time alone changes.
func (v accessView) late() (n int) {
	for _, o := range v.Ended {
		for _, a := range o.Apps {
			if a.Late {
				n++
			}
		}
	}
	return n
}

// version is the same for the same content.
func version(content ...any) string {
	text, err := json.Marshal(content)
	if err != nil {
		return "" // these are texts, numbers and times: it cannot fail for any year people write
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func stateOf(p Access) state {
	out := state{Tone: "closed", Line: "Nobody can get in", Revocable: p.Unknown || len(p.Visits)+len(p.Open) > 0}
	switch {
	case p.Unknown:
		out.Tone, out.Line = "wait", "It is not known who is in your account"
	case len(p.Visits) > 0:
		out.Tone, out.Line = "live", whoIsIn(p.Visits)+" in your account"
	case len(p.Open) > 0:
		out.Tone, out.Line = "wait", waiting(p.Open)+" Nobody is in"
		next := newClock(latest(p.Open), p.Now)
		out.Next = &next
	}
	for _, l := range p.Open {
		out.Wrong += l.Wrong
	}
	for _, v := range p.Visits {
		out.Visits = append(out.Visits, newVisit(v, p.Now, len(p.Visits) == 1))
	}
	return out
}

func newVisit(v Visit, now time.Time, alone bool) visitView {
	out := visitView{Visit: v, Name: visitor(v), Since: newClock(v.Since, now), Ends: newClock(v.EndsAt, now), Alone: alone}
	if v.Last != "" {
		out.Last = newClock(v.LastAt, now)
	}
	if !v.Until.IsZero() {
		out.Until = newClock(v.Until, now)
	}
	return out
}

// visitor names somebody as far as anybody knows them.
func visitor(v Visit) string {
	if v.Agent == "" {
		return "Somebody with your temporary login"
	}
	return v.Agent
}

// whoIsIn is the subject and verb of the line. Two visits of one agent are one
// person; of people without a name each visit counts, for nobody can tell.
func whoIsIn(visits []Visit) string {
	var names []string
	named := map[string]bool{}
	for _, v := range visits {
		if v.Agent == "" || !named[v.Agent] {
			names = append(names, visitor(v))
		}
		named[v.Agent] = true
	}
	switch {
	case len(names) == 1:
		return names[0] + " is"
	case len(names) == 2 && !named[""]:
		return names[0] + " and " + names[1] + " are"
	}
	return fmt.Sprintf("%d people are", len(names))
}

func waiting(open []Lent) string {
	switch {
	case len(open) > 1:
		return fmt.Sprintf("%d ways in are open.", len(open))
	case open[0].PIN:
		return "A PIN waits."
	}
	return "A temporary login waits."
}

// latest is when the last of these can no longer be used.
func latest(open []Lent) time.Time {
	var out time.Time
	for _, l := range open {
		if l.RedeemBy.After(out) {
			out = l.RedeemBy
		}
	}
	return out
}

// join lists things in a sentence.
func join(words []string) string { return strings.Join(words, ", ") }
