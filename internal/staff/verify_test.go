package staff

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
)

// verify sends the form by the button that only asks who is calling.
func (b *browser) verify(a credentials.Account, c credentials.Minted) {
	b.T.Helper()
	b.Submit("/verify", "account", a.Handle, "pin", c.Secret.Reveal(), "reason", "ticket 4711")
}

// atForm is Dana in front of the form.
func (h *house) atForm() *browser {
	h.t.Helper()
	b := h.browser()
	b.open(h.app("docs"))
	b.login("dana")
	return b
}

// kinds are those of the account's entries, oldest first.
func (h *house) kinds() (out []string) {
	h.t.Helper()
	for _, e := range h.record() {
		out = append(out, e.Kind)
	}
	return out
}

func (h *house) record() []audit.Entry {
	h.t.Helper()
	all, err := h.store.Record(h.t.Context(), acme.ID, credentials.RecordPage{Forward: true, Limit: 100})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// TestVerify: the answer names whom the PIN vouches for, uses it up and opens
// nothing; reloading the answer asks nothing again.
func TestVerify(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.atForm()
	for policy, says := range map[string][]string{
		"phone-pin":   {"The caller is who they say", "the PIN of Olivia Owner", "nobody else", "policy phone-pin", "ticket 4711", "Dana R."},
		"support-pin": {"The caller speaks for Acme Corp", "that Olivia Owner made", "not bound to one person", "AC-100"},
	} {
		b.open(h.app("docs"))
		b.verify(acme, h.mint(acme, policy))
		for range 2 {
			if b.Page.Status != http.StatusOK || b.Callback != nil {
				t.Fatalf("%s: %d %s", policy, b.Page.Status, b.Page.Text())
			}
			for _, words := range says {
				if !b.Page.Says(words) {
					t.Errorf("%s: the page does not say %q: %s", policy, words, b.Page.Text())
				}
			}
			b.Get(b.Page.URL)
		}
	}
	h.wantAll(map[credentials.Cause]int{})
	if got := strings.Join(h.kinds(), " "); strings.Count(got, credentials.RecordVerified) != 2 || strings.Count(got, "try") != 0 {
		t.Errorf("the record has %s", got)
	}
	b.Get(b.Links()["Enter a customer’s account"])
	if !b.Shows("pin") {
		t.Errorf("there is no way on: %s", b.Page.Text())
	}
}

// TestNotVerified: every refusal is the form again, with what a redemption would
// say, and nothing is verified.
func TestNotVerified(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before func(h *house, b *browser, pin *credentials.Minted)
		status int
		says   string
	}{
		{"a wrong PIN", func(_ *house, _ *browser, pin *credentials.Minted) {
			pin.Secret = credentials.NewSecret(other(*pin))
		}, http.StatusUnprocessableEntity, "did not match. Check account and PIN"},
		{"one that was used", func(_ *house, b *browser, pin *credentials.Minted) {
			page := b.Page
			b.verify(acme, *pin)
			b.Page = page
			b.again()
		}, http.StatusUnprocessableEntity, "did not match"},
		{"without its ticket", func(h *house, _ *browser, pin *credentials.Minted) {
			*pin = h.mint(acme, "support-pin", func(r *credentials.MintRequest) { r.Ticket = "T-9" })
		}, http.StatusUnprocessableEntity, "named a ticket"},
		{"nobody is signed in", func(_ *house, b *browser, _ *credentials.Minted) { b.SetCookie("agent", "") },
			http.StatusUnprocessableEntity, "nothing was used up"},
		{"a proof that is too old", func(h *house, b *browser, pin *credentials.Minted) {
			h.clock.Add(14 * time.Minute)
			b.open(h.app("docs"))
			*pin = h.mint(acme, "support-pin")
			h.clock.Add(2 * time.Minute)
		}, http.StatusUnprocessableEntity, "nothing was used up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b, pin := h.atForm(), h.mint(acme, "support-pin")
			c.before(h, b, &pin)
			verified := strings.Count(strings.Join(h.kinds(), " "), credentials.RecordVerified)
			b.verify(acme, pin)
			if b.Page.Status != c.status || !b.Page.Says(c.says) || strings.Contains(b.Page.URL, "/verified") {
				t.Errorf("%d %s", b.Page.Status, b.Page.Text())
			}
			if now := strings.Count(strings.Join(h.kinds(), " "), credentials.RecordVerified); now != verified {
				t.Errorf("it is verified all the same: %v", h.kinds())
			}
		})
	}
}

// TestTheAnswerIsTheAskers: in another browser, or to another agent in this one,
// it is nothing.
func TestTheAnswerIsTheAskers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.atForm()
	b.verify(acme, h.mint(acme, "support-pin"))
	answer, _ := url.Parse(b.Page.URL)
	see := func(b *browser, what string) {
		t.Helper()
		_, fields := b.Form("pin")
		b.Get("/verified?v=" + url.QueryEscape(answer.Query().Get("v")) + "&r=" + url.QueryEscape(fields.Get("request")))
		if strings.Contains(b.Page.URL, "/verified") || b.Page.Says("Acme Corp") {
			t.Errorf("%s: %s", what, b.Page.Text())
		}
	}
	see(h.atForm(), "the same agent in another browser")
	b.open(h.app("docs", "prompt", "login"))
	b.login("erin")
	see(b, "another agent in the same browser")
	b.open(h.app("docs"))
	_, fields := b.Form("pin")
	for _, v := range []string{"", "made-up", h.handler.Cookies.Sealer.SealJSON(credentials.Verified{}, "")} {
		b.Get("/verified?v=" + v + "&r=" + url.QueryEscape(fields.Get("request")))
		if strings.Contains(b.Page.URL, "/verified") {
			t.Errorf("%q: %s", v, b.Page.Text())
		}
	}
}

// TestOneFormTwoButtons: a PIN is good for one of the two, however the form is
// sent; and what the first sending came to is no answer to another PIN.
func TestOneFormTwoButtons(t *testing.T) {
	t.Parallel()
	for first, second := range map[string]string{"/verify": "/redeem", "/redeem": "/verify"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b, pin := h.atForm(), h.mint(acme, "phone-pin")
			_, fields := b.Form("pin")
			fields.Set("account", acme.Handle)
			fields.Set("pin", pin.Secret.Reveal())
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					if got := b.Send(http.MethodPost, h.server.URL+first, fields); got.Status != http.StatusSeeOther {
						t.Errorf("%d %s", got.Status, got.Text())
					}
				})
			}
			all.Wait()
			got := b.Send(http.MethodPost, h.server.URL+second, fields)
			if got.Status != http.StatusUnprocessableEntity || !got.Says("used just now, with the other button") {
				t.Errorf("the other button: %d %s", got.Status, got.Text())
			}
			fields.Set("pin", other(pin))
			if got := b.Send(http.MethodPost, h.server.URL+first, fields); got.Status != http.StatusUnprocessableEntity || !got.Says("did not match") {
				t.Errorf("the same form with another PIN: %d %s", got.Status, got.Text())
			}
			opened := strings.Count(strings.Join(h.kinds(), " "), credentials.RecordOpened)
			verified := strings.Count(strings.Join(h.kinds(), " "), credentials.RecordVerified)
			if opened+verified != 1 || (opened == 1) != (first == "/redeem") {
				t.Errorf("the record has %v", h.kinds())
			}
		})
	}
}

// TestVerificationsAreTries: they count against the agent like any other.
func TestVerificationsAreTries(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b, pin := h.atForm(), h.mint(acme, "support-pin")
	page := b.Page
	for i := range 5 {
		b.Page = page
		b.again()
		b.Submit([]string{"/verify", "/redeem"}[i%2], "account", "XX-900", "pin", other(pin))
	}
	b.Page = page
	b.again()
	b.verify(acme, pin)
	if b.Page.Status != http.StatusTooManyRequests {
		t.Errorf("after five wrong tries: %d %s", b.Page.Status, b.Page.Text())
	}
}
