package owner

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/templates"
)

var (
	sixDigits = regexp.MustCompile(`\b(\d{3}) (\d{3})\b`)
	lent      = regexp.MustCompile(`guest-[a-z0-9]+@support\.northwind\.example`)
	words     = regexp.MustCompile(`\b([a-z0-9]{5}-){4}[a-z0-9]{5}\b`)
)

// pinOf is the PIN that the page shows, bare.
func pinOf(b *signintest.Browser) string {
	return strings.ReplaceAll(sixDigits.FindString(b.Page.Text()), " ", "")
}

// TestLendWatchRevoke walks the whole way on both engines: the state, the
// secret once, the visit, and its end.
func TestLendWatchRevoke(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		b := w.signIn("olivia")
		if !b.Page.Says("Nobody can get in") || b.Shows(templates.OwnerPath+"/revoke") {
			t.Errorf("before anything: %s", b.Page.Text())
		}
		b.Submit("policy", "policy", "support-pin", "ticket", "T-4711")
		pin := pinOf(b)
		if len(pin) != 6 || !b.Page.Says("Acme Inc") || !b.Page.Says("4821") || !b.Page.Says("A PIN waits") {
			t.Fatalf("after minting: %d %s", b.Page.Status, b.Page.Text())
		}
		s := w.enter(acme, pin)
		b.Get(templates.OwnerPath)
		if !b.Page.Says("Dana Reed is in your account") || !b.Page.Says("Northwind SSO") || !b.Page.Says("T-4711") {
			t.Errorf("with Dana inside: %s", b.Page.Text())
		}
		other := w.signIn("uma") // whoever belongs to the account may watch and end
		other.Submit(templates.OwnerPath + "/revoke")
		if w.live(s) || !other.Page.Says("Access is revoked") {
			t.Errorf("after revoking: live %v, %s", w.live(s), other.Page.Text())
		}
		other.Get(templates.OwnerPath)
		if other.Page.Says("Access is revoked") {
			t.Error("it is told a second time")
		}
		b.Get(templates.OwnerPath)
		if !b.Page.Says("Nobody can get in") || !b.Page.Says("Uma ended the access of Dana Reed") || !b.Page.Says("You made a Support PIN") {
			t.Errorf("the first owner's page: %s", b.Page.Text())
		}
	})
}

// TestASecretIsInOneAnswer, and neither in a later page, the log nor a header.
func TestASecretIsInOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	b.Submit("policy", "policy", "temporary-login", "within.temporary-login", "1h0m0s")
	email, secret := lent.FindString(b.Page.Text()), words.FindString(b.Page.Text())
	if email == "" || secret == "" {
		t.Fatalf("there is no login: %s", b.Page.Text())
	}
	for _, path := range []string{"", "/live", "/record.jsonl"} {
		b.Get(templates.OwnerPath + path)
	}
	shown := 0
	for _, a := range w.tape.All() {
		if strings.Contains(a.Body, secret) {
			shown++
		}
		for _, values := range a.Header {
			if strings.Contains(strings.Join(values, " "), secret) {
				t.Errorf("a header of %s has it", a.URL)
			}
		}
	}
	if shown != 1 || strings.Contains(w.log.String(), secret) {
		t.Errorf("it is in %d answers; log: %v", shown, strings.Contains(w.log.String(), secret))
	}
	s, err := w.use(email, secret)
	if err != nil || s.EndsAt.Sub(w.clock.Now()) > time.Hour {
		t.Errorf("the login opens %v until %v, %v", s.ID, s.EndsAt, err)
	}
}

// TestReloadMakesNothing: the same form again is the same request, and shows no
// secret; another one with its id is refused.
func TestReloadMakesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	action, fields := b.Form("policy")
	fields.Set("policy", "support-pin")
	b.Visit(http.MethodPost, action, fields)
	pin := pinOf(b)
	b.Visit(http.MethodPost, action, fields)
	if pinOf(b) != "" || !b.Page.Says("cannot be shown again") {
		t.Errorf("the second sending: %s", b.Page.Text())
	}
	fields.Set("ticket", "another")
	b.Visit(http.MethodPost, action, fields)
	if pinOf(b) != "" || b.Page.Status != http.StatusUnprocessableEntity {
		t.Errorf("the same form changed: %d %s", b.Page.Status, b.Page.Text())
	}
	if got := w.record("acme"); len(got) != 1 {
		t.Errorf("the record has %v, want one mint", got)
	}
	w.enter(acme, pin) // it is still good
	fields.Del("ticket")
	b.Visit(http.MethodPost, action, fields)
	if pinOf(b) != "" || !b.Page.Says("cannot be used any more") {
		t.Errorf("after it was used: %s", b.Page.Text())
	}
}

// TestWhoMayMint: the page offers what the rules allow, and the rules hold
// against whatever is posted.
func TestWhoMayMint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("uma")
	if !b.Page.Says("Support PIN: people whose role is owner or admin can make it") || b.Page.Says("Edit documents") {
		t.Errorf("a user is offered: %s", b.Page.Text())
	}
	_, fields := b.Form(templates.OwnerPath + "/credentials")
	for name, c := range map[string][]string{
		"another's policy":   {"policy", "support-pin", "scope.support-pin", "documents.read"},
		"another's scope":    {"policy", "two-day-pin", "scope.two-day-pin", "documents.write"},
		"never lent":         {"policy", "two-day-pin", "scope.two-day-pin", "billing.read"},
		"no such scope":      {"policy", "two-day-pin", "scope.two-day-pin", "x"},
		"nothing ticked":     {"policy", "two-day-pin"},
		"no such policy":     {"policy", "x", "scope.x", "documents.read"},
		"another validity":   {"policy", "two-day-pin", "scope.two-day-pin", "documents.read", "within.two-day-pin", "9999h"},
		"a validity of text": {"policy", "two-day-pin", "scope.two-day-pin", "documents.read", "within.two-day-pin", "for ever"},
		"a long ticket":      {"policy", "two-day-pin", "scope.two-day-pin", "documents.read", "ticket", strings.Repeat("x", 101)},
	} {
		post(b, "/credentials", append(c, "form", fields.Get("form")+name)...)
		if b.Page.Status != http.StatusUnprocessableEntity || pinOf(b) != "" {
			t.Errorf("%s: %d %s", name, b.Page.Status, b.Page.Text())
		}
	}
	post(b, "/credentials", "policy", "two-day-pin", "scope.two-day-pin", "documents.read")
	if b.Page.Status != http.StatusBadRequest {
		t.Errorf("a form without its id: %d", b.Page.Status)
	}
	if got := w.record("acme"); len(got) != 0 {
		t.Errorf("something was made: %v", got)
	}
	b.Get(templates.OwnerPath)
	b.Submit(templates.OwnerPath + "/credentials")
	if pinOf(b) == "" || !b.Page.Says("Uma") {
		t.Fatalf("what a user may make: %s", b.Page.Text())
	}
	first := pinOf(b)
	b.Get(templates.OwnerPath)
	b.Submit(templates.OwnerPath + "/credentials")
	if again := pinOf(b); again == first || again == "" {
		t.Error("regenerated, it is the same")
	}
	if s := w.enter(acme, pinOf(b)); s.Contact != "Uma" {
		t.Errorf("it is bound to %q", s.Contact)
	}
}

// TestOthersAccountsAreOutOfReach: ids of another account do nothing, and tell
// nothing.
func TestOthersAccountsAreOutOfReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	b.Submit("policy", "policy", "support-pin")
	s := w.enter(acme, pinOf(b))
	b.Get(templates.OwnerPath)
	b.Submit("policy", "policy", "support-pin")
	waits, err := w.store.Usable(t.Context(), "acme", 5)
	if err != nil || len(waits) != 1 {
		t.Fatal(waits, err)
	}
	gus := w.signIn("gus")
	for path, field := range map[string][]string{"/end": {"sid", s.ID}, "/revoke": {"credential", waits[0].ID}} {
		post(gus, path, field...)
		theirs := gus.Page.Text()
		post(gus, path, field[0], "unknown")
		if theirs != gus.Page.Text() {
			t.Errorf("%s tells a foreign id from an unknown one:\n%s\n%s", path, theirs, gus.Page.Text())
		}
	}
	post(gus, "/revoke")
	if after, _ := w.store.Usable(t.Context(), "acme", 5); !w.live(s) || len(after) != 1 {
		t.Error("Globex ended what is Acme's")
	}
	gus.Get(templates.OwnerPath)
	if gus.Page.Says("Dana") || gus.Page.Says("Acme") {
		t.Errorf("Globex sees %s", gus.Page.Text())
	}
}

// TestEndOneVisit ends one and no more: the login lets them in again.
func TestEndOneVisit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	b.Submit("policy", "policy", "temporary-login")
	email, secret := lent.FindString(b.Page.Text()), words.FindString(b.Page.Text())
	one, err1 := w.use(email, secret)
	two, err2 := w.use(email, secret)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	b.Get(templates.OwnerPath)
	if !b.Page.Says("sign in again until") {
		t.Errorf("a reusable login: %s", b.Page.Text())
	}
	post(b, "/end", "sid", one.ID)
	if w.live(one) || !w.live(two) || !b.Page.Says("The visit is ended") {
		t.Errorf("one %v, two %v: %s", w.live(one), w.live(two), b.Page.Text())
	}
	post(b, "/revoke", "credential", two.Credential)
	if _, err := w.use(email, secret); err == nil || w.live(two) {
		t.Error("the login is revoked and still opens, or its visit lives")
	}
}

// TestInDoubt: what could not be stored is never called done, what was made is
// shown, and causes stay inside.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	b.Submit("policy", "policy", "temporary-login")
	s, err := w.use(lent.FindString(b.Page.Text()), words.FindString(b.Page.Text()))
	if err != nil {
		t.Fatal(err)
	}
	b.Get(templates.OwnerPath)
	before := b.Page
	for verb, send := range map[string]func(){
		"Revoke": func() { post(b, "/revoke") }, "End": func() { post(b, "/end", "sid", s.ID) },
		"Mint": func() { b.Page = before; b.Submit("policy", "policy", "support-pin") }, "Account": func() { b.Get(templates.OwnerPath) },
	} {
		w.faults.Break(verb)
		send()
		if b.Page.Status != http.StatusServiceUnavailable || b.Page.Says("is revoked") || b.Page.Says("is ended") || pinOf(b) != "" {
			t.Errorf("%s fails: %d %s", verb, b.Page.Status, b.Page.Text())
		}
	}
	if !w.live(s) {
		t.Error("it ended after all")
	}
	w.faults.Break("Record")
	b.Page = before
	b.Submit("policy", "policy", "support-pin")
	if pinOf(b) == "" {
		t.Errorf("the rest of the page fails and takes the PIN along: %s", b.Page.Text())
	}
	w.faults.Mend()
	for _, a := range w.tape.All() {
		if strings.Contains(a.Body, signintest.StoreMarker) {
			t.Errorf("%s shows the cause", a.URL)
		}
	}
	if !strings.Contains(w.log.String(), signintest.StoreMarker) {
		t.Error("the operator is not told")
	}
}

// TestSignedOut: nothing is shown or done for somebody whose sign-in has run
// out, and looking does not keep it.
func TestSignedOut(t *testing.T) {
	t.Parallel()
	for name, pass := range map[string]func(*world, *signintest.Browser){
		"idle": func(w *world, b *signintest.Browser) {
			for range 4 { // the page that looks by itself is no activity
				w.clock.Add(4 * time.Minute)
				b.Get(templates.OwnerPath + "/live")
			}
		},
		"an hour": func(w *world, b *signintest.Browser) {
			for range 5 {
				w.clock.Add(13 * time.Minute)
				b.Get(templates.OwnerPath)
			}
		},
		"signed out": func(_ *world, b *signintest.Browser) { b.Submit(templates.OwnerPath + "/sign-out") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storetest.SQLite(t))
			b := w.signIn("olivia")
			b.Submit("policy", "policy", "temporary-login")
			s, err := w.use(lent.FindString(b.Page.Text()), words.FindString(b.Page.Text()))
			if err != nil {
				t.Fatal(err)
			}
			pass(w, b)
			b.Get(templates.OwnerPath + "/live")
			if b.Page.Status != http.StatusUnauthorized {
				t.Errorf("live: %d", b.Page.Status)
			}
			for _, path := range []string{"/revoke", "/end", "/credentials"} {
				post(b, path, "sid", s.ID, "policy", "support-pin", "scope.support-pin", "documents.read", "form", "f")
				if b.Page.Status != http.StatusForbidden || !b.Page.Says("nothing was done") || !b.Shows("username") {
					t.Errorf("%s: %d %s", path, b.Page.Status, b.Page.Text())
				}
			}
			for _, path := range []string{"", "/record", "/record.jsonl"} {
				b.Get(templates.OwnerPath + path)
				if strings.Contains(b.Page.Body, "Dana") || !b.Shows("username") {
					t.Errorf("%s: %s", path, b.Page.Text())
				}
			}
			if !w.live(s) {
				t.Error("something was done")
			}
		})
	}
}

// TestAnAccountBelongsToOneConnector: people of another see nothing of it.
func TestAnAccountBelongsToOneConnector(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	taken := acme
	taken.Connector = "partners"
	w.mintFor(taken, "two-day-pin")
	for _, path := range []string{"", "/live", "/record.jsonl"} {
		b.Get(templates.OwnerPath + path)
		if b.Page.Status != http.StatusForbidden || !b.Page.Says("another sign-in") {
			t.Errorf("%s: %d %s", path, b.Page.Status, b.Page.Text())
		}
	}
	post(b, "/revoke")
	if found, err := w.store.Usable(t.Context(), "acme", 5); err != nil || len(found) != 1 {
		t.Error("another connector's credential is revoked")
	}
}
