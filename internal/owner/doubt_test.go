package owner

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pquerna/otp/totp"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/templates"
)

// open makes a temporary login of Acme and lets Dana in with it.
func (w *world) open() (credentials.Minted, credentials.Session) {
	w.t.Helper()
	m, err := w.minter.Mint(w.t.Context(), credentials.MintRequest{Account: acme, Policy: "temporary-login", By: credentials.Mark{Who: "owner", ID: "x"},
		Owner: credentials.Owner{Issuer: "https://id.example", Subject: "o", Name: "Oscar", Claims: map[string][]string{"role": {"owner"}}}})
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.use(m.Email, m.Secret.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	return m, s
}

// breaks makes a verb fail, before it does anything or after.
func (w *world) breaks(verb string, after bool) {
	if after {
		w.faults.BreakAfter(verb)
		return
	}
	w.faults.Break(verb)
}

// success are words that somebody would take for "nobody is in any more".
var success = []string{"Access is revoked", "It is cancelled", "The visit is ended", "There was nothing left", "Nobody can get in"}

// TestNotYetRevoked: an end that could not be stored, or of which nobody knows
// whether it was, is 503 and no word of success; the button is there to press
// again, and then it works.
func TestNotYetRevoked(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for path, verb := range map[string]string{"/revoke": "Revoke", "/revoke one": "Revoke", "/end": "End", "/end unread": "Session"} {
			t.Run(strings.Join([]string{path, verb, map[bool]string{true: "after", false: "before"}[after]}, " "), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, storetest.SQLite(t))
				m, s := w.open()
				b := w.signIn("olivia")
				page := b.Page
				action, _, one := strings.Cut(path, " ")
				press := func() {
					switch {
					case action == "/end":
						post(b, action, "sid", s.ID)
					case one:
						post(b, action, "credential", m.ID)
					default:
						b.Page = page
						b.Submit(templates.OwnerPath + action)
					}
				}
				w.breaks(verb, after)
				press()
				w.faults.Mend()
				if w.faults.Failed() == 0 {
					t.Fatal("the verb was not used: nothing is tested")
				}
				if b.Page.Status != http.StatusServiceUnavailable || !b.Page.Says("Not ended yet") || !b.Page.Says("Press the button again now") {
					t.Errorf("%d %s", b.Page.Status, b.Page.Text())
				}
				for _, words := range success[:4] {
					if b.Page.Says(words) {
						t.Errorf("the page says %q", words)
					}
				}
				if !after && !w.live(s) {
					t.Error("the session has ended after all")
				}
				if b.Cookies()["owner-done"] != "" {
					t.Error("the next page tells that it was done")
				}
				if press(); b.Page.Status != http.StatusOK || w.live(s) {
					t.Errorf("once the store is back: %d %s, live %v", b.Page.Status, b.Page.Text(), w.live(s))
				}
			})
		}
	}
}

// TestItIsNotKnown: a page that could not read who is in says so, never that
// nobody is, and has the button that throws everybody out.
func TestItIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"Usable", "Visits", "Record", "Names"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storetest.SQLite(t))
			_, s := w.open()
			b := w.signIn("olivia")
			w.faults.Break(verb)
			for _, path := range []string{"/live", ""} {
				b.Get(templates.OwnerPath + path)
				if b.Page.Status != http.StatusServiceUnavailable || !b.Page.Says("It is not known who is in your account") {
					t.Errorf("%s: %d %s", path, b.Page.Status, b.Page.Text())
				}
				for _, words := range append(success, "Nothing yet") {
					if b.Page.Says(words) {
						t.Errorf("%s: the page says %q", path, words)
					}
				}
			}
			b.Submit(templates.OwnerPath + "/revoke")
			if w.live(s) || !b.Page.Says("Access is revoked") || b.Page.Says("Nobody can get in") {
				t.Errorf("live %v; %s", w.live(s), b.Page.Text())
			}
			w.faults.Mend()
			if b.Get(templates.OwnerPath); b.Page.Status != http.StatusOK || !b.Page.Says("Nobody can get in") {
				t.Errorf("once the store is back: %d %s", b.Page.Status, b.Page.Text())
			}
		})
	}
}

// TestMintedInDoubt: what was made is shown with its secret, whatever else fails;
// what nobody knows of is not, and can be found and cancelled.
func TestMintedInDoubt(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"Usable", "Visits", "Record", "Names"} {
		w := newWorld(t, storetest.SQLite(t))
		w.open()
		b := w.signIn("olivia")
		w.faults.Break(verb)
		b.Submit("policy", "policy", "support-pin")
		pin := pinOf(b)
		if b.Page.Status != http.StatusOK || pin == "" || b.Page.Says("Nobody can get in") || !b.Page.Says("not known who is in") {
			t.Errorf("%s: %d %s", verb, b.Page.Status, b.Page.Text())
		}
		w.enter(acme, pin)
	}
	for _, c := range []struct {
		verb  string
		after bool
		made  int
	}{{"Mint", false, 0}, {"Mint", true, 1}, {"Salt", false, 0}} {
		w := newWorld(t, storetest.SQLite(t))
		b := w.signIn("olivia")
		w.breaks(c.verb, c.after)
		b.Submit("policy", "policy", "support-pin", "ticket", "T-1")
		w.faults.Mend()
		_, fields := b.Form("form")
		if b.Page.Status != http.StatusServiceUnavailable || pinOf(b) != "" || fields.Get("ticket") != "T-1" || !b.Page.Says("If it shows below that something was made after all, cancel it") {
			t.Errorf("%+v: %d %s", c, b.Page.Status, b.Page.Text())
		}
		if n := len(w.made("acme")); n != c.made || (n == 1) != b.Shows("credential") {
			t.Errorf("%+v: made %d; can be cancelled: %v", c, n, b.Shows("credential"))
		}
	}
}

// TestTheReasonStaysInside: with each verb broken in turn, every page and form
// answers with a refusal in words, and the reason is in the log alone.
func TestTheReasonStaysInside(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"Account", "Usable", "Visits", "Record", "Names", "Mint", "Salt", "Revoke", "Session", "End", "UseOTP"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storetest.SQLite(t))
			m, s := w.open()
			b := w.signIn("olivia")
			w.faults.Break(verb)
			for _, path := range []string{"", "/live", "/record?before=9", "/record.jsonl"} {
				b.Get(templates.OwnerPath + path)
			}
			post(b, "/credentials", "form", "f", "policy", "support-pin", "scope.support-pin", "documents.read")
			post(b, "/end", "sid", s.ID)
			post(b, "/revoke", "credential", m.ID)
			post(b, "/revoke")
			fresh := signintest.NewBrowser(t, w.server.URL, &w.tape)
			for _, username := range []string{"uma", "vera"} {
				fresh.Get(templates.OwnerPath)
				fresh.Submit("username", "username", username, "password", signintest.Password)
				if fresh.Shows("code") {
					code, err := totp.GenerateCode(signintest.TOTP, w.clock.Now())
					if err != nil {
						t.Fatal(err)
					}
					fresh.Submit("code", "code", code)
				}
				if (verb == "Account" || verb == "UseOTP" && username == "vera") && fresh.Cookies()["owner"] != "" {
					t.Errorf("%s is let in", username)
				}
				fresh.SetCookie("owner", "")
			}
			if w.faults.Failed() == 0 {
				t.Fatal("the verb was not used: nothing is tested")
			}
			for _, a := range w.tape.All() {
				var head strings.Builder
				_ = a.Header.Write(&head)
				if strings.Contains(a.Body+head.String(), signintest.StoreMarker) || strings.Contains(a.Body, "10.1.2.3") {
					t.Errorf("%s %s shows the reason: %s", a.Method, a.URL, a.Text())
				}
				if a.Status == http.StatusInternalServerError {
					t.Errorf("%s %s: %s", a.Method, a.URL, a.Text())
				}
			}
			if !strings.Contains(w.log.String(), signintest.StoreMarker) {
				t.Error("the operator is not told the reason")
			}
		})
	}
}
