package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// attempt signs an agent in with a fresh browser, tries a credential, and
// reports whether it opened a session.
func (b *broker) attempt(who person, c credential) bool {
	b.t.Helper()
	w := b.browser()
	w.open(b.authorize(b.docs()).url())
	w.login(who)
	w.redeem(c)
	return w.shows("enter")
}

// wrong is the same credential with a PIN that is not the right one.
func wrong(c credential) credential {
	last := c.PIN[len(c.PIN)-1]
	c.PIN = c.PIN[:len(c.PIN)-1] + string('0'+(last-'0'+1)%10)
	return c
}

func within(t *testing.T, c credential, want time.Duration) {
	t.Helper()
	if left := time.Until(c.RedeemBy); left > want || left < want-patience {
		t.Errorf("redeem_by is in %v, want %v", left, want)
	}
}

var digits = regexp.MustCompile(`^[0-9]+$`)

func TestSupportPIN(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		pin := b.pin("support-pin")
		if len(pin.PIN) != 6 || !digits.MatchString(pin.PIN) {
			t.Errorf("a support PIN has %d characters, want 6 digits", len(pin.PIN))
		}
		within(t, pin, 15*time.Minute)
		if !b.attempt(dana, pin) {
			t.Fatal("the right PIN is refused")
		}
		if b.attempt(agent(1), pin) {
			t.Error("one use: it opens a second session")
		}
		if b.attempt(agent(2), wrong(pin)) {
			t.Error("a wrong PIN opens a session")
		}
		if answer := b.tryMint(mint{account: acme, policy: "support-pin", owner: ash}); answer.status != http.StatusForbidden {
			t.Errorf("an authorised user mints what is for owners and admins: %d %s, want 403", answer.status, answer.body)
		}
	})
}

func TestSupportPINIsBurnedByWrongTries(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		pin := b.pin("support-pin")
		bad := wrong(pin)
		// By two agents, since a single one would be made to pause.
		for i, who := range []person{dana, dana, dana, agent(1), agent(1)} {
			if b.attempt(who, bad) {
				t.Fatalf("wrong try %d opens a session", i+1)
			}
		}
		if b.attempt(agent(2), pin) {
			t.Error("after five wrong tries the right PIN still opens a session")
		}
		if next := b.pin("support-pin"); !b.attempt(agent(3), next) {
			t.Error("a new PIN is refused after the old one burned")
		}
	})
}

func TestTwoDayPIN(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		first := b.mint(mint{account: acme, policy: "two-day-pin", owner: ash})
		within(t, first, 48*time.Hour)
		second := b.mint(mint{account: acme, policy: "two-day-pin"})
		if first.PIN == second.PIN {
			t.Error("the new PIN is the old one")
		}
		if b.attempt(dana, first) {
			t.Error("the replaced PIN opens a session")
		}
		running := b.session(agent(1), second)
		third := b.mint(mint{account: acme, policy: "two-day-pin"})
		b.wantAlive("replacing a PIN that is in use", running)
		if b.attempt(agent(2), second) {
			t.Error("one session per PIN: it opens a second")
		}
		b.revoke(second)
		b.wantDead("revoking the PIN of a running session", running)
		if !b.attempt(agent(2), third) {
			t.Error("revoking one PIN kills another")
		}
	})
}

func TestPhonePIN(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		kims := b.mint(mint{account: acme, policy: "phone-pin", owner: kim})
		ashs := b.mint(mint{account: acme, policy: "phone-pin", owner: ash})
		if len(kims.PIN) != 4 || !digits.MatchString(kims.PIN) {
			t.Errorf("a phone PIN has %d characters, want 4 digits", len(kims.PIN))
		}
		within(t, kims, 90*time.Minute)

		w := b.browser()
		v := b.authorize(b.docs())
		w.open(v.url())
		w.login(dana)
		w.redeem(ashs)
		if page := w.page.text(); !strings.Contains(page, ash.name) || strings.Contains(page, kim.name) {
			t.Errorf("support must be shown the contact %s and nobody else: %s", ash.name, page)
		}
		said := b.access(v.exchange(w.enter()))
		contact, _ := said.Support.Contact.(string)
		if object, ok := said.Support.Contact.(map[string]any); ok {
			contact, _ = object["name"].(string)
		}
		if contact != ash.name {
			t.Errorf("support.contact is %v, want %s", said.Support.Contact, ash.name)
		}

		// Three tries, and no more than two by one agent before a pause.
		bad := wrong(kims)
		for i, who := range []person{agent(1), agent(1), agent(2)} {
			if b.attempt(who, bad) {
				t.Fatalf("wrong try %d opens a session", i+1)
			}
		}
		if b.attempt(agent(3), kims) {
			t.Error("after three wrong tries the right PIN still opens a session")
		}
	})
}

func TestTemporaryLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: acme, policy: "temporary-login", extra: map[string]any{"redeem_within": "24h"}})
		within(t, login, 24*time.Hour)
		if !strings.HasSuffix(login.Email, "@support.northwind.example") || len(login.Password) < 20 {
			t.Errorf("a temporary login is %q with a password of %d characters", login.Email, len(login.Password))
		}
		second := b.mint(mint{account: acme, policy: "temporary-login"})
		within(t, second, 4*time.Hour)
		if answer := b.tryMint(mint{account: acme, policy: "temporary-login", extra: map[string]any{"redeem_within": "5h"}}); answer.status != http.StatusUnprocessableEntity {
			t.Errorf("a validity that is no choice: %d %s, want 422", answer.status, answer.body)
		}

		bad := login
		bad.Password = second.Password
		if b.attempt(dana, bad) {
			t.Error("another login's password opens a session")
		}
		visits := []tokens{b.session(dana, login), b.session(dana, login), b.session(agent(1), login)}
		kept := b.session(agent(2), second)
		said := []claims{b.access(visits[0]), b.access(visits[1]), b.access(visits[2])}
		if said[0].Subject != said[1].Subject || said[0].SID == said[1].SID {
			t.Errorf("two sign-ins of one agent are subjects %q and %q in sessions %q and %q: want one subject, two sessions",
				said[0].Subject, said[1].Subject, said[0].SID, said[1].SID)
		}
		if said[0].Subject == said[2].Subject {
			t.Error("two agents are the same guest")
		}
		b.revoke(login)
		for _, got := range visits {
			b.wantDead("revoking the login", got)
		}
		if b.attempt(agent(3), login) {
			t.Error("the revoked login opens a session")
		}
		b.wantAlive("revoking another login", kept)
	})
}

func TestRevokingEverything(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		pin := b.pin("support-pin")
		elsewhere := b.session(dana, b.mint(mint{account: globex, policy: "support-pin"}))
		got := b.session(agent(1), login)
		if answer := b.api(b.settings(), http.MethodDelete, acme.path()+"/credentials", nil); answer.status != http.StatusNoContent {
			t.Fatalf("revoking all: %d %s, want 204", answer.status, answer.body)
		}
		b.wantDead("revoking all", got)
		if b.attempt(agent(2), login) || b.attempt(agent(3), pin) {
			t.Error("a revoked credential opens a session")
		}
		b.wantAlive("revoking all of another account", elsewhere)
	})
}

func TestEndsByItself(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		w := b.browser()
		w.open(b.authorize(b.docs()).url())
		w.login(dana)
		pin := b.pin("quick-pin")
		until(pin.RedeemBy)
		w.redeem(pin)
		if w.shows("enter") {
			t.Error("a PIN opens a session after its redeem_by")
		}

		w = b.browser()
		v := b.authorize(b.docs())
		w.open(v.url())
		w.login(dana)
		login := b.mint(mint{account: acme, policy: "quick-login"})
		w.redeem(login)
		got := v.exchange(w.enter())
		said := b.access(got)
		if end := login.RedeemBy; said.Support.EndsAt.After(end) || said.Expires > end.Unix()+1 {
			t.Errorf("a session of a login until %v ends at %v, its token at %d", end, said.Support.EndsAt, said.Expires)
		}
		until(said.Support.EndsAt)
		b.wantDead("after the session's end", got)
		until(login.RedeemBy) // ends_at is in whole seconds, and may be a little earlier
		if b.attempt(agent(1), login) {
			t.Error("a login opens a session after its redeem_by")
		}
	})
}
