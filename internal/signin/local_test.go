package signin_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// withLocal adds people of the house's own to both doors, under the same id:
// dana, and erin with a second factor.
func withLocal(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	kept, err := store.Open(t.Context(), store.Options{DSN: storetest.SQLite(t), Secrets: h.keys, Migrate: true, Now: h.clock.Now,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kept.Close)
	for _, p := range []*population{h.agents, h.owners} {
		local := &connectors.Local{ID: "local", Name: "Local people", Issuer: h.url(""), Hasher: credentials.NewHasher(h.keys.Pepper()),
			Tries: &connectors.Tries{Now: h.clock.Now}, OTP: kept, Now: h.clock.Now}
		for _, person := range []connectors.Person{{Username: "dana"}, {Username: "erin", TOTP: signintest.TOTP}, {Username: "otto"}} {
			person.PasswordHash, person.Claims = signintest.PasswordHash, map[string][]string{"groups": {"support"}}
			if person.Username == "otto" {
				person.Claims = nil
			}
			if p == h.owners {
				person.Account = credentials.Account{ID: "acme"}
			}
			local.People = append(local.People, person)
		}
		local.Allow = []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}}
		p.Connectors = append(p.Connectors, local)
	}
	return h
}

func (h *house) otp() string {
	h.t.Helper()
	code, err := totp.GenerateCode(signintest.TOTP, h.clock.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

// TestLocalPeople sign in beside an issuer, by a choice; the one door's half of
// a sign-in is nothing at the other.
func TestLocalPeople(t *testing.T) {
	t.Parallel()
	h := withLocal(t)
	for _, p := range []*population{h.agents, h.owners} {
		b := h.waiting()
		b.Get(p.begin(b, errand{Name: "mine"}))
		if b.Callback != nil || b.Shows("username") || len(b.Links()) < 2 {
			t.Fatalf("there is no choice: %s", b.Page.Text())
		}
		b.Get(b.Links()["Continue with Local people"])
		form := b.Page
		b.Submit("username", "username", "dana", "password", "wrong")
		if b.Page.Status != http.StatusUnprocessableEntity || !b.Shows("username") {
			t.Errorf("a wrong password: %d %s", b.Page.Status, b.Page.Text())
		}
		b.Page = form
		b.Submit("username", "username", "otto", "password", signintest.Password)
		if b.Page.Status != http.StatusForbidden || !b.Page.Says("You are none of those.") {
			t.Errorf("somebody who may not: %d %s", b.Page.Status, b.Page.Text())
		}
		b.Page = form
		b.Submit("username", "connector", "corp", "username", "dana", "password", signintest.Password)
		if b.Page.Status != http.StatusOK || p.arrived.Load() != 0 {
			t.Errorf("by a connector that has no passwords: %d %s", b.Page.Status, b.Page.Text())
		}
		b.Page = form
		b.Submit("username", "username", "dana", "password", signintest.Password)
		h.signedIn(b, "local:dana", "mine")
		b.Get(p.begin(b, errand{}) + "&renew=1")
		if h.signedIn(b, "local:dana", ""); len(h.issuer.Asked()) != 0 {
			t.Errorf("an issuer is asked about local people: %v", h.issuer.Asked())
		}
	}
}

// TestHalfASignIn is bound to its browser, its door and five minutes.
func TestHalfASignIn(t *testing.T) {
	t.Parallel()
	h := withLocal(t)
	half := func(p *population, b *signintest.Browser) *signintest.Browser {
		b.Get(p.begin(b, errand{Name: "mine"}) + "&connector=local")
		b.Submit("username", "username", "erin", "password", signintest.Password)
		if !b.Shows("code") {
			t.Fatalf("no code is asked for: %s", b.Page.Text())
		}
		return b
	}
	proof := func(b *signintest.Browser) string {
		_, fields := b.Form("code")
		return fields.Get("proof")
	}
	for name, change := range map[string]func(b *signintest.Browser) string{
		"another browser's": func(*signintest.Browser) string { return proof(half(h.agents, h.waiting())) },
		"the other door's":  func(b *signintest.Browser) string { return proof(half(h.owners, b.Tab())) },
		"no":                func(*signintest.Browser) string { return "" },
		"an old": func(b *signintest.Browser) string {
			h.clock.Add(5*time.Minute + time.Second)
			return proof(b)
		},
	} {
		b := half(h.agents, h.waiting())
		b.Submit("code", "proof", change(b), "code", h.otp())
		if b.Page.Status != http.StatusUnprocessableEntity || !b.Page.Says("took too long") || h.agents.arrived.Load() != 0 {
			t.Errorf("%s proof: %d %s", name, b.Page.Status, b.Page.Text())
		}
	}
	b := half(h.agents, h.waiting())
	h.agents.Connectors = h.agents.Connectors[:1]
	b.Submit("code", "code", h.otp())
	if b.Page.Status != http.StatusUnprocessableEntity || h.agents.arrived.Load() != 0 {
		t.Errorf("after the connector was taken out: %d %s", b.Page.Status, b.Page.Text())
	}
	b = half(h.owners, h.waiting())
	b.Submit("code", "code", strings.Repeat("0", 7))
	if b.Page.Status != http.StatusUnprocessableEntity || !b.Shows("code") {
		t.Errorf("a wrong code: %d %s", b.Page.Status, b.Page.Text())
	}
	b.Submit("code", "code", h.otp())
	h.signedIn(b, "local:erin", "mine")
}
