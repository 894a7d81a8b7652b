package templates

import (
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// bothWays renders the page and its live parts.
func bothWays(t *testing.T, p Access) map[string]string {
	t.Helper()
	s := testSet(t)
	p.Account, p.Handle, p.Person = "Acme Inc", "4821", "Olivia Owner"
	if p.Now.IsZero() {
		p.Now = testNow
	}
	return map[string]string{
		"page": written(t, func(w io.Writer) error { return s.Access(w, p) }),
		"live": written(t, func(w io.Writer) error { return s.Live(w, p) }),
	}
}

func TestStateComesInOneLine(t *testing.T) {
	t.Parallel()
	dana := Visit{SID: "s1", Agent: "Dana Reed", Proof: "Northwind SSO", EndsAt: testNow.Add(time.Minute)}
	sam, dana2, held := dana, dana, dana
	sam.SID, sam.Agent = "s2", "Sam Rivera"
	dana2.SID = "s3"
	held.SID, held.Agent, held.Email = "s4", "", "guest-1@support.example"
	held2 := held
	held2.SID = "s5"
	pin, login := Lent{ID: "c1", PIN: true, RedeemBy: testNow.Add(time.Minute)}, Lent{ID: "c2", RedeemBy: testNow.Add(time.Hour)}
	for _, c := range []struct {
		name, want string
		p          Access
		revocable  bool
	}{
		{"nobody", "Nobody can get in", Access{}, false},
		{"a PIN", "A PIN waits. Nobody is in", Access{Open: []Lent{pin}}, true},
		{"a login", "A temporary login waits. Nobody is in", Access{Open: []Lent{login}}, true},
		{"two", "2 ways in are open. Nobody is in", Access{Open: []Lent{login, pin}}, true},
		{"one in", "Dana Reed is in your account", Access{Visits: []Visit{dana}, Open: []Lent{login}}, true},
		{"one twice", "Dana Reed is in your account", Access{Visits: []Visit{dana, dana2}}, true},
		{"two in", "Dana Reed and Sam Rivera are in your account", Access{Visits: []Visit{dana, sam}}, true},
		{"holder", "Somebody with your temporary login is in your account", Access{Visits: []Visit{held}}, true},
		{"holders", "2 people are in your account", Access{Visits: []Visit{held, held2}}, true},
		{"one of each", "2 people are in your account", Access{Visits: []Visit{dana, held}}, true},
		{"three", "3 people are in your account", Access{Visits: []Visit{dana, sam, held}}, true},
		{"unknown", "It is not known who is in your account", Access{Unknown: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for how, page := range bothWays(t, c.p) {
				if got := regexp.MustCompile(`data-line>([^<]*)<`).FindStringSubmatch(page); got == nil || got[1] != c.want {
					t.Errorf("%s says %q, want %q", how, got, c.want)
				}
				// Everything ends with a button that names nothing.
				if got := strings.Contains(page, "Revoke access</button>"); got != c.revocable {
					t.Errorf("%s: access can be revoked: %v", how, got)
				}
				if n := strings.Count(page, ">End this visit<"); n != len(c.p.Visits) {
					t.Errorf("%s: %d of %d visits can be ended", how, n, len(c.p.Visits))
				}
			}
		})
	}
}

func TestVisitTellsWhatIsKnown(t *testing.T) {
	t.Parallel()
	v := Visit{SID: "s1", Agent: "Dana Reed", Proof: "Northwind SSO", With: "Support PIN", Reason: "T-4711", Apps: []string{"Docs", "Console"},
		Can: []string{"View documents"}, Since: testNow.Add(-3 * time.Minute), EndsAt: testNow.Add(27 * time.Minute),
		Last: "tried to open Billing", LastAt: testNow.Add(-time.Minute), Refused: true, Until: testNow.Add(4 * time.Hour)}
	for how, page := range bothWays(t, Access{Visits: []Visit{v}}) {
		for _, want := range []string{"Northwind Support, verified by Northwind SSO", "T-4711", "Docs, Console, since", "13:59 UTC", "your Support PIN",
			"Blocked:</span> <bdi>tried to open Billing</bdi>", "14:01 UTC", "View documents", "14:29 UTC", "27 min", "They can sign in again until", "18:02 UTC"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not say %q", how, want)
			}
		}
	}
	v.Agent, v.Email, v.Until, v.Last = "", "guest-1@support.example", time.Time{}, ""
	for how, page := range bothWays(t, Access{Visits: []Visit{v}}) {
		for _, not := range []string{"verified", "sign in again", "Blocked"} {
			if strings.Contains(page, not) {
				t.Errorf("%s says %q of somebody nobody vouches for", how, not)
			}
		}
		if !strings.Contains(page, "Nobody vouches for who it is: they hold guest-1@support.example") {
			t.Errorf("%s hides that nobody vouches for them", how)
		}
	}
}

func TestOpenCredentialsTellTheirLimits(t *testing.T) {
	t.Parallel()
	pin := Lent{ID: "c1", Name: "Support PIN", PIN: true, Ticket: "T-1", Contact: "Olivia Owner", By: "You", MadeAt: testNow.Add(-2 * time.Minute),
		RedeemBy: testNow.Add(13 * time.Minute), Wrong: 2, Tries: 5, Can: []string{"View documents"}}
	login := Lent{ID: "c2", Name: "Temporary login", Email: "guest-1@support.example", By: "Pat", MadeAt: testNow, RedeemBy: testNow.Add(time.Hour)}
	for how, page := range bothWays(t, Access{Open: []Lent{pin, login}}) {
		for _, want := range []string{"Made by you", "14:00 UTC", "14:15 UTC", "13 min", "ticket T-1", "Valid only for Olivia Owner", "Lends: View documents",
			"2 wrong tries so far; after 5 it is dead", "Somebody tried 2 wrong PINs", "Cancel PIN", "Revoke this login", "guest-1@support.example", "Made by <bdi>Pat</bdi>"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not say %q", how, want)
			}
		}
	}
	pin.Wrong = 0
	for how, page := range bothWays(t, Access{Open: []Lent{pin}}) {
		if strings.Contains(page, "wrong") {
			t.Errorf("%s speaks of wrong tries where there are none", how)
		}
	}
}

func TestUnknownComfortsNobody(t *testing.T) {
	t.Parallel()
	for how, page := range bothWays(t, Access{Unknown: true}) {
		for _, not := range []string{"Nobody is in", "Nobody can", "Nothing is open", "Nothing yet"} {
			if strings.Contains(page, not) {
				t.Errorf("%s says %q without knowing", how, not)
			}
		}
	}
}

func TestNoticeIsAsLoudAsItMust(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		notice      Notice
		role, title string
	}{
		"done":   {Notice{Text: "It is cancelled."}, "status", "<title>Nobody can get in"},
		"failed": {Notice{Text: "Not ended yet.", Bad: true}, "alert", "<title>Problem: Nobody can get in"},
	} {
		page := bothWays(t, Access{Notice: c.notice})["page"]
		found := false
		for _, g := range tags(page) {
			found = found || g.attrs["role"] == c.role && g.has("autofocus")
		}
		if !found || !strings.Contains(page, c.title) || !strings.Contains(page, c.notice.Text) {
			t.Errorf("%s: as %s %v, titled %v", name, c.role, found, strings.Contains(page, c.title))
		}
	}
}

var versions = regexp.MustCompile(`data-part="(\w+)" data-version="(\w+)"`)

// parts returns the version of each part that changes by itself.
func parts(page string) map[string]string {
	out := map[string]string{}
	for _, m := range versions.FindAllStringSubmatch(page, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// The script swaps a part when its version changes: what people see must change
// it, and the passing of time must not, or the page would never stand still.
func TestVersionsFollowWhatHappens(t *testing.T) {
	t.Parallel()
	build := func(change func(*Access)) Access {
		p := Access{Now: testNow, Visits: []Visit{someVisit("v")}, Open: []Lent{somePIN("c")}, Record: []Event{{testNow, "x", "y", false}}}
		change(&p)
		return p
	}
	first := bothWays(t, build(func(*Access) {}))
	before := parts(first["page"])
	if len(before) != 4 || parts(first["live"])["state"] != before["state"] || parts(first["live"])["record"] != before["record"] {
		t.Fatalf("page %v, live %v", before, parts(first["live"]))
	}
	for _, c := range []struct {
		name, changes string
		change        func(*Access)
	}{
		{"time", "", func(p *Access) { p.Now = p.Now.Add(5 * time.Second) }},
		{"what the click did", "", func(p *Access) { p.Notice.Text, p.Mint = "x", lending("x") }},
		{"an ending", "over", func(p *Access) { p.Over = []Over{someOver("x")} }},
		{"an action", "state", func(p *Access) { p.Visits[0].Last = "another" }},
		{"somebody leaves", "state", func(p *Access) { p.Visits = nil }},
		{"a wrong try", "open state", func(p *Access) { p.Open[0].Wrong++ }},
		{"an entry", "record", func(p *Access) { p.Record = append(p.Record, Event{testNow, "x", "z", true}) }},
	} {
		var changed []string
		after := parts(bothWays(t, build(c.change))["live"])
		for _, part := range []string{"open", "over", "record", "state"} {
			if after[part] != before[part] {
				changed = append(changed, part)
			}
		}
		if got := strings.Join(changed, " "); got != c.changes {
			t.Errorf("%s changes %q, want %q", c.name, got, c.changes)
		}
	}
}

func TestRecordIsATimeline(t *testing.T) {
	t.Parallel()
	at := func(hours int) time.Time { return testNow.Add(-time.Duration(hours) * time.Hour) }
	today := []Event{{at(0), "Dana Reed", "tried to open Billing", true}, {at(1), "You", "made a Support PIN", false}}
	longer := append(today[:2:2], Event{at(24), "", "Names were erased", false}, Event{at(24 * 6), "Sam", "signed out", false}, Event{at(24 * 90), "Sam", "entered", false})
	for name, c := range map[string]struct {
		p    Access
		says []string
		not  []string
	}{
		"today":  {Access{Record: today}, []string{"Blocked:</span> <b>Dana Reed</b> tried to open Billing", ">14:02</time>", "<b>You</b> made a Support PIN", "Times are UTC"}, []string{"Today", "Older"}},
		"longer": {Access{Record: longer, Older: OwnerPath + "/record?before=7"}, []string{"<h3>Today</h3>", "<h3>Yesterday</h3>", "<h3>Tuesday 24 February</h3>", "<h3>Tuesday 2 December 2025</h3>", "<p>Names were erased", `href="` + OwnerPath + `/record?before=7"`}, []string{"<b></b>"}},
		"empty":  {Access{}, []string{"Nothing yet"}, []string{"Times are UTC", "<ol>"}},
	} {
		for how, page := range bothWays(t, c.p) {
			for _, want := range append(c.says, OwnerPath+"/record.jsonl", "offline") {
				if !strings.Contains(page, want) {
					t.Errorf("%s, %s: does not say %q", name, how, want)
				}
			}
			for _, not := range c.not {
				if strings.Contains(page, not) {
					t.Errorf("%s, %s: says %q", name, how, not)
				}
			}
		}
	}
}
