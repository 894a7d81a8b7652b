package templates

import (
	"html"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var testNow = time.Date(2026, 3, 2, 14, 2, 0, 0, time.UTC)

func newSet(t *testing.T, b Brand) *Set {
	t.Helper()
	s, err := New(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testSet(t *testing.T) *Set {
	t.Helper()
	return newSet(t, Brand{Product: "Northwind Docs", Support: "Northwind Support", Accent: "#0b6e4f", Help: "https://help.northwind.example/"})
}

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// testApp is where an answer is posted to.
const testApp = "https://app.example/callback?tenant=1&x=a%20b"

// everyPage is that of agents and owners alike.
func everyPage(t *testing.T, s *Set, x string) map[string]string {
	t.Helper()
	out := allPages(t, s, x)
	for name, page := range ownerPages(t, s, x) {
		out["owner: "+name] = page
	}
	return out
}

// allPages renders every page of agents in every state, with x in every text.
func allPages(t *testing.T, s *Set, x string) map[string]string {
	t.Helper()
	problem := Problem{Text: x}
	paused := Problem{Text: x, Blocked: true, Now: testNow, Until: testNow.Add(15 * time.Minute)}
	two := []Choice{{"corp", x}, {x, x}}
	login := &LoginForm{Request: x, Form: x, Email: x, Reason: x}
	badLogin := &LoginForm{Request: x, Form: x, Email: x, Reason: x, Problem: problem}
	redeem := func(open string, p Problem) string {
		return written(t, func(w io.Writer) error {
			return s.Redeem(w, Redeem{Request: x, Form: x, Client: x, Agent: Agent{x, x}, Account: x, Email: x, Reason: x, Open: open, Problem: p})
		})
	}
	signIn := func(p SignIn) string {
		p.Request, p.Client, p.Username = x, x, x
		return written(t, func(w io.Writer) error { return s.SignIn(w, p) })
	}
	summary := func(existing bool, agent Agent) string {
		return written(t, func(w io.Writer) error {
			return s.Summary(w, Summary{Request: x, Account: x, Handle: x, Contact: x, Ticket: x, Client: x, Agent: agent,
				Can: []string{x, x}, Never: []string{x, x}, Now: testNow, EndsAt: testNow.Add(30 * time.Minute), Existing: existing})
		})
	}
	verified := func(contact string) string {
		return written(t, func(w io.Writer) error {
			return s.Verified(w, Verified{Request: x, Client: x, Agent: Agent{x, x}, Account: x, Handle: x, Contact: contact, By: x, Policy: x, Reason: x, At: testNow, Now: testNow})
		})
	}
	return map[string]string{
		"sign-in choice":         signIn(SignIn{Connectors: two}),
		"sign-in choice problem": signIn(SignIn{Connectors: two, Problem: problem}),
		"sign-in local":          signIn(SignIn{Connectors: two, Connector: x}),
		"sign-in local problem":  signIn(SignIn{Connectors: two, Connector: x, Problem: problem}),
		"sign-in both":           signIn(SignIn{Connectors: two, Connector: x, Holder: login}),
		"sign-in both problem":   signIn(SignIn{Connectors: two, Connector: x, Holder: badLogin}),
		"sign-in holder":         signIn(SignIn{Holder: login}),
		"sign-in holder problem": signIn(SignIn{Holder: badLogin}),
		"code":                   written(t, func(w io.Writer) error { return s.Code(w, Code{Request: x, Proof: x, Name: x}) }),
		"code problem":           written(t, func(w io.Writer) error { return s.Code(w, Code{Request: x, Proof: x, Name: x, Problem: problem}) }),
		"redeem":                 redeem("", Problem{}),
		"redeem pin problem":     redeem("pin", problem),
		"redeem login":           redeem("password", Problem{}),
		"redeem login problem":   redeem("password", problem),
		"redeem paused":          redeem("pin", paused),
		"redeem shut":            redeem("pin", Problem{Text: x, Blocked: true}),
		"summary":                summary(false, Agent{x, x}),
		"summary existing":       summary(true, Agent{x, x}),
		"summary holder":         summary(false, Agent{}),
		"verified":               verified(x),
		"verified unbound":       verified(""),
		"failure": written(t, func(w io.Writer) error {
			return s.Failure(w, Failure{Status: 400, Title: x, Text: x, Action: x, RequestID: x})
		}),
		"signed out": written(t, func(w io.Writer) error { return s.SignedOut(w, SignedOut{Client: x}) }),
		"form post": written(t, func(w io.Writer) error {
			return s.FormPost(w, FormPost{Client: x, Action: testApp, Values: map[string]string{"code": x, "state": x}})
		}),
		"left": written(t, func(w io.Writer) error {
			return s.SignedOut(w, SignedOut{Client: x, Accounts: []string{x, x}, Agent: Agent{x, x}})
		}),
		"stayed": written(t, func(w io.Writer) error { return s.SignedOut(w, SignedOut{Accounts: []string{x}, Stayed: true}) }),
		"leave":  written(t, func(w io.Writer) error { return s.Leave(w, Leave{Request: x, Client: x, Accounts: []string{x}}) }),
		"leave astray": written(t, func(w io.Writer) error {
			return s.Leave(w, Leave{Request: x, Accounts: []string{x, x}, Elsewhere: true, Astray: true})
		}),
	}
}

// tag is one start tag as a browser reads it. html/template escapes quotes and
// angle brackets in values, so a pattern is enough to find the tags; that it
// does so is what the test of hostile text shows.
type tag struct {
	name  string
	attrs map[string]string
	order []string
}

var (
	tagPattern  = regexp.MustCompile(`<([a-zA-Z][a-zA-Z0-9]*)((?:[^>"]|"[^"]*")*)>`)
	attrPattern = regexp.MustCompile(`([^\s="<>/]+)(?:="([^"]*)")?`)
)

func tags(page string) []tag {
	var out []tag
	for _, m := range tagPattern.FindAllStringSubmatch(page, -1) {
		one := tag{name: m[1], attrs: map[string]string{}}
		for _, a := range attrPattern.FindAllStringSubmatch(m[2], -1) {
			one.attrs[a[1]] = html.UnescapeString(a[2])
			one.order = append(one.order, a[1])
		}
		out = append(out, one)
	}
	return out
}

func (g tag) has(attr string) bool { _, ok := g.attrs[attr]; return ok }

// formOf returns the inputs and buttons of the forms with this action, in order.
func formOf(page, action string) []tag {
	var out []tag
	inside := false
	for _, part := range strings.SplitAfter(page, ">") {
		for _, g := range tags(part) {
			switch {
			case g.name == "form":
				inside = g.attrs["action"] == action && g.attrs["method"] == "post"
			case inside && (g.name == "input" || g.name == "button"):
				out = append(out, g)
			}
		}
		inside = inside && !strings.Contains(part, "</form>")
	}
	return out
}

func names(controls []tag) []string {
	var out []string
	for _, g := range controls {
		if g.has("name") {
			out = append(out, g.attrs["name"])
		}
	}
	return out
}

func TestFormsCarryTheirFields(t *testing.T) {
	t.Parallel()
	pages := allPages(t, testSet(t), "x")
	for _, c := range []struct {
		page, action string
		want         string
	}{
		{"sign-in local", "/sign-in/local", "request connector username password"},
		{"sign-in both", "/redeem", "request form email password reason"},
		{"sign-in holder", "/redeem", "request form email password reason"},
		{"code", "/sign-in/code", "request proof code"},
		{"redeem", "/redeem", "request form account pin reason request form email password reason"},
		{"redeem", "/sign-out", "request"},
		{"redeem paused", "/redeem", "request form account pin reason request form email password reason"},
		{"redeem shut", "/redeem", "request form request form email password reason"},
		{"summary", "/enter", "request enter"},
		{"summary", "/cancel", "request"},
		{"summary existing", "/enter", "request enter"},
		{"summary holder", "/cancel", "request"},
	} {
		t.Run(c.page+c.action, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(names(formOf(pages[c.page], c.action)), " "); got != c.want {
				t.Errorf("fields %q, want %q", got, c.want)
			}
		})
	}
}

// The second button sends the same fields elsewhere. It comes after the first,
// which is what the Enter key presses.
func TestCheckingTheCallerSharesTheForm(t *testing.T) {
	t.Parallel()
	page := allPages(t, testSet(t), "x")["redeem"]
	var to []string
	for _, g := range formOf(page, "/redeem") {
		if g.name == "button" {
			to = append(to, g.attrs["formaction"])
		}
	}
	if !slices.Equal(to, []string{"", "/verify", ""}) {
		t.Errorf("the buttons lead to %q", to)
	}
	if !strings.Contains(page, "Uses the PIN up and opens nothing.") {
		t.Error("the page does not say what checking costs")
	}
}

func TestVerifiedSaysNoMoreThanThePINProves(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	p := Verified{Request: "r+1", Account: "Acme Inc", Handle: "4821", Contact: "Olivia Owner", By: "Pat Example", At: testNow, Now: testNow}
	bound := written(t, func(w io.Writer) error { return s.Verified(w, p) })
	p.Contact = ""
	unbound := written(t, func(w io.Writer) error { return s.Verified(w, p) })
	for _, c := range []struct {
		page, name string
		says, not  []string
	}{
		{bound, "bound", []string{"<h1>The caller is who they say</h1>", "Olivia Owner", "Acme Inc", "4821"}, nil},
		{unbound, "unbound", []string{"<h1>The caller speaks for Acme Inc</h1>", "Pat Example", "not bound to one person"}, []string{"who they say", "Olivia"}},
	} {
		for _, words := range append(c.says, "This PIN is used up; nothing was opened.", `href="/sign-in?r=r%2b1"`) {
			if !strings.Contains(c.page, words) {
				t.Errorf("%s: the page does not say %q", c.name, words)
			}
		}
		for _, words := range c.not {
			if strings.Contains(c.page, words) {
				t.Errorf("%s: the page says %q", c.name, words)
			}
		}
	}
}

func TestEnterIsAButton(t *testing.T) {
	t.Parallel()
	form := formOf(allPages(t, testSet(t), "x")["summary"], "/enter")
	i := slices.IndexFunc(form, func(g tag) bool { return g.attrs["name"] == "enter" })
	if i < 0 || form[i].name != "button" || form[i].attrs["value"] != "1" {
		t.Errorf("enter is not a button with the value 1: %+v", form)
	}
}

func TestConnectorsAreLinks(t *testing.T) {
	t.Parallel()
	page := written(t, func(w io.Writer) error {
		return testSet(t).SignIn(w, SignIn{Request: "a+b&c=d", Connectors: []Choice{{"corp", "Northwind SSO"}, {"x&y", "Other"}}})
	})
	for _, want := range []string{"/sign-in?r=a%2bb%26c%3dd&connector=corp", "/sign-in?r=a%2bb%26c%3dd&connector=x%26y"} {
		if !slices.ContainsFunc(tags(page), func(g tag) bool { return g.name == "a" && g.attrs["href"] == want }) {
			t.Errorf("no link to %s", want)
		}
	}
}

// TestSecretsNeverComeBack: what somebody typed. The code of a form post is the
// app's, which is what that page is for.
func TestSecretsNeverComeBack(t *testing.T) {
	t.Parallel()
	pages := everyPage(t, testSet(t), "x")
	delete(pages, "form post")
	for name, page := range pages {
		for _, g := range tags(page) {
			if slices.Contains([]string{"pin", "password", "code"}, g.attrs["name"]) && g.attrs["value"] != "" {
				t.Errorf("%s: %s carries a value", name, g.attrs["name"])
			}
		}
	}
}
