package templates

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// lending is a form with one policy of each kind, with x in every text.
func lending(x string) *MintForm {
	picks := []Pick{{x, x, true}, {x, x, false}}
	return &MintForm{Form: x, Ticket: x, Policies: []Lending{
		{ID: x, Name: x, PIN: true, Digits: 6, OneUse: true, Session: 30 * time.Minute, Within: []Choice{{x, x}}, Scopes: picks, Never: []string{x, x, x, x, x}},
		{ID: x, Name: x, PIN: true, Digits: 4, OneUse: true, Bound: true, Session: 30 * time.Minute, Within: []Choice{{x, x}}},
		{ID: x, Name: x, Holder: true, Session: 8 * time.Hour, Within: []Choice{{x, x}, {x, x}}, Chosen: x, Scopes: picks, Never: []string{x}},
	}}
}

func someVisit(x string) Visit {
	return Visit{SID: x, Agent: x, Proof: x, With: x, Email: x, Reason: x, Apps: []string{x, x}, Can: []string{x}, Since: testNow.Add(-time.Minute),
		EndsAt: testNow.Add(29 * time.Minute), Last: x, LastAt: testNow, Refused: true, Until: testNow.Add(4 * time.Hour)}
}

func somePIN(x string) Lent {
	return Lent{ID: x, Name: x, PIN: true, Ticket: x, Contact: x, By: x, MadeAt: testNow.Add(-time.Minute), RedeemBy: testNow.Add(14 * time.Minute),
		Wrong: 2, Tries: 5, Can: []string{x, x}}
}

func someLogin(x string) Lent {
	l := somePIN(x)
	l.PIN, l.Email, l.Wrong, l.Tries, l.Contact = false, x, 0, 0, ""
	return l
}

// someOver is a visit that ended, in an app of each kind.
func someOver(x string) Over {
	return Over{Agent: x, EndedAt: testNow.Add(-time.Minute), Apps: []AppOver{
		{Name: x, Refuses: true, After: 12 * time.Millisecond}, {Name: x, Asks: true, By: testNow.Add(-time.Minute)},
		{Name: x, By: testNow.Add(4 * time.Minute)}, {Name: x, By: testNow.Add(-time.Second)},
	}}
}

// ownerPages renders every page of owners in every state, with x in every text.
func ownerPages(t *testing.T, s *Set, x string) map[string]string {
	t.Helper()
	o := s.Owners()
	access := func(change func(*Access)) string {
		p := Access{Account: x, Handle: x, Person: x, Now: testNow, Mint: lending(x), Others: []string{x}, Older: OwnerPath + "/record?before=3",
			Record: []Event{{testNow, x, x, true}, {testNow.Add(-26 * time.Hour), "", x, false}}}
		change(&p)
		return written(t, func(w io.Writer) error { return s.Access(w, p) })
	}
	minted := func(l Lent, again bool) string {
		return access(func(p *Access) {
			p.Open = []Lent{l}
			p.Minted = &Minted{Lent: l, Secret: x, Handle: x, Session: time.Hour, OneUse: l.PIN, Again: again}
		})
	}
	signIn := func(p SignIn) string {
		p.Request, p.Username, p.Connectors = x, x, []Choice{{x, x}, {x, x}}
		return written(t, func(w io.Writer) error { return o.SignIn(w, p) })
	}
	holder := someVisit(x)
	holder.Agent = ""
	return map[string]string{
		"nobody":       access(func(*Access) {}),
		"one policy":   access(func(p *Access) { p.Mint.Policies = p.Mint.Policies[:1] }),
		"no policy":    access(func(p *Access) { p.Mint = nil }),
		"no record":    access(func(p *Access) { p.Record, p.Older = nil, "" }),
		"waiting":      access(func(p *Access) { p.Open = []Lent{somePIN(x), someLogin(x)} }),
		"in":           access(func(p *Access) { p.Visits = []Visit{someVisit(x)} }),
		"several in":   access(func(p *Access) { p.Visits, p.Open = []Visit{someVisit(x), holder}, []Lent{someLogin(x)} }),
		"over":         access(func(p *Access) { p.Over = []Over{someOver(x), {EndedAt: testNow}} }),
		"unknown":      access(func(p *Access) { p.Unknown = true }),
		"told":         access(func(p *Access) { p.Notice.Text = x }),
		"told badly":   access(func(p *Access) { p.Notice = Notice{x, true} }),
		"mint problem": access(func(p *Access) { p.Mint.Problem = Problem{Text: x, Field: "ticket"} }),
		"minted PIN":   minted(somePIN(x), false),
		"minted login": minted(someLogin(x), false),
		"again":        minted(somePIN(x), true),
		"record": written(t, func(w io.Writer) error {
			return s.Record(w, Access{Account: x, Handle: x, Now: testNow, Record: []Event{{testNow, x, x, true}}})
		}),
		"sign-in":       signIn(SignIn{}),
		"sign-in local": signIn(SignIn{Connector: x}),
		"sign-in bad":   signIn(SignIn{Connector: x, Problem: Problem{Text: x}}),
		"code":          written(t, func(w io.Writer) error { return o.Code(w, Code{Request: x, Proof: x, Name: x}) }),
		"failure": written(t, func(w io.Writer) error {
			return o.Failure(w, Failure{Status: 503, Title: x, Text: x, Action: x, RequestID: x})
		}),
		"signed out": written(t, func(w io.Writer) error { return o.SignedOut(w, SignedOut{Client: x}) }),
	}
}

func TestOwnersFormsCarryTheirFields(t *testing.T) {
	t.Parallel()
	pages := ownerPages(t, testSet(t), "x")
	mint := "form policy policy policy within.x scope.x scope.x within.x within.x scope.x scope.x ticket"
	for _, c := range []struct{ page, action, want string }{
		{"nobody", "/sign-out", ""},
		{"nobody", "/credentials", mint},
		{"one policy", "/credentials", "form policy within.x scope.x scope.x ticket"},
		{"minted PIN", "/credentials", mint},
		{"waiting", "/revoke", "credential credential"},
		{"in", "/revoke", ""},
		{"in", "/end", "sid"},
		{"several in", "/end", "sid sid"},
		{"several in", "/revoke", "credential"},
		{"minted PIN", "/revoke", "credential credential"},
		{"again", "/revoke", "credential credential"},
		{"sign-in local", "/sign-in/local", "request connector username password"},
		{"code", "/sign-in/code", "request proof code"},
	} {
		t.Run(c.page+c.action, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, g := range controls(pages[c.page], OwnerPath+c.action) {
				if g.has("name") {
					got = append(got, g.attrs["name"])
				}
			}
			if strings.Join(got, " ") != c.want || !strings.Contains(pages[c.page], `action="`+OwnerPath+c.action+`"`) {
				t.Errorf("fields %q, want %q", got, c.want)
			}
		})
	}
}

// controls are formOf with the selects.
func controls(page, action string) []tag {
	return formOf(strings.ReplaceAll(page, "<select", "<input"), action)
}

// Every form of an owner's page leads below OwnerPath, and no link elsewhere in
// the broker: agents sign in at other addresses.
func TestOwnersStayBelowTheirPath(t *testing.T) {
	t.Parallel()
	for name, page := range ownerPages(t, testSet(t), "x") {
		for _, g := range tags(page) {
			to := g.attrs["action"] + g.attrs["formaction"]
			if g.name == "a" {
				to = g.attrs["href"]
			}
			if to != "" && to != OwnerPath && !strings.HasPrefix(to, OwnerPath+"/") && !strings.HasPrefix(to, "https://help.") {
				t.Errorf("%s: <%s> leads to %q", name, g.name, to)
			}
		}
	}
}

func TestOwnersConnectorsAreLinks(t *testing.T) {
	t.Parallel()
	page := ownerPages(t, testSet(t), "a&b")["sign-in"]
	if !slices.ContainsFunc(tags(page), func(g tag) bool { return g.attrs["href"] == OwnerPath+"/sign-in?r=a%26b&connector=a%26b" }) {
		t.Error("there is no link to the sign-in at a connector")
	}
	if strings.Contains(page, `name="username"`) {
		t.Error("a choice of connectors has a form for a password")
	}
}

func TestOwnersWordsAreTheirOwn(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	failure := func(s *Set, status int) string {
		return written(t, func(w io.Writer) error { return s.Failure(w, Failure{Status: status}) })
	}
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		agents, owners := failure(s, status), failure(s.Owners(), status)
		for _, words := range []string{"the customer", "support tools", "Go back to the app", "Nothing was opened or changed"} {
			if strings.Contains(owners, words) {
				t.Errorf("%d: an owner is told %q", status, words)
			}
		}
		if !strings.Contains(owners, `href="`+OwnerPath+`"`) || strings.Contains(agents, OwnerPath) {
			t.Errorf("%d: the way back is not that of the audience", status)
		}
	}
	// The owner may have tried to revoke: what is not known must not comfort.
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusInternalServerError} {
		if page := failure(s.Owners(), status); !strings.Contains(page, "whoever was in your account may still be in") {
			t.Errorf("%d: the page may be taken for success", status)
		}
	}
	if page := ownerPages(t, s, "x")["signed out"]; !strings.Contains(page, "What you opened stays open") {
		t.Error("signing out looks like revoking")
	}
}
