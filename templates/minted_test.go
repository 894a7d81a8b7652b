package templates

import (
	"strings"
	"testing"
	"time"
)

func TestPINsAreGroupedToBeSaid(t *testing.T) {
	t.Parallel()
	for pin, want := range map[string]string{
		"0481": "04 81", "12345": "123 45", "482913": "482 913", "1234567": "123 45 67", "12345678": "123 456 78",
		"123456789": "123 456 789", "0123456789": "012 345 67 89",
	} {
		if got := strings.Join(grouped(pin), " "); got != want {
			t.Errorf("%s is said as %q, want %q", pin, got, want)
		}
	}
}

// minting is a page that has just made l.
func minting(l Lent, secret string, again bool) Access {
	return Access{Now: testNow, Open: []Lent{l}, Mint: lending("x"), Minted: &Minted{Lent: l, Secret: secret, Handle: "AC-1001", Session: 30 * time.Minute, OneUse: l.PIN, Again: again}}
}

func TestSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	pin, login := somePIN("c1"), someLogin("c2")
	login.Email = "guest-1@support.example"
	for name, c := range map[string]struct {
		p     Access
		once  string
		never string
	}{
		"PIN":         {minting(pin, "073915", false), "073 915", "073915"},
		"short PIN":   {minting(pin, "0739", false), "07 39", "0739"},
		"login":       {minting(login, "k3m9x-2ab47-qzv3r-8wyt4-hm2pk", false), "k3m9x-2ab47-qzv3r-8wyt4-hm2pk", "k3m9x 2ab47"},
		"PIN again":   {minting(pin, "073915", true), "", "073 915"},
		"bare again":  {minting(pin, "073915", true), "", "073915"},
		"login again": {minting(login, "k3m9x-2ab47", true), "", "k3m9x-2ab47"},
	} {
		pages := bothWays(t, c.p)
		if n := strings.Count(pages["page"], c.once); c.once != "" && n != 1 {
			t.Errorf("%s: the secret is on the page %d times", name, n)
		}
		if strings.Contains(pages["page"], c.never) {
			t.Errorf("%s: the page has %q", name, c.never)
		}
		for _, text := range []string{c.once, c.never, "Shown once"} {
			if text != "" && strings.Contains(pages["live"], text) {
				t.Errorf("%s: what is sent again and again has %q", name, text)
			}
		}
	}
}

func TestMintedSaysHowToUseIt(t *testing.T) {
	t.Parallel()
	pin, login := somePIN("c1"), someLogin("c2")
	pin.Name, pin.Ticket, pin.Contact, pin.Can = "Support PIN", "T-4711", "Olivia Owner", []string{"View documents"}
	login.Name, login.Email = "Temporary login", "guest-1@support.example"
	both := []string{"Shown once. When you leave this page you can only make a new one.", "Never tell anyone your account password.", "Did someone call <em>you</em>?",
		"14:16 UTC", `max="900" value="840"`, "14 min"}
	for name, c := range map[string]struct {
		p    Access
		says []string
		not  []string
	}{
		"PIN": {minting(pin, "073915", false), append(both, "Your Support PIN", "Once in, 30 minutes at most.", "Read both to the agent.", "AC-1001", "0 7 3, 9 1 5", "One use", "They can: View documents",
			"Share this PIN only with the Northwind Support team", "and press Cancel PIN", "Valid only for Olivia Owner", "ticket T-4711", ">Copy PIN<"), []string{"Several sign-ins", "only to help"}},
		"login": {minting(login, "k3m9x", false), append(both, "Your Temporary login", "guest-1@support.example", "Several sign-ins, until it ends by itself. Once in, 15 minutes at most, and never longer than this.",
			"Share this login only with", "and press Revoke this login", "used only to help with your request", "recorded below", ">Copy credentials<"), []string{"One use", "AC-1001", "Read both"}},
		"again": {minting(pin, "", true), []string{"Made at", "14:01 UTC", "still valid. It cannot be shown again.", "make a new one below: then it stops working", ">Cancel PIN<"}, []string{"Copy", "Shown once", "Read both"}},
	} {
		_, page, _ := strings.Cut(bothWays(t, c.p)["page"], `aria-labelledby="secret-title"`)
		page, _, _ = strings.Cut(page, "</section>")
		for _, want := range c.says {
			if !strings.Contains(page, want) {
				t.Errorf("%s: does not say %q", name, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(page, not) {
				t.Errorf("%s: says %q", name, not)
			}
		}
		// A button that only the script can serve is not there without it.
		for _, g := range tags(page) {
			if g.has("data-copy") && (!g.has("hidden") || g.attrs["type"] != "button") {
				t.Errorf("%s: the copy button shows, or sends a form, without the script", name)
			}
		}
	}
}

func TestBarNeverLeavesItsBounds(t *testing.T) {
	t.Parallel()
	l := somePIN("c")
	for _, now := range []time.Time{l.MadeAt.Add(-time.Minute), l.RedeemBy.Add(time.Hour)} {
		m := newMinted(Minted{Lent: l}, now)
		if m.Left < 0 || m.Left > m.Valid {
			t.Errorf("at %v: %d of %d s", now, m.Left, m.Valid)
		}
	}
}

func TestMintFormSaysWhatIsLent(t *testing.T) {
	t.Parallel()
	m := &MintForm{Form: "f", Policy: "b", Policies: []Lending{
		{ID: "a", Name: "Support PIN", PIN: true, Digits: 6, OneUse: true, Session: 30 * time.Minute, Within: []Choice{{"15m0s", "15 minutes"}},
			Scopes: []Pick{{"documents.read", "View documents", true}, {"settings.write", "Change settings", false}}, Never: []string{"Delete", "Export", "Billing", "Sign-in", "Access"}},
		{ID: "b", Name: "Phone PIN", PIN: true, Digits: 4, OneUse: true, Bound: true, Session: time.Hour, Within: []Choice{{"1h", "1 hour"}, {"4h", "4 hours"}}, Chosen: "4h"},
		{ID: "c", Name: "Temporary login", Holder: true, Session: 8 * time.Hour},
	}}
	page := bothWays(t, Access{Mint: m, Others: []string{"Two-day PIN: administrators can make it."}})["page"]
	for _, want := range []string{"6 digits, one use", "4 digits, one use", "several uses", "15 minutes to use it; once in, 30 minutes at most", "They can: View documents. Never: Delete, Export, Billing and 2 more.",
		"Never, even if you wanted", "Valid only for you: support is told your name.", "Whoever has it gets in", "Only an agent who names it gets in.", "Two-day PIN: administrators can make it."} {
		if !strings.Contains(page, want) {
			t.Errorf("the form does not say %q", want)
		}
	}
	marked := map[string]bool{}
	for _, g := range tags(page) {
		if g.has("checked") || g.has("selected") {
			marked[g.attrs["value"]] = true
		}
	}
	if len(marked) != 3 || !marked["b"] || !marked["documents.read"] || !marked["4h"] {
		t.Errorf("chosen are %v", marked)
	}
	page = bothWays(t, Access{Others: []string{"Support PIN: administrators can make it."}})["page"]
	if strings.Contains(page, "/credentials") || !strings.Contains(page, "Support PIN: administrators can make it.") {
		t.Error("somebody who may make nothing is not told who can")
	}
}

// Only what a new one really replaces is announced to stop working.
func TestReplacingIsAnnounced(t *testing.T) {
	t.Parallel()
	l := Lending{ID: "a", Name: "Phone PIN", PIN: true}
	for name, c := range map[string]struct {
		open Lent
		want bool
	}{
		"the same":        {Lent{Name: "Phone PIN", PIN: true}, true},
		"another policy":  {Lent{Name: "Support PIN", PIN: true}, false},
		"my own":          {Lent{Name: "Phone PIN", PIN: true, Contact: "Olivia Owner"}, true},
		"somebody else's": {Lent{Name: "Phone PIN", PIN: true, Contact: "Pat"}, false},
		"a login":         {Lent{Name: "Phone PIN"}, false},
	} {
		page := bothWays(t, Access{Open: []Lent{c.open}, Mint: &MintForm{Policies: []Lending{l}}})["page"]
		if got := strings.Contains(page, "Making a new one stops it."); got != (c.want || name == "another policy") {
			t.Errorf("%s: its own entry says %v", name, got)
		}
		if got := strings.Contains(page, "Makes a new one; the old one stops working."); got != c.want {
			t.Errorf("%s: announced %v, want %v", name, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		15 * time.Minute: "15 minutes", time.Hour: "1 hour", 90 * time.Minute: "1 hour 30 minutes", 24 * time.Hour: "1 day",
		48 * time.Hour: "2 days", 7 * 24 * time.Hour: "7 days", 25 * time.Hour: "1 day 1 hour", time.Second: "1 second", time.Millisecond: "no time",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
