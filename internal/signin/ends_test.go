package signin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// TestANewProof: whoever must prove themselves again is not sent in circles by
// an issuer that counts whole seconds, and is not let in by one that did not ask
// them.
func TestANewProof(t *testing.T) {
	t.Parallel()
	zero, minute := int64(0), int64(60)
	for _, c := range []struct {
		name   string
		does   signintest.Behaviour
		errand errand
		wait   time.Duration // between the person's sign-in at the issuer and the question
		status int
		fresh  bool // the proof is as new as the question
	}{
		{"whole seconds", signintest.Behaviour{}, errand{Again: true}, time.Hour, http.StatusOK, true},
		{"the same second", signintest.Behaviour{}, errand{Again: true}, 0, http.StatusOK, true},
		{"max_age=0", signintest.Behaviour{}, errand{Again: true, MaxAge: &zero}, time.Hour, http.StatusOK, true},
		{"one that ignores it", signintest.Behaviour{IgnoresLogin: true}, errand{Again: true}, time.Hour, http.StatusForbidden, false},
		{"one that ignores max_age=0", signintest.Behaviour{IgnoresLogin: true}, errand{Again: true, MaxAge: &zero}, time.Hour, http.StatusForbidden, false},
		{"one that ignores max_age", signintest.Behaviour{IgnoresLogin: true}, errand{MaxAge: &minute}, time.Hour, http.StatusForbidden, false},
		{"one that ignores it and does not say", signintest.Behaviour{IgnoresLogin: true, Mute: true}, errand{Again: true}, time.Hour, http.StatusOK, true},
		{"new enough", signintest.Behaviour{}, errand{MaxAge: &minute}, 30 * time.Second, http.StatusOK, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b := h.browser()
			now := h.clock.Now()
			h.clock.Add(now.Truncate(time.Second).Add(1900 * time.Millisecond).Sub(now)) // late in a second
			b.Get(h.agents.begin(b, errand{}))
			first, _ := h.proof(b)
			h.issuer.Set(func(b *signintest.Behaviour) { *b = c.does })
			h.clock.Add(c.wait)
			asked := h.clock.Now()
			b.Get(h.agents.begin(b, c.errand) + "&ask=1")
			if b.Page.Status != c.status {
				t.Fatalf("%d %s, want %d", b.Page.Status, b.Page.Text(), c.status)
			}
			if c.status != http.StatusOK {
				if n := h.agents.arrived.Load(); n != 1 || !b.Page.Says("did not ask you for one") {
					t.Errorf("%d arrivals; %s", n, b.Page.Text())
				}
				return
			}
			now, proved := h.proof(b)
			if c.fresh && now.Before(asked) || now.After(proved) {
				t.Errorf("asked at %s, the proof is of %s, proved %s", asked, now, proved)
			}
			if !c.fresh && !now.Equal(first) {
				t.Errorf("the proof was of %s, and is of %s", first, now)
			}
		})
	}
}

// TestHowItEnds: each way in which an issuer sends somebody back without a
// proof has a page of its own, which leads nowhere by itself.
func TestHowItEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		does   signintest.Behaviour
		status int
		says   string
		logged string // level: what anybody can make up is no ERROR
	}{
		{"declined", signintest.Behaviour{Error: "access_denied"}, http.StatusOK, "You did not sign in at Northwind SSO", ""},
		{"interaction", signintest.Behaviour{Error: "interaction_required"}, http.StatusOK, "You did not sign in at Northwind SSO", ""},
		{"another error", signintest.Behaviour{Error: "server_error"}, http.StatusServiceUnavailable, "Northwind SSO cannot be reached", "WARN"},
		{"an error of its own", signintest.Behaviour{Error: signintest.Marker}, http.StatusServiceUnavailable, "Northwind SSO cannot be reached", "WARN"},
		{"a wrong secret", signintest.Behaviour{TokenError: "invalid_client"}, http.StatusServiceUnavailable, "Sign-in with Northwind SSO is set up wrongly", "ERROR"},
		{"no client of it", signintest.Behaviour{Error: "unauthorized_client"}, http.StatusServiceUnavailable, "Sign-in with Northwind SSO is set up wrongly", "WARN"},
		{"no good request", signintest.Behaviour{TokenError: "invalid_request"}, http.StatusServiceUnavailable, "Northwind SSO cannot be reached", "WARN"},
		{"down", signintest.Behaviour{Down: true}, http.StatusServiceUnavailable, "Northwind SSO cannot be reached", "ERROR"},
		{"half down", signintest.Behaviour{TokenDown: true}, http.StatusServiceUnavailable, "Northwind SSO cannot be reached", "ERROR"},
		{"not allowed", signintest.Behaviour{Person: map[string]any{"sub": "otto", "groups": "sales"}}, http.StatusForbidden, "You are none of those.", "WARN"},
		{"nobody", signintest.Behaviour{Person: map[string]any{"sub": ""}}, http.StatusServiceUnavailable, "Northwind SSO cannot be reached", "ERROR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.issuer.Set(func(b *signintest.Behaviour) { *b = c.does })
			b := h.browser()
			b.Get(h.agents.begin(b, errand{}))
			if b.Page.Status != c.status || !b.Page.Says(c.says) || b.Cookies()["agent"] != "" {
				t.Errorf("%d %s", b.Page.Status, b.Page.Text())
			}
			if c.status == http.StatusOK && b.Links()["Continue with Northwind SSO"] == "" {
				t.Errorf("there is no way to try again: %v", b.Links())
			}
			for _, a := range h.tape.All() {
				if strings.HasPrefix(a.URL, h.url("")) && strings.Contains(a.Body+a.Header.Get("Location"), signintest.Marker) {
					t.Errorf("%s shows what the issuer said: %s", a.URL, a.Body)
				}
			}
			if log := h.log.String(); (log != "") != (c.logged != "") || strings.Count(log, "level="+c.logged) != strings.Count(log, "level=") {
				t.Errorf("the log has %q", log)
			}
		})
	}
}

// TestAClientThatTheIssuerRefuses: the operator reads which, by what, and what to do.
func TestAClientThatTheIssuerRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.issuer.Set(func(b *signintest.Behaviour) { b.TokenError = "invalid_client" })
	b := h.browser()
	b.Get(h.agents.begin(b, errand{}))
	if !b.Page.Says("Tell whoever runs this sign-in") || b.Page.Says("invalid_client") {
		t.Errorf("the page says %s", b.Page.Text())
	}
	for _, want := range []string{"connector=corp", "invalid_client", "client_secret", "redirect URI"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log does not have %q: %s", want, h.log)
		}
	}
}

// TestTheClaimThatKeepsSomebodyOut is what an operator looks for who has mistyped
// it; what it says of the person is not for the log.
func TestTheClaimThatKeepsSomebodyOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		person map[string]any
		want   string
	}{
		"another value": {map[string]any{"sub": "otto", "groups": "sales"}, `has none of the values that allow names`},
		"no claim":      {map[string]any{"sub": "otto"}, `the issuer says no claim`},
		"an object":     {map[string]any{"sub": "otto", "groups": map[string]any{"sales": true}}, `the issuer says no claim`},
	} {
		h := newHouse(t)
		h.issuer.Set(func(b *signintest.Behaviour) { b.Person = c.person })
		b := h.browser()
		b.Get(h.agents.begin(b, errand{}))
		log := h.log.String()
		if b.Page.Status != http.StatusForbidden || !strings.Contains(log, c.want) || !strings.Contains(log, "groups") {
			t.Errorf("%s: %d, the log has %q, want %q", name, b.Page.Status, log, c.want)
		}
		if strings.Contains(log, "sales") || strings.Contains(log, "otto") {
			t.Errorf("%s: the log tells of the person: %q", name, log)
		}
	}
}

// TestNoAccount: an owner whose claims name none is told so, and the operator.
func TestNoAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.Get(h.owners.begin(b, errand{}))
	if b.Page.Status != http.StatusForbidden || !b.Page.Says("does not say which account is yours") || b.Cookies()["owner"] != "" {
		t.Errorf("%d %s", b.Page.Status, b.Page.Text())
	}
	if !strings.Contains(h.log.String(), "names no account") {
		t.Errorf("the log has %q", h.log)
	}
}

// TestLongRequests are refused in words where they cannot be carried to an
// issuer and back; what fits is carried whole.
func TestLongRequests(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.Get(h.agents.begin(b, errand{Name: "long", Fill: strings.Repeat("x", 2500)}))
	h.signedIn(b, "sam", "long")
	b = h.browser()
	b.Get(h.agents.begin(b, errand{Name: "too long", Fill: strings.Repeat("x", 5000)}))
	if b.Page.Status != http.StatusBadRequest || !b.Page.Says("too much to be carried") {
		t.Errorf("%d %s", b.Page.Status, b.Page.Text())
	}
	for _, a := range h.tape.All() {
		if len(a.Header.Get("Location")) > 8000 {
			t.Errorf("an address of %d characters", len(a.Header.Get("Location")))
		}
	}
}
