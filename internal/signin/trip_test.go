package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// olivia owns an account at the issuer.
func olivia() map[string]any {
	return map[string]any{"sub": "olivia", "name": "Olivia Owner", "groups": []string{"support"}, "account_id": "acme"}
}

// travel goes to the issuer and returns the way back, not yet walked.
func (h *house) travel(b *signintest.Browser, at string) string {
	h.t.Helper()
	b.Get(at)
	if b.Callback == nil {
		h.t.Fatalf("nobody leaves for the issuer: %d %s", b.Page.Status, b.Page.Text())
	}
	answer := b.Send(http.MethodGet, h.issuer.URL+"/authorize?"+b.Callback.Encode(), nil)
	if answer.Status != http.StatusFound {
		h.t.Fatalf("the issuer says %d %s", answer.Status, answer.Body)
	}
	return answer.Header.Get("Location")
}

// TestSeveralTabs come back in any order, each to its own request.
func TestSeveralTabs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.waiting()
	second := first.Tab()
	one := h.travel(first, h.agents.begin(first, errand{Name: "one"}))
	two := h.travel(second, h.agents.begin(second, errand{Name: "two"}))
	again := h.travel(first, h.agents.begin(first, errand{Name: "one again"})) // the tab went there twice
	second.Get(two)
	h.signedIn(second, "sam", "two")
	first.Get(one)
	h.signedIn(first, "sam", "one")
	first.Get(again)
	h.signedIn(first, "sam", "one again")
}

// TestForeignWaysBack: the state is good in the browser that it was made in, at
// the door and for the connector that it was made for, for ten minutes.
func TestForeignWaysBack(t *testing.T) {
	t.Parallel()
	parse := func(way string) (*url.URL, url.Values) {
		u, err := url.Parse(way)
		if err != nil {
			t.Fatal(err)
		}
		return u, u.Query()
	}
	for name, walk := range map[string]func(h *house, b *signintest.Browser, way string) *signintest.Browser{
		"in another browser": func(h *house, _ *signintest.Browser, way string) *signintest.Browser {
			other := h.waiting()
			other.Get(h.agents.begin(other, errand{})) // has a secret of its own, and a trip under way
			other.Get(way)
			return other
		},
		"in a browser without a secret": func(h *house, _ *signintest.Browser, way string) *signintest.Browser {
			other := h.waiting()
			other.Get(way)
			return other
		},
		"after the browser was closed": func(_ *house, b *signintest.Browser, way string) *signintest.Browser {
			b.SetCookie("browser", "")
			b.Get(way)
			return b
		},
		"after ten minutes": func(h *house, b *signintest.Browser, way string) *signintest.Browser {
			h.clock.Add(10*time.Minute + 2*time.Second)
			b.Get(way)
			return b
		},
		"after its request came to nothing": func(h *house, b *signintest.Browser, way string) *signintest.Browser {
			h.agents.closed.Store(true)
			b.Get(way)
			return b
		},
		"by another connector's path": func(h *house, b *signintest.Browser, way string) *signintest.Browser {
			h.agents.Connectors = append(h.agents.Connectors, h.oidc("night", agentsPath))
			b.Get(strings.Replace(way, "/return/corp", "/return/night", 1))
			return b
		},
		"by an unknown connector's path": func(_ *house, b *signintest.Browser, way string) *signintest.Browser {
			b.Get(strings.Replace(way, "/return/corp", "/return/unknown", 1))
			return b
		},
		"after the connector was taken out": func(h *house, b *signintest.Browser, way string) *signintest.Browser {
			h.agents.Connectors = []connectors.Connector{h.oidc("night", agentsPath)}
			b.Get(way)
			return b
		},
		"at the owners' door": func(h *house, b *signintest.Browser, way string) *signintest.Browser {
			h.owners.Connectors = []connectors.Connector{h.oidc("corp", ownersPath)}
			b.Get(strings.Replace(way, agentsPath+"/return", ownersPath+"/return", 1))
			return b
		},
		"with a state that was changed": func(_ *house, b *signintest.Browser, way string) *signintest.Browser {
			u, q := parse(way)
			state := q.Get("state")
			q.Set("state", state[:len(state)-1]+string('A'+(state[len(state)-1]-'A'+4)%16))
			u.RawQuery = q.Encode()
			b.Get(u.String())
			return b
		},
		"with a state that was made up": func(_ *house, b *signintest.Browser, way string) *signintest.Browser {
			u, q := parse(way)
			q.Set("state", `{"c":"corp","n":"n","v":"v","a":0}`)
			u.RawQuery = q.Encode()
			b.Get(u.String())
			return b
		},
		"without a state": func(_ *house, b *signintest.Browser, way string) *signintest.Browser {
			u, q := parse(way)
			q.Del("state")
			u.RawQuery = q.Encode()
			b.Get(u.String())
			return b
		},
		"without a code": func(_ *house, b *signintest.Browser, way string) *signintest.Browser {
			u, q := parse(way)
			q.Del("code")
			u.RawQuery = q.Encode()
			b.Get(u.String())
			return b
		},
		"from another issuer": func(_ *house, b *signintest.Browser, way string) *signintest.Browser {
			u, q := parse(way)
			q.Set("iss", "https://elsewhere.example")
			u.RawQuery = q.Encode()
			b.Get(u.String())
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b := h.waiting()
			way := h.travel(b, h.agents.begin(b, errand{Name: "mine"}))
			h.lost(walk(h, b, way), name)
		})
	}
}

// TestTheOtherDoor: what owners were given at the issuer signs in no agent,
// although both go to the same issuer as the same client.
func TestTheOtherDoor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.issuer.Set(func(b *signintest.Behaviour) { b.Person = olivia() })
	b := h.waiting()
	way := h.travel(b, h.owners.begin(b, errand{}))
	h.agents.Connectors = []connectors.Connector{h.oidc("customers", agentsPath)}
	b.Get(strings.Replace(way, ownersPath+"/return", agentsPath+"/return", 1))
	h.lost(b, "the owners' state at the agents' door")
	b.Get(way)
	h.signedIn(b, "olivia", "")
}

// TestAnotherBrowserWithoutRequests: where people sign in for nothing in
// particular, the state alone keeps somebody from being signed in as whoever
// sent them a link.
func TestAnotherBrowserWithoutRequests(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.owners.plain = true
	h.issuer.Set(func(b *signintest.Behaviour) { b.Person = olivia() })
	b := h.waiting()
	b.Get(ownersPath)
	way := h.travel(b, ownersPath)
	other := h.waiting()
	other.Get(ownersPath)
	other.Get(way)
	h.lost(other, "a link that somebody sent")
	b.Get(way)
	h.signedIn(b, "olivia", "")
}

// TestReplay: a way back is walked once, as codes are good once.
func TestReplay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.waiting()
	way := h.travel(b, h.agents.begin(b, errand{Name: "mine"}))
	b.Get(way)
	h.signedIn(b, "sam", "mine")
	b.SetCookie("agent", "")
	h.agents.arrived.Store(0)
	b.Get(way)
	h.lost(b, "a second time")
}
