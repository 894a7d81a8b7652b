package signin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// TestRenew: the issuer is asked without a word to the person, and vouches for
// the proof that it had; or says nothing, and what there is goes on.
func TestRenew(t *testing.T) {
	t.Parallel()
	minute := int64(60)
	for _, c := range []struct {
		name      string
		change    func(h *house)
		errand    errand
		unrenewed int64 // 0: the proof is confirmed
		logged    string
	}{
		{name: "with a session there"},
		{name: "without one", change: func(h *house) { h.issuer.SignOut() }, unrenewed: 1},
		{name: "where consent is needed", change: func(h *house) {
			h.issuer.Set(func(b *signintest.Behaviour) { b.Silent = "consent_required" })
		}, unrenewed: 1},
		{name: "where the issuer says no", change: func(h *house) {
			h.issuer.Set(func(b *signintest.Behaviour) { b.Silent = "access_denied" })
		}, unrenewed: 1, logged: "declined"},
		{name: "where the issuer cannot", change: func(h *house) {
			h.issuer.Set(func(b *signintest.Behaviour) { b.Silent = "temporarily_unavailable" })
		}, unrenewed: 1, logged: "temporarily_unavailable"},
		{name: "where the code cannot be exchanged", change: func(h *house) {
			h.issuer.Set(func(b *signintest.Behaviour) { b.TokenDown = true })
		}, unrenewed: 1, logged: "token endpoint"},
		{name: "where the session there is older than wanted", errand: errand{MaxAge: &minute}, unrenewed: 1, logged: "did not ask"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b := h.browser()
			b.Get(h.agents.begin(b, errand{Name: "first", Again: true})) // by a proof that the issuer's whole seconds put earlier
			h.signedIn(b, "sam", "first")
			shown, proved := h.proof(b)
			h.clock.Add(8 * time.Minute)
			if c.change != nil {
				c.change(h)
			}
			before := len(h.issuer.Asked())
			c.errand.Name = "second"
			b.Get(h.agents.begin(b, c.errand) + "&renew=1")
			h.signedIn(b, "sam", "second")
			asked := h.issuer.Asked()[before:]
			if len(asked) != 1 || asked[0].Get("prompt") != "none" {
				t.Errorf("the issuer was asked %v, want once and silently", asked)
			}
			nowShown, nowProved := h.proof(b)
			if !nowShown.Equal(shown) {
				t.Errorf("the proof was of %s, and is of %s", shown, nowShown)
			}
			if renewed := nowProved.Equal(h.clock.Now()); renewed != (c.unrenewed == 0) || !renewed && !nowProved.Equal(proved) {
				t.Errorf("proved at %s, now %s; it is %s", proved, nowProved, h.clock.Now())
			}
			if n := h.agents.unrenewed.Load(); n != c.unrenewed {
				t.Errorf("not renewed %d times, want %d", n, c.unrenewed)
			}
			if log := h.log.String(); (log == "") != (c.logged == "") || !strings.Contains(log, c.logged) {
				t.Errorf("the log says %q, want %q", log, c.logged)
			}
		})
	}
}

// TestRenewNobody: where nobody can be asked, nothing is answered and the proof
// stays as good as it was.
func TestRenewNobody(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *house) errand{
		"a request that is too long": func(*house) errand { return errand{Name: "second", Fill: strings.Repeat("x", 5000)} },
		"an issuer that is down": func(h *house) errand {
			h.clock.Add(2 * time.Hour) // what was discovered is forgotten
			h.issuer.Set(func(b *signintest.Behaviour) { b.Down = true })
			return errand{Name: "second"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b := h.browser()
			b.Get(h.agents.begin(b, errand{Name: "first"}))
			asked := len(h.issuer.Asked())
			b.Get(h.agents.begin(b, change(h)) + "&renew=1")
			h.signedIn(b, "sam", "second")
			if len(h.issuer.Asked()) != asked || !strings.Contains(h.log.String(), "could not be renewed") {
				t.Errorf("asked %v, log %q", h.issuer.Asked()[asked:], h.log)
			}
		})
	}
}

// TestRenewSomebodyElse: the issuer's session may have become another person's.
// They get no credit for what the one before proved.
func TestRenewSomebodyElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.Get(h.agents.begin(b, errand{Again: true}))
	shown, _ := h.proof(b)
	h.clock.Add(-time.Hour) // that the other one's sign-in is an older one
	h.issuer.SignOut()
	h.issuer.Set(func(b *signintest.Behaviour) {
		b.Person = signintest.Sam()
		b.Person["sub"] = "erin"
	})
	b.Send(http.MethodGet, h.issuer.URL+"/authorize?response_type=code&code_challenge_method=S256&redirect_uri=http://x", nil)
	h.clock.Add(time.Hour + time.Minute)
	b.Get(h.agents.begin(b, errand{}) + "&renew=1")
	h.signedIn(b, "erin", "")
	if now, _ := h.proof(b); !now.Before(shown) {
		t.Errorf("erin's proof is of %s, sam's was of %s", now, shown)
	}
}

// TestRenewNotAllowed: whom the company has taken out of the staff is not let
// go on by what this browser remembers.
func TestRenewNotAllowed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.Get(h.agents.begin(b, errand{}))
	h.signedIn(b, "sam", "")
	h.issuer.Set(func(b *signintest.Behaviour) { b.Person = map[string]any{"sub": "sam", "groups": []string{"sales"}} })
	b.Get(h.agents.begin(b, errand{}) + "&renew=1")
	if b.Page.Status != http.StatusForbidden || !b.Page.Says("You are none of those.") || b.Cookies()["agent"] != "" {
		t.Errorf("%d %s, cookies %v", b.Page.Status, b.Page.Text(), b.Cookies())
	}
}
