package templates

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func count(page string, fits func(tag) bool) int {
	n := 0
	for _, g := range tags(page) {
		if fits(g) {
			n++
		}
	}
	return n
}

func TestEveryPageIsAWholeDocument(t *testing.T) {
	t.Parallel()
	for name, page := range everyPage(t, testSet(t), "x") {
		for what, fits := range map[string]func(tag) bool{
			"lang":         func(g tag) bool { return g.name == "html" && g.attrs["lang"] == "en" },
			"title":        func(g tag) bool { return g.name == "title" },
			"viewport":     func(g tag) bool { return g.attrs["name"] == "viewport" },
			"color-scheme": func(g tag) bool { return g.attrs["name"] == "color-scheme" && g.attrs["content"] == "light dark" },
			"h1":           func(g tag) bool { return g.name == "h1" },
			"main":         func(g tag) bool { return g.name == "main" },
			"help":         func(g tag) bool { return g.name == "a" && g.attrs["href"] == "https://help.northwind.example/" },
		} {
			if n := count(page, fits); n != 1 {
				t.Errorf("%s: %d of %s, want one", name, n, what)
			}
		}
		wants := []string{"Northwind Docs", "Support sign-in", "No PIN at hand?", "Never ask for, or type, the customer’s own password."}
		if strings.HasPrefix(name, "owner: ") {
			wants = []string{"Support access · Northwind Docs</title>", "No PIN at hand? Make one here", "Never tell anyone your account password."}
		}
		for _, words := range wants {
			if !strings.Contains(page, words) {
				t.Errorf("%s: does not say %q", name, words)
			}
		}
	}
}

// ids returns the ids of a page and fails on one used twice.
func ids(t *testing.T, name, page string) map[string]tag {
	t.Helper()
	out := map[string]tag{}
	for _, g := range tags(page) {
		id, ok := g.attrs["id"]
		if _, twice := out[id]; ok && twice {
			t.Errorf("%s: id %q is used twice", name, id)
		}
		if ok {
			out[id] = g
		}
	}
	return out
}

func TestInputsAreLabelledAndDescribed(t *testing.T) {
	t.Parallel()
	for name, page := range everyPage(t, testSet(t), "x") {
		known := ids(t, name, page)
		labels := map[string]bool{}
		for _, g := range tags(page) {
			if g.name == "label" {
				labels[g.attrs["for"]] = true
			}
		}
		for _, g := range tags(page) {
			if (g.name == "input" || g.name == "select") && g.attrs["type"] != "hidden" && !labels[g.attrs["id"]] {
				t.Errorf("%s: input %s has no label", name, g.attrs["name"])
			}
			for _, attr := range []string{"aria-describedby", "aria-labelledby", "for"} {
				for _, id := range strings.Fields(g.attrs[attr]) {
					if _, ok := known[id]; !ok {
						t.Errorf("%s: %s of <%s> points at %q, which is not there", name, attr, g.name, id)
					}
				}
			}
		}
		if n := count(page, func(g tag) bool { return g.has("autofocus") }); n > 1 {
			t.Errorf("%s: %d places want the focus", name, n)
		}
	}
}

func TestProblemsAreAnnouncedWhereTheyCanBeMended(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	problem := Problem{Text: "That did not match."}
	redeem := func(p Redeem) func(io.Writer) error { return func(w io.Writer) error { return s.Redeem(w, p) } }
	signIn := func(p SignIn) func(io.Writer) error { return func(w io.Writer) error { return s.SignIn(w, p) } }
	for name, c := range map[string]struct {
		write func(io.Writer) error
		focus string
	}{
		"PIN, account kept":  {redeem(Redeem{Open: "pin", Account: "4821", Problem: problem}), "pin"},
		"PIN, account empty": {redeem(Redeem{Open: "pin", Problem: problem}), "account"},
		"ticket":             {redeem(Redeem{Open: "pin", Account: "4821", Reason: "T-1", Problem: Problem{Text: "Another ticket.", Field: "reason"}}), "reason"},
		"login":              {redeem(Redeem{Open: "password", Email: "a@b.example", Problem: problem}), "login-password"},
		"local":              {signIn(SignIn{Connector: "local", Username: "sam", Problem: problem}), "password"},
		"holder":             {signIn(SignIn{Connector: "local", Holder: &LoginForm{Problem: problem}}), "login-email"},
		"code":               {func(w io.Writer) error { return s.Code(w, Code{Problem: problem}) }, "code"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := written(t, c.write)
			known := ids(t, name, page)
			input := known[c.focus]
			if !input.has("autofocus") || input.attrs["aria-invalid"] != "true" {
				t.Errorf("%s is not focused and marked: %+v", c.focus, input)
			}
			by := strings.Fields(input.attrs["aria-describedby"])
			if len(by) == 0 || known[by[0]].attrs["role"] != "alert" {
				t.Errorf("%s is not described by the alert: %q", c.focus, by)
			}
			if n := count(page, func(g tag) bool { return g.attrs["role"] == "alert" }); n != 1 {
				t.Errorf("%d alerts, want one", n)
			}
			if !strings.Contains(page, "<title>Problem: ") {
				t.Error("the title does not say that there is a problem")
			}
		})
	}
}

func TestPagesWithoutProblemRaiseNoAlert(t *testing.T) {
	t.Parallel()
	pages := allPages(t, testSet(t), "x")
	for _, name := range []string{"sign-in choice", "sign-in local", "sign-in both", "code", "redeem", "redeem login", "summary", "signed out"} {
		if strings.Contains(pages[name], `role="alert"`) || strings.Contains(pages[name], "aria-invalid") {
			t.Errorf("%s: an alert without a problem", name)
		}
	}
}

func TestUsedUpTriesShutThePINForm(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	p := Redeem{Open: "pin", Account: "4821", Problem: Problem{Text: "You have used up your tries.", Blocked: true, Now: testNow}}
	shut := func(g tag) bool { return g.name == "fieldset" && g.has("disabled") }

	p.Problem.Until = testNow.Add(15 * time.Minute)
	paused := written(t, func(w io.Writer) error { return s.Redeem(w, p) })
	if count(paused, shut) != 1 || !strings.Contains(paused, "14:17 UTC") || !strings.Contains(paused, "15 min") {
		t.Error("a pause does not shut the form and say until when")
	}
	if !strings.Contains(paused, "ask the customer to make a new PIN") {
		t.Error("a pause does not say what to do")
	}

	p.Problem.Until = time.Time{}
	forever := written(t, func(w io.Writer) error { return s.Redeem(w, p) })
	fields := names(formOf(forever, "/redeem"))
	if slices.Contains(fields, "pin") || !slices.Contains(fields, "email") {
		t.Errorf("without an end the PIN form goes and the other stays; got %q", fields)
	}
}
