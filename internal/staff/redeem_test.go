package staff

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestNeutralAnswers: before a right secret every cause looks the same, up to
// the sealed and one-time values of the page; what was typed comes back except
// the secret.
func TestNeutralAnswers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	pin := h.mint(acme, "support-pin")
	revoked := h.mint(globex, "support-pin")
	if err := h.store.Revoke(t.Context(), globex.ID, revoked.ID, credentials.Mark{Who: "owner"}); err != nil {
		t.Fatal(err)
	}
	var want string
	for name, typed := range map[string][2]string{
		"a wrong PIN": {acme.Handle, other(pin)}, "an unknown account": {"XX-900", "123456"}, "a dead PIN": {globex.Handle, other(revoked)},
		"letters": {acme.Handle, "abcdef"},
	} {
		b := h.browser()
		b.open(h.app("docs"))
		b.login("dana")
		b.Submit("pin", "account", typed[0], "pin", typed[1], "reason", "why")
		_, fields := b.Form("pin")
		if b.Page.Status != http.StatusUnprocessableEntity || fields.Get("account") != typed[0] || fields.Get("reason") != "why" || fields.Get("pin") != "" {
			t.Errorf("%s: %d, the form has %v", name, b.Page.Status, fields)
		}
		got, _, _ := strings.Cut(b.Page.Text(), "Customer account")
		got = regexp.MustCompile(`[0-9]+ tr(ies|y)`).ReplaceAllString(got, "N tries")
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s says %q, another cause %q", name, got, want)
		}
	}
}

// other is a PIN that is not this one.
func other(m credentials.Minted) string {
	pin := m.Secret.Reveal()
	return string('0'+(pin[0]-'0'+1)%10) + pin[1:]
}

// TestOwnTriesUsedUp: the page says so and what to do; the form is shut until
// the pause is over, and a right PIN does not open anything either.
func TestOwnTriesUsedUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	b.login("dana")
	pin := h.mint(acme, "support-pin")
	page := b.Page
	for _, left := range []string{"4 tries", "3 tries", "2 tries", "1 try", "last try"} {
		b.Page = page
		b.Submit("pin", "account", "XX-900", "pin", other(pin))
		if !strings.Contains(b.Page.Text(), left) {
			t.Errorf("the page does not say %q: %s", left, b.Page.Text())
		}
	}
	b.Page = page
	b.redeem(acme, pin)
	if b.Page.Status != http.StatusTooManyRequests || !strings.Contains(b.Page.Text(), "ask the customer to make a new PIN") {
		t.Errorf("%d %s", b.Page.Status, b.Page.Text())
	}
	h.wantAll(map[credentials.Cause]int{})
	h.clock.Add(credentials.PauseWindow)
	pin = h.mint(acme, "support-pin")
	b.open(h.app("docs", "prompt", "login"))
	b.login("dana")
	b.redeem(acme, pin)
	if !b.Shows("enter") {
		t.Errorf("after the pause: %d %s", b.Page.Status, b.Page.Text())
	}
}

// TestCausesAfterARightSecret are told, since only who has it sees them.
func TestCausesAfterARightSecret(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	b.login("dana")
	ticket := h.mint(acme, "support-pin", func(r *credentials.MintRequest) { r.Ticket = "T-9" })
	b.redeem(acme, ticket)
	if b.Page.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Page.Text(), "named a ticket") {
		t.Errorf("without the ticket: %d %s", b.Page.Status, b.Page.Text())
	}
	b.Submit("pin", "account", acme.Handle, "pin", ticket.Secret.Reveal(), "reason", " it is t-9 ")
	if !b.Shows("enter") {
		t.Errorf("with the ticket: %d %s", b.Page.Status, b.Page.Text())
	}
	login := h.mint(globex, "temporary-login")
	for _, c := range []struct {
		says string
		do   func()
	}{
		{"did not match", func() { // the verifier is gone: nobody can have the right secret any more
			if err := h.store.Revoke(t.Context(), globex.ID, login.ID, credentials.Mark{Who: "owner"}); err != nil {
				t.Fatal(err)
			}
		}},
		{"has expired", func() { login = h.mint(globex, "temporary-login"); h.clock.Add(4*time.Hour + time.Second) }},
	} {
		c.do()
		b := h.browser()
		b.open(h.app("docs"))
		b.login("dana")
		b.redeem(globex, login)
		if b.Page.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Page.Text(), c.says) {
			t.Errorf("want %q: %d %s", c.says, b.Page.Status, b.Page.Text())
		}
	}
}

// TestSuspension: the agent loses session, cookie and way in at once.
func TestSuspension(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b, waiting := h.browser(), h.browser()
	pin := h.mint(globex, "support-pin")
	waiting.open(h.app("docs"))
	waiting.login("dana")
	got := b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	agent := *h.session(got.SID).Agent
	if err := h.store.Suspend(t.Context(), agent.Key(), true, credentials.Mark{Who: "operator"}); err != nil {
		t.Fatal(err)
	}
	if s := h.session(got.SID); s.Cause != credentials.CauseOperator {
		t.Errorf("the session: %q", s.Cause)
	}
	b.open(h.app("files", "prompt", "none"))
	if b.Callback.Get("error") != "login_required" {
		t.Errorf("without asking: %v", b.Callback)
	}
	waiting.redeem(globex, pin)
	if waiting.Page.Status != http.StatusForbidden || waiting.Cookies()["agent"] != "" {
		t.Errorf("a form that was shown before: %d %s", waiting.Page.Status, waiting.Page.Text())
	}
	b.open(h.app("files"))
	if b.Page.Status != http.StatusForbidden || !strings.Contains(b.Page.Text(), "suspended") {
		t.Errorf("the next page: %d %s", b.Page.Status, b.Page.Text())
	}
	if left := b.Cookies(); left["agent"] != "" || left["session"] != "" {
		t.Errorf("the browser keeps %v", left)
	}
	b.open(h.app("files"))
	action, fields := b.Form("username")
	fields.Set("username", "dana")
	fields.Set("password", staffPassword)
	if got := b.Send(http.MethodPost, action, fields); got.Status != http.StatusForbidden {
		t.Errorf("signing in: %d, want a refusal at once", got.Status)
	}
	b.login("dana")
	if b.Page.Status != http.StatusForbidden || b.Cookies()["agent"] != "" {
		t.Errorf("signing in: %d %s", b.Page.Status, b.Page.Text())
	}
	if err := h.store.Suspend(t.Context(), agent.Key(), false, credentials.Mark{Who: "operator"}); err != nil {
		t.Fatal(err)
	}
	b.open(h.app("files"))
	b.login("dana")
	b.redeem(globex, pin)
	if !b.Shows("enter") {
		t.Errorf("once it is lifted: %d %s", b.Page.Status, b.Page.Text())
	}
}

// TestHolder: whoever has the email and password needs no sign-in where the
// credential says so, and only there.
func TestHolder(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b, v := h.browser(), h.app("docs")
	b.open(v)
	b.redeem(acme, h.mint(acme, "temporary-login"))
	if b.Page.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Page.Text(), "did not match") {
		t.Errorf("a login that needs an agent: %d %s", b.Page.Status, b.Page.Text())
	}
	b.redeem(acme, h.mint(acme, "holder-login"))
	if strings.Contains(b.Page.Text(), "Local people") {
		t.Errorf("the summary names an agent: %s", b.Page.Text())
	}
	b.Submit("enter")
	first := v.exchange(b)
	if first.Act != nil || first.AuthTime != h.clock.Now().Unix() {
		t.Errorf("the ID token says %+v", first)
	}
	second := h.app("files")
	b.open(second)
	if got := second.exchange(b); got.SID != first.SID {
		t.Errorf("a second app: %+v, want %s", got, first.SID)
	}
	b.open(h.app("files", "prompt", "login"))
	if b.Callback != nil || !b.Shows("email") {
		t.Errorf("prompt=login: %v %s", b.Callback, b.Page.Text())
	}
	// A PIN always names an agent.
	action, fields := b.Form("email")
	fields.Del("email")
	fields.Del("password")
	fields.Set("account", acme.Handle)
	fields.Set("pin", h.mint(acme, "support-pin").Secret.Reveal())
	if b.Visit(http.MethodPost, action, fields); b.Page.Status != http.StatusUnprocessableEntity || !b.Shows("username") {
		t.Errorf("a PIN without an agent: %d %s", b.Page.Status, b.Page.Text())
	}
}

// TestNoHolders: where no policy lets holders in, there is no form for them.
func TestNoHolders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	login := h.mint(acme, "holder-login")
	b := h.browser()
	b.open(h.app("docs"))
	action, fields := b.Form("email")
	h.handler.Holder = false
	b.open(h.app("docs"))
	if b.Shows("email") {
		t.Error("the form is shown")
	}
	fields.Set("email", login.Email)
	fields.Set("password", login.Secret.Reveal())
	if b.Visit(http.MethodPost, action, fields); b.Shows("enter") {
		t.Error("the form is taken")
	}
}
