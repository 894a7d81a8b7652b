package demo

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// everything is what an owner can lend.
var everything = []string{"documents.read", "documents.write", "settings.read", "settings.write"}

func TestCustomersHaveTheirOwnLogin(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.kill() // without a broker, too
	b := newBrowser(t)
	b.open(h.url("/app/documents")).wants(http.StatusOK, "I am a customer")
	b.press("Olivia Owner").wants(http.StatusOK, "Travel policy")
	b.press("Travel policy").press("Edit").press("Save", "text", "By boat.").wants(http.StatusOK, "By boat.").wants(http.StatusOK, "Changed by Olivia Owner at ")
	b.press("Delete").wants(http.StatusOK, "Documents").lacks("Travel policy")
	b.press("Billing").wants(http.StatusOK, "108.00 euros")
	b.press("Settings").wants(http.StatusOK, "Support access").press("Save", "team", "Acme at sea")
	b.wants(http.StatusOK, "Settings")
	if got := h.docs.Library.Settings("acme").Team; got != "Acme at sea" {
		t.Errorf("the team is called %q", got)
	}
	b.press("Save", "team", "").wants(http.StatusUnprocessableEntity, "Nothing was saved")
	b.open(h.url("/app/documents/travel")).wants(http.StatusNotFound, "no such document")
	b.press("Sign out").wants(http.StatusOK, "I am a customer")
	b.open(h.url("/app/billing")).wants(http.StatusOK, "I am a customer")
}

func TestSupportAccessLeadsToTheBroker(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := newBrowser(t)
	b.stop = h.world.BrokerURL
	b.open(h.url("/")).press("Olivia Owner").press("Settings")
	for node := range b.page.Descendants() {
		if node.Data == "a" && said(node) == "Support access" && attr(node, "href") == h.world.BrokerURL+"/support-access" {
			return
		}
	}
	t.Errorf("no link leads to the broker: %s", b.text())
}

// TestLookAround: an agent does what was lent, and no more; the customer reads
// all of it, and what was refused.
func TestLookAround(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := h.agent(h.pin(everything...))
	b.wants(http.StatusOK, "Support mode Acme Inc ")
	b.wants(http.StatusOK, "Signed inDana Reed CanView documents, Edit documents, View settings, Change settings")
	b.wants(http.StatusOK, " minutes left")
	b.press("Travel policy").press("Edit").press("Save", "text", "By bus.").wants(http.StatusOK, "Changed by Dana Reed, Northwind Support, at ")
	b.press("Delete").wants(http.StatusForbidden, "Deleting is never lent to support").wants(http.StatusForbidden, "Acme Inc can read in the record that it was tried")
	b.press("Billing").wants(http.StatusForbidden, "Billing is never lent to support").lacks("108.00")
	b.press("Settings").lacks("Let the Northwind Support team in").press("Save", "team", "Acme by bus").wants(http.StatusOK, "Settings")
	b.open(h.url("/support/documents/nothing")).wants(http.StatusNotFound, "no such document")
	if doc, ok := h.docs.Library.Document("acme", "travel"); !ok || doc.Text != "By bus." {
		t.Errorf("the document is %v, %v", doc, ok)
	}
	h.wantActions(0, "started: List documents", "started: View document Travel policy", "started: Open document for editing Travel policy",
		"started: Change document Travel policy", "started: View document Travel policy", "refused: Delete document",
		"refused: See billing", "started: View settings", "started: Change settings", "started: View settings", "started: View document")
}

// TestScopes: what was not lent is refused and recorded, whichever way it is
// asked for.
func TestScopes(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := h.agent(h.pin("documents.read"))
	before := h.docs.Library.Settings("acme")
	values := url.Values{"text": {"Gone."}, "team": {"Gone"}}
	for _, each := range deeds {
		to := h.url("/support" + strings.Replace(each.path, "{id}", "travel", 1))
		if each.method == http.MethodPost {
			b.post(to, h.url(""), values)
		} else {
			b.open(to)
		}
		want := http.StatusForbidden
		if each.scope == "documents.read" {
			want = http.StatusOK
		}
		b.wants(want, "Support mode Acme Inc")
	}
	if doc, ok := h.docs.Library.Document("acme", "travel"); !ok || doc.Changed != "" || h.docs.Library.Settings("acme") != before {
		t.Errorf("it was changed: %v %v %v", doc, ok, h.docs.Library.Settings("acme"))
	}
	h.wantActions(1, "started: List documents", "started: View document Travel policy", "refused: Open document for editing",
		"refused: Change document", "refused: Delete document", "refused: View settings", "refused: Change settings", "refused: See billing")
}

// TestTheCustomerEndsIt: the next click says so, whatever it asks for, and does
// nothing; so does every one until the agent leaves.
func TestTheCustomerEndsIt(t *testing.T) {
	t.Parallel()
	h := start(t)
	at := regexp.MustCompile(`The customer ended access at \d\d:\d\d `)
	for name, click := range map[string]func(*browser) *browser{
		"what was lent":     func(b *browser) *browser { return b.press("Documents") },
		"what is never":     func(b *browser) *browser { return b.press("Billing") },
		"what changes much": func(b *browser) *browser { return b.press("Save", "text", "Gone.") },
	} {
		b := h.agent(h.pin(everything...))
		b.press("Travel policy").press("Edit")
		h.revoke()
		click(b).wants(http.StatusUnauthorized, "Nothing was done").lacks("Support mode").lacks("Acme")
		if !at.MatchString(b.text()) {
			t.Errorf("%s: it says %s", name, b.text())
		}
		b.open(h.url("/support/documents")).wants(http.StatusUnauthorized, "The customer ended access at ")
		b.press("Leave support mode").wants(http.StatusOK, "You have left support mode")
		b.open(h.url("/support/documents")).wants(http.StatusUnauthorized, "not in support mode")
	}
	if doc, _ := h.docs.Library.Document("acme", "travel"); doc.Changed != "" {
		t.Errorf("the document was changed: %v", doc)
	}
}

// TestWhy: an ending is told by its cause.
func TestWhy(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 14, 3, 59, 0, time.Local)
	seen := map[string]bool{}
	for _, cause := range []string{"revoked", "signed_out", "cancelled", "idle", "time", "reuse", "operator", ""} {
		said := sentence(guard.Ending{Cause: cause, At: at})
		if !strings.Contains(said, "14:03") || strings.Contains(said, "customer") != (cause == "revoked") || seen[said] {
			t.Errorf("%s: %s", cause, said)
		}
		seen[said] = true
	}
}

// TestTheAgentEndsIt: at the broker, not only here.
func TestTheAgentEndsIt(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := h.agent(h.pin("documents.read"))
	b.press("End").wants(http.StatusOK, "You have left support mode")
	b.open(h.url("/support/documents")).wants(http.StatusUnauthorized, "not in support mode")
	if live := h.sessions(); len(live) > 0 {
		t.Errorf("the broker says these are alive: %v", live)
	}
}

// TestNoRecordNoAction: while the broker is down, support does nothing, and
// nobody says that it has ended.
func TestNoRecordNoAction(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := h.agent(h.pin(everything...))
	b.press("Travel policy").press("Edit")
	h.kill()
	edit := b.page
	b.press("Save", "text", "Gone.").wants(http.StatusServiceUnavailable, "nothing was done")
	b.open(h.url("/support/documents/travel")).wants(http.StatusServiceUnavailable, "nothing was done").lacks("Trains first")
	b.open(h.url("/support/billing")).lacks("108.00")
	if b.status != http.StatusForbidden && b.status != http.StatusServiceUnavailable { // it is known that this is never lent; later, nothing is
		t.Errorf("billing answers %d", b.status)
	}
	b.post(h.url("/support/end"), h.url(""), nil).wants(http.StatusServiceUnavailable, "has not ended yet")
	if doc, _ := h.docs.Library.Document("acme", "travel"); doc.Changed != "" {
		t.Errorf("the document was changed: %v", doc)
	}
	// The broker comes back with its database, and the same session goes on.
	h.restart()
	b.page = edit
	b.press("Save", "text", "By bike.").wants(http.StatusOK, "By bike.")
}

func TestNobodySignsInWithoutABroker(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.kill()
	newBrowser(t).open(h.url("/support")).wants(http.StatusServiceUnavailable, "Support cannot sign in now")
}

// TestRenewal: an access token is trusted no longer than it lives; then the
// broker gives another one, and the agent sees nothing of it.
func TestRenewal(t *testing.T) {
	t.Parallel()
	h := startWith(t, "tokens: {access: 5s}\n")
	b := h.agent(h.pin("documents.read"))
	first := b.cookie(b.at, supportCookie).Value
	for again := time.NewTicker(50 * time.Millisecond); b.cookie(b.at, supportCookie).Value == first; <-again.C {
		b.press("Documents").wants(http.StatusOK, "Travel policy")
	}
	b.press("Documents").wants(http.StatusOK, "Travel policy")
	h.revoke()
	b.press("Documents").wants(http.StatusUnauthorized, "The customer ended access at ")
}

// supportCookie is where guard keeps a session in a browser; behind it comes what
// tells this app's from those of other apps of the host.
const supportCookie = "valetkey-support-"

// TestEnteringChangesTheCookie: a value that somebody has planted before does
// not become a support session, nor does an old one live on.
func TestEnteringChangesTheCookie(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := newBrowser(t)
	at, err := url.Parse(h.url("/support/documents"))
	if err != nil {
		t.Fatal(err)
	}
	h.enter(b, h.pin("documents.read"))
	name := b.cookie(at, supportCookie).Name
	b = newBrowser(t)
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: name, Value: "planted", Path: "/"}})
	h.enter(b, h.pin("documents.read"))
	first := b.cookie(at, supportCookie).Value
	h.revoke()
	b.press("Documents").press("Sign in for support").fill("account", "4821", "pin", h.pin("documents.read"), "reason", "ticket 4712")
	b.fill("enter", "1").wants(http.StatusOK, "Travel policy")
	if second := b.cookie(at, supportCookie).Value; first == "planted" || first == "" || second == "" || second == first {
		t.Errorf("the cookie is %q, and then %q", first, second)
	}
}

// TestTwoPeopleInOneBrowser: the customers' login and support mode know nothing
// of each other.
func TestTwoPeopleInOneBrowser(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := newBrowser(t)
	b.open(h.url("/")).press("Uma User").wants(http.StatusOK, "Uma User · Acme Inc")
	h.enter(b, h.pin("documents.read"))
	b.open(h.url("/app/billing")).wants(http.StatusOK, "108.00 euros").lacks("Support mode")
	b.open(h.url("/support/documents")).wants(http.StatusOK, "Support mode Acme Inc")
	h.revoke()
	b.press("Documents").wants(http.StatusUnauthorized, "The customer ended access")
	b.open(h.url("/app/documents")).wants(http.StatusOK, "Uma User · Acme Inc")
	h.enter(b, h.pin("documents.read"))
	b.open(h.url("/app/documents")).press("Sign out")
	b.open(h.url("/support/documents")).wants(http.StatusOK, "Support mode Acme Inc")
	b.press("End").wants(http.StatusOK, "You have left")
}

// TestTheAccountIsTheTokens: nothing in an address leads to another account,
// nor does the record learn what is there.
func TestTheAccountIsTheTokens(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.docs.Library.tenants["borealis"] = &tenant{documents: []Document{{ID: "plans", Title: "Secret plans", Text: "Build a boat."}}}
	b := h.agent(h.pin(everything...))
	b.open(h.url("/support/documents")).lacks("Secret plans")
	b.open(h.url("/support/documents/plans")).wants(http.StatusNotFound, "no such document").lacks("Build a boat")
	b.post(h.url("/support/documents/plans"), h.url(""), url.Values{"text": {"Sunk."}}).wants(http.StatusNotFound, "no such document")
	if doc, _ := h.docs.Library.Document("borealis", "plans"); doc.Changed != "" {
		t.Errorf("it was changed: %v", doc)
	}
	for _, entry := range h.actions() {
		if strings.Contains(entry, "Secret") {
			t.Errorf("the record has %s", entry)
		}
	}
}

// TestFormsOfOthers: another site, and another port of this machine, cannot
// act for who is signed in here.
func TestFormsOfOthers(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := newBrowser(t)
	b.open(h.url("/")).press("Olivia Owner")
	h.enter(b, h.pin(everything...))
	for _, path := range []string{"/app/documents/travel", "/app/documents/travel/delete", "/app/settings", "/app/sign-out", "/app/sign-in", "/support/documents/travel", "/support/end"} {
		if b.post(h.url(path), h.world.staff.URL(), url.Values{"text": {"Gone."}, "team": {"Gone"}}); b.status != http.StatusForbidden {
			t.Errorf("%s answers %d", path, b.status)
		}
	}
	if doc, ok := h.docs.Library.Document("acme", "travel"); !ok || doc.Changed != "" {
		t.Errorf("the document is %v, %v", doc, ok)
	}
	b.open(h.url("/support/documents")).wants(http.StatusOK, "Support mode")
	b.open(h.url("/app/documents")).wants(http.StatusOK, "Olivia Owner · Acme Inc")
}
