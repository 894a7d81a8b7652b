package staff

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// corp lets agents sign in at an issuer, by connectors of these ids and no other
// way.
func (h *house) corp(ids ...string) *signintest.Issuer {
	h.t.Helper()
	issuer := signintest.NewIssuer(h.t, h.clock.Now)
	h.handler.Holder = false
	h.handler.Door.Connectors = nil
	for _, id := range ids {
		h.handler.Door.Connectors = append(h.handler.Door.Connectors, &connectors.OIDC{ID: id, Name: "Northwind " + id, Issuer: issuer.URL,
			ClientID: "valetkey", ClientSecret: credentials.NewSecret("x"), Scopes: []string{"openid"}, MaxAge: 15 * time.Minute, Now: h.clock.Now,
			RedirectURI: h.server.URL + signin.ReturnPath(h.handler.Door.Path, id), Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}}})
	}
	return issuer
}

// as makes the issuer sign in somebody else from now on.
func as(issuer *signintest.Issuer, subject string) {
	issuer.SignOut()
	issuer.Set(func(b *signintest.Behaviour) {
		b.Person = signintest.Sam()
		b.Person["sub"], b.Person["name"] = subject, subject
	})
}

// TestOneCompany: the agent comes to the form without having been asked
// anything here, and the app learns who vouches for them.
func TestOneCompany(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	issuer := h.corp("corp")
	b, v := h.browser(issuer.URL), h.app("docs")
	b.open(v)
	if !b.Shows("pin") || !b.Page.Says("Sam Rivera") {
		t.Fatalf("the agent is asked something: %s", b.Page.Text())
	}
	b.redeem(acme, h.mint(acme, "support-pin"))
	b.Submit("enter")
	if got := v.exchange(b); got.Act == nil || got.Act.Sub != "sam" {
		t.Errorf("the ID token says %+v", got)
	}
	if len(issuer.Asked()) != 1 {
		t.Errorf("the issuer was asked %d times", len(issuer.Asked()))
	}
}

// TestWaysToSignIn: one company leads away at once, several are a choice, and
// the form of holders keeps the page.
func TestWaysToSignIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ids    []string
		holder bool
		links  int
	}{
		"one": {[]string{"corp"}, false, 0}, "two": {[]string{"corp", "night"}, false, 2}, "one and holders": {[]string{"corp"}, true, 1},
	} {
		h := newHouse(t)
		issuer := h.corp(c.ids...)
		h.handler.Holder = c.holder
		b := h.browser()
		b.open(h.app("docs"))
		if left := b.Callback != nil; left != (c.links == 0) || !left && strings.Count(b.Page.Body, "Continue with") != c.links || b.Shows("email") != c.holder {
			t.Errorf("%s: left %v for %d ways: %s", name, left, c.links, b.Page.Text())
		}
		if c.links > 0 {
			b.Sites = append(b.Sites, issuer.URL)
			b.Get(b.Links()["Continue with Northwind corp"])
			if !b.Shows("pin") {
				t.Errorf("%s: by name: %s", name, b.Page.Text())
			}
		}
	}
}

// TestRenewedBeforeTheForm: an agent who has worked for a while is vouched for
// again without a word, once a page, and redeems with that.
func TestRenewedBeforeTheForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(i *signintest.Issuer)
		wait    time.Duration // before the form is opened
		prompts string        // what the issuer was asked then
		redeems bool          // seven and a half minutes later
	}{
		{"in its first half", func(*signintest.Issuer) {}, 7 * time.Minute, "", true},
		{"in its second half", func(*signintest.Issuer) {}, 8 * time.Minute, "none", true},
		{"too old", func(*signintest.Issuer) {}, 20 * time.Minute, "none", true},
		{"without a session there", func(i *signintest.Issuer) { i.SignOut() }, 8 * time.Minute, "none", false},
		{"without one, too old", func(i *signintest.Issuer) { i.SignOut() }, 20 * time.Minute, "none ", true},
		{"from an issuer that cannot", func(i *signintest.Issuer) {
			i.Set(func(b *signintest.Behaviour) { b.Silent = "temporarily_unavailable" })
		}, 8 * time.Minute, "none", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			issuer := h.corp("corp")
			b := h.browser(issuer.URL)
			b.open(h.app("docs"))
			h.clock.Add(c.wait)
			c.change(issuer)
			before := len(issuer.Asked())
			v := h.app("docs")
			b.open(v)
			if !b.Shows("pin") {
				t.Fatalf("%d %s", b.Page.Status, b.Page.Text())
			}
			var prompts []string
			for _, asked := range issuer.Asked()[before:] {
				prompts = append(prompts, asked.Get("prompt"))
			}
			if got := strings.Join(prompts, " "); got != c.prompts {
				t.Errorf("the issuer was asked with prompts %q, want %q", got, c.prompts)
			}
			h.clock.Add(7*time.Minute + 30*time.Second)
			b.redeem(acme, h.mint(acme, "support-pin"))
			if b.Shows("enter") != c.redeems || !c.redeems && !b.Page.Says("nothing was used up") {
				t.Errorf("the form is taken: %v; %d %s", b.Shows("enter"), b.Page.Status, b.Page.Text())
			}
		})
	}
}

// TestAStaleForm is not taken; the same PIN is, after a sign-in that the agent
// starts by themselves: the answer to a form leads to no other site.
func TestAStaleForm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	issuer := h.corp("corp")
	issuer.Set(func(b *signintest.Behaviour) { b.Silent = "login_required" })
	b := h.browser(issuer.URL)
	b.open(h.app("docs"))
	h.clock.Add(14 * time.Minute)
	v := h.app("docs")
	b.open(v)
	h.clock.Add(2 * time.Minute)
	pin := h.mint(acme, "support-pin")
	asked := len(issuer.Asked())
	b.redeem(acme, pin)
	if b.Page.Status != http.StatusUnprocessableEntity || len(issuer.Asked()) != asked || len(h.kinds()) != 1 {
		t.Fatalf("%d, record %v: %s", b.Page.Status, h.kinds(), b.Page.Text())
	}
	b.Get(b.Links()["Continue with Northwind corp"])
	b.redeem(acme, pin)
	b.Submit("enter")
	v.exchange(b)
}

// TestResume: in the same browser the same agent goes on without a PIN, by the
// company's word alone; another agent does not.
func TestResume(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	issuer := h.corp("corp")
	b, v := h.browser(issuer.URL), h.app("docs")
	b.open(v)
	b.redeem(acme, h.mint(acme, "support-pin"))
	b.Submit("enter")
	first := v.exchange(b)
	b.SetCookie("agent", "") // the laptop was closed
	as(issuer, "erin")
	b.open(h.app("files"))
	if b.Callback != nil || !b.Shows("pin") || !b.Page.Says("erin") {
		t.Fatalf("erin gets sam's session: %v %s", b.Callback, b.Page.Text())
	}
	b.SetCookie("agent", "")
	as(issuer, "sam")
	v = h.app("files")
	b.open(v)
	if got := v.exchange(b); got.SID != first.SID || got.Act.Sub != "sam" {
		t.Errorf("sam gets %+v, want %s", got, first.SID)
	}
	if s := h.session(first.SID); s.Ended() {
		t.Errorf("the session ended: %s", s.Cause)
	}
}

// TestSuspendedOnArrival: the company's word is not enough.
func TestSuspendedOnArrival(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	issuer := h.corp("corp")
	before := h.browser(issuer.URL)
	before.open(h.app("docs"))
	before.redeem(acme, h.mint(acme, "support-pin")) // so that the broker knows them
	if err := h.store.Suspend(t.Context(), credentials.Person(issuer.URL, "sam"), true, credentials.Mark{Who: "operator"}); err != nil {
		t.Fatal(err)
	}
	b := h.browser(issuer.URL)
	b.open(h.app("docs"))
	if b.Page.Status != http.StatusForbidden || !b.Page.Says("suspended") || b.Cookies()["agent"] != "" {
		t.Errorf("%d %s, cookies %v", b.Page.Status, b.Page.Text(), b.Cookies())
	}
}

// TestSignedOutMeansOut: nobody is signed in again at once by the session that
// they still have at their company.
func TestSignedOutMeansOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	issuer := h.corp("corp")
	b := h.browser(issuer.URL)
	b.open(h.app("docs"))
	b.Submit("/sign-out")
	if b.Page.Status != http.StatusOK || b.Cookies()["agent"] != "" || len(issuer.Asked()) != 1 {
		t.Fatalf("%d %s, cookies %v, the issuer was asked %d times", b.Page.Status, b.Page.Text(), b.Cookies(), len(issuer.Asked()))
	}
	b.Get(b.Page.URL)
	if b.Shows("pin") {
		t.Error("reloading the page signs in")
	}
	b.Get(b.Links()["Continue with Northwind corp"])
	if !b.Shows("pin") {
		t.Errorf("on request: %s", b.Page.Text())
	}
}

// TestANewerProof: prompt=login and max_age send nobody in circles, whatever the
// issuer's clock shows and whatever it makes of them.
func TestANewerProof(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		params  []string
		ignores bool
		asked   int
		ok      bool
	}{
		{"prompt=login", []string{"prompt", "login"}, false, 1, true},
		{"max_age=0", []string{"max_age", "0"}, false, 1, true},
		{"max_age", []string{"max_age", "60"}, false, 1, false}, // this one takes max_age for nothing but a 0
		{"max_age, missed by what clocks may differ", []string{"max_age", "175"}, false, 1, false},
		{"prompt=login, ignored", []string{"prompt", "login"}, true, 1, false},
		{"max_age=0, ignored", []string{"max_age", "0"}, true, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			issuer := h.corp("corp")
			b := h.browser(issuer.URL)
			b.open(h.app("docs"))
			issuer.Set(func(b *signintest.Behaviour) { b.IgnoresLogin = c.ignores })
			h.clock.Add(3*time.Minute + 900*time.Millisecond)
			before := len(issuer.Asked())
			v := h.app("docs", c.params...)
			b.open(v)
			if n := len(issuer.Asked()) - before; n != c.asked || b.Shows("pin") != c.ok {
				t.Fatalf("the issuer was asked %d times, want %d: %d %s", n, c.asked, b.Page.Status, b.Page.Text())
			}
			if !c.ok {
				if b.Page.Status != http.StatusForbidden {
					t.Errorf("%d %s", b.Page.Status, b.Page.Text())
				}
				return
			}
			// A renewal of that proof makes it no older.
			form := b.Page
			h.clock.Add(8 * time.Minute)
			b.Get("/sign-in?" + strings.SplitN(form.URL, "?", 2)[1])
			if !b.Shows("pin") {
				t.Fatalf("after a renewal: %d %s", b.Page.Status, b.Page.Text())
			}
			b.redeem(acme, h.mint(acme, "support-pin"))
			b.Submit("enter")
			v.exchange(b)
		})
	}
}

// TestFormsLeadNowhereElse: a form that begins the request again ends on a page
// of the broker's. The browser of these tests blocks what Chromium would.
func TestFormsLeadNowhereElse(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(h *house, b *browser, issuer *signintest.Issuer){
		"a proof in its second half": func(h *house, _ *browser, _ *signintest.Issuer) { h.clock.Add(9 * time.Minute) },
		"nobody is signed in":        func(_ *house, b *browser, _ *signintest.Issuer) { b.SetCookie("agent", "") },
		"the session is over": func(h *house, b *browser, _ *signintest.Issuer) {
			b.SetCookie("session", "")
			h.clock.Add(9 * time.Minute)
		},
	} {
		for _, action := range []string{"/cancel", "/enter"} {
			t.Run(name+action, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				issuer := h.corp("corp")
				b := h.browser(issuer.URL)
				b.open(h.app("docs"))
				b.redeem(acme, h.mint(acme, "support-pin"))
				b.Submit("enter")
				b.open(h.app("docs", "login_hint", globex.Handle))
				asked := len(issuer.Asked())
				before(h, b, issuer)
				b.Submit(action)
				if len(issuer.Asked()) != asked {
					t.Errorf("the issuer is asked: %s", b.Page.Text())
				}
				if b.Callback == nil && b.Page.Status != http.StatusOK {
					t.Errorf("%d %s", b.Page.Status, b.Page.Text())
				}
			})
		}
	}
}
