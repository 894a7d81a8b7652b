package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestASecondFactorWorksOnce: who looks over Sam's shoulder cannot use the
// code again, although its half minute is not over.
func TestASecondFactorWorksOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		try := func(code func() string) *browser {
			w := b.browser()
			w.open(b.authorize(b.docs()).url())
			w.submit(w.form("username", "password"), map[string]string{"username": sam.username, "password": staffPassword}, "")
			w.submit(w.form("code"), map[string]string{"code": code()}, "")
			return w
		}
		mistyped := func() string {
			code := b.totp(sam)
			return string('0'+(code[0]-'0'+5)%10) + code[1:]
		}
		if w := try(mistyped); w.callback != nil || w.shows("account", "pin") {
			t.Errorf("a wrong code gets on: %v %s", w.callback, w.page.text())
		}
		var seen string
		if w := try(func() string { seen = b.totp(sam); return seen }); !w.shows("account", "pin") {
			t.Fatalf("the right code does not get on: %s", w.page.text())
		}
		if w := try(func() string { return seen }); w.callback != nil || w.shows("account", "pin") {
			t.Errorf("a code gets on twice: %v %s", w.callback, w.page.text())
		}
	})
}

// TestOneUseUnderARace: everybody at the same time, and one gets in.
func TestOneUseUnderARace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		pin := b.pin("two-day-pin")
		ready := make([]*browser, agentCount)
		for i := range ready {
			ready[i] = b.browser()
			ready[i].open(b.authorize(b.docs()).url())
			ready[i].login(agent(i))
		}
		var together sync.WaitGroup
		for _, w := range ready {
			together.Go(func() { w.redeem(pin) })
		}
		together.Wait()
		won := 0
		for _, w := range ready {
			if w.shows("enter") {
				won++
			}
		}
		if won != 1 {
			t.Errorf("%d of %d agents opened a session with a one-use PIN at the same time, want 1", won, agentCount)
		}
	})
}

// TestAnAgentIsMadeToPause: five wrong PINs, over two accounts, and the right
// one has to wait; nobody else does.
func TestAnAgentIsMadeToPause(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		one := b.pin("support-pin")
		two := b.mint(mint{account: globex, policy: "support-pin"})
		for _, c := range []credential{one, one, one, two, two} {
			if b.attempt(dana, wrong(c)) {
				t.Fatal("a wrong PIN opens a session")
			}
		}
		w := b.browser()
		w.open(b.authorize(b.docs()).url())
		w.login(dana)
		if w.shows("account", "pin") {
			w.redeem(one)
		}
		if w.callback != nil || w.shows("enter") {
			t.Error("after five wrong tries the same agent gets in at once")
		}
		if text := strings.ToLower(w.page.text()); !strings.Contains(text, "minute") && !strings.Contains(text, "wait") {
			t.Errorf("the agent is not told to wait: %s", text)
		}
		if !b.attempt(agent(1), one) || !b.attempt(agent(1), two) {
			t.Error("another agent is refused because of the first one's tries")
		}
	})
}

// TestATicketMustBeNamed where the owner gave one; a wrong one costs nothing.
func TestATicketMustBeNamed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		pin := b.mint(mint{account: acme, policy: "support-pin", extra: map[string]any{"ticket": "NW-77"}})
		w := b.browser()
		v := b.authorize(b.docs())
		w.open(v.url())
		w.login(dana)
		w.redeem(pin) // its reason names another ticket
		if w.shows("enter") {
			t.Fatal("a session opens without its ticket")
		}
		if !strings.Contains(strings.ToLower(w.page.text()), "ticket") {
			t.Errorf("the page does not speak of the ticket: %s", w.page.text())
		}
		w.submit(w.form("account", "pin", "reason"), map[string]string{
			"account": pin.Handle, "pin": pin.PIN, "reason": " nw-77 ",
		}, "")
		if said := b.access(v.exchange(w.enter())); said.Support.Ticket != "NW-77" {
			t.Errorf("support.ticket is %q, want NW-77", said.Support.Ticket)
		}
	})
}

// TestAGuestIsNobodysAccount: what an app is told of a guest's email leads to
// no one.
func TestAGuestIsNobodysAccount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		for _, c := range []credential{login, b.pin("support-pin")} {
			answer := b.userinfo(b.session(dana, c).Access)
			var said struct {
				Email    string `json:"email"`
				Verified bool   `json:"email_verified"`
			}
			answer.decode(t, &said)
			if said.Verified || (said.Email != "" && said.Email != c.Email) {
				t.Errorf("userinfo of a %s: %s, want its own email (%q), unverified, or none", c.Kind, answer.body, c.Email)
			}
		}
	})
}

// TestAHintFillsTheForm with the account that the app knows.
func TestAHintFillsTheForm(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: globex, policy: "temporary-login"})
		for field, hint := range map[string]string{"account": acme.handle, "email": login.Email} {
			w := b.browser()
			w.open(b.authorize(b.docs(), "login_hint", hint).url())
			w.login(dana)
			if got := w.form(field, "reason").fields.Get(field); got != hint {
				t.Errorf("with login_hint=%s the form's %s is %q", hint, field, got)
			}
		}
	})
}

// TestCancellingEndsTheSession: who looks at the summary and goes back has
// used the PIN up, and left nothing open.
func TestCancellingEndsTheSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		w := b.browser()
		v := b.authorize(b.docs())
		w.open(v.url())
		w.login(dana)
		w.redeem(b.pin("support-pin"))
		kept, summary := w.page, w.form("enter")
		for _, f := range w.page.forms {
			if !f.has("enter") && f.method == http.MethodPost {
				w.submit(f, nil, "")
				break
			}
		}
		if w.callback.Get("error") != "access_denied" || w.callback.Get("state") != v.state {
			t.Fatalf("cancelling: %v, want access_denied at the app", w.callback)
		}
		w.page = kept // as by the browser's back button
		w.submit(summary, nil, "enter")
		if w.callback.Has("code") {
			t.Error("the summary enters after it was cancelled")
		}
	})
}
