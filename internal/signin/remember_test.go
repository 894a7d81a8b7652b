package signin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// TestRemembered: a proof is remembered in its browser, at its door, for its
// time, and while the rules that admitted the person still do.
func TestRemembered(t *testing.T) {
	t.Parallel()
	corp := func(h *house) *connectors.OIDC { return h.agents.Connectors[0].(*connectors.OIDC) }
	for _, c := range []struct {
		name   string
		change func(h *house, b *signintest.Browser) *signintest.Browser
		known  bool
	}{
		{"as it was", nil, true},
		{"at the end of its life", func(h *house, b *signintest.Browser) *signintest.Browser {
			h.clock.Add(8 * time.Hour)
			return b
		}, true},
		{"after its life", func(h *house, b *signintest.Browser) *signintest.Browser {
			h.clock.Add(8*time.Hour + time.Second)
			return b
		}, false},
		{"copied to another browser", func(h *house, b *signintest.Browser) *signintest.Browser {
			thief := h.waiting()
			thief.Get(agentsPath)
			thief.SetCookie("agent", b.Cookies()["agent"])
			return thief
		}, false},
		{"without the browser's secret", func(_ *house, b *signintest.Browser) *signintest.Browser {
			b.SetCookie("browser", "")
			return b
		}, false},
		{"cut", func(_ *house, b *signintest.Browser) *signintest.Browser {
			value := b.Cookies()["agent"]
			b.SetCookie("agent", value[:len(value)-4])
			return b
		}, false},
		{"the connector is gone", func(h *house, b *signintest.Browser) *signintest.Browser {
			h.agents.Connectors = []connectors.Connector{h.oidc("night", agentsPath)}
			return b
		}, false},
		{"the connector has become another issuer's", func(h *house, b *signintest.Browser) *signintest.Browser {
			corp(h).Issuer = "https://elsewhere.example"
			return b
		}, false},
		{"others may come in now", func(h *house, b *signintest.Browser) *signintest.Browser {
			corp(h).Allow = []credentials.ClaimRule{{Claim: "groups", Values: []string{"night"}}}
			return b
		}, false},
		{"more is asked for now", func(h *house, b *signintest.Browser) *signintest.Browser {
			corp(h).Allow = append(corp(h).Allow, credentials.ClaimRule{Claim: "country", Values: []string{"NO"}})
			return b
		}, false},
		{"more may come in now", func(h *house, b *signintest.Browser) *signintest.Browser {
			corp(h).Allow = []credentials.ClaimRule{{Claim: "groups", Values: []string{"night", "support"}}}
			return b
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b := signintest.NewBrowser(t, h.url(""), &h.tape, h.issuer.URL)
			b.Get(h.agents.begin(b, errand{Name: "first"}))
			h.signedIn(b, "sam", "first")
			if c.change != nil {
				b = c.change(h, b)
			}
			b.Sites = b.Sites[:1] // it stops at the way to the issuer
			b.Get(h.agents.begin(b, errand{Name: "second"}))
			if known := b.Callback == nil && b.Page.Says("sam for \"second\""); known != c.known || !c.known && b.Callback == nil {
				t.Errorf("known %v, want %v: %d %s", known, c.known, b.Page.Status, b.Page.Text())
			}
		})
	}
}

// TestTheOtherDoorsCookie: agents and owners are separate, even where the same
// person is both.
func TestTheOtherDoorsCookie(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.issuer.Set(func(b *signintest.Behaviour) { b.Person = olivia() })
	b := h.browser()
	b.Get(h.agents.begin(b, errand{}))
	h.signedIn(b, "olivia", "")
	b.SetCookie("owner", b.Cookies()["agent"])
	b.Sites = b.Sites[:1]
	b.Get(h.owners.begin(b, errand{}))
	if b.Callback == nil {
		t.Errorf("an agent is taken for an owner: %s", b.Page.Text())
	}
}

// TestIdle: who is not seen for a while is forgotten; being seen makes it no
// longer than a proof lives.
func TestIdle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.owners.Idle, h.owners.Life = 15*time.Minute, time.Hour
	h.issuer.Set(func(b *signintest.Behaviour) { b.Person = olivia() })
	b := h.browser()
	b.Get(h.owners.begin(b, errand{}))
	b.Sites = b.Sites[:1]
	known := func(query string) bool {
		b.Get(h.owners.begin(b, errand{}) + query)
		return b.Callback == nil && b.Page.Status == http.StatusOK
	}
	for minute := 14; minute < 60; minute += 14 {
		h.clock.Add(14 * time.Minute)
		value := b.Cookies()["owner"]
		if !known("&saw=1") {
			t.Fatalf("forgotten after %d minutes", minute)
		}
		if b.Cookies()["owner"] == value {
			t.Error("the cookie keeps its value")
		}
	}
	h.clock.Add(4 * time.Minute)
	if !known("&saw=1") {
		t.Error("forgotten within the hour")
	}
	h.clock.Add(time.Second)
	if known("") {
		t.Error("known after an hour")
	}
	b.Sites = append(b.Sites, h.issuer.URL)
	b.Get(h.owners.begin(b, errand{}))
	h.signedIn(b, "olivia", "")
	b.Sites = b.Sites[:1]
	h.clock.Add(14 * time.Minute)
	if !known("") { // it is looked at, and not seen
		t.Error("forgotten within 15 minutes")
	}
	h.clock.Add(2 * time.Minute)
	if known("") {
		t.Error("known after 16 minutes without being seen")
	}
}
