package owner

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/templates"
)

// made are an account's credentials, newest first.
func (w *world) made(account string) []credentials.Credential {
	w.t.Helper()
	all, err := w.store.Credentials(w.t.Context(), account, credentials.Page{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// TestWhatIsMade is what was chosen, of what the page offers: no more than to
// look is ticked at first.
func TestWhatIsMade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, username string
		pairs          []string
		want           credentials.Credential
		says           []string
	}{
		{"a PIN as it is offered", "olivia", []string{"policy", "support-pin"},
			credentials.Credential{Policy: "support-pin", Kind: credentials.PIN, Digits: 6, Uses: 1, RedeemWithin: 15 * time.Minute, Scopes: []string{"documents.read"}},
			[]string{"Your Support PIN", "4821", "One use, then it is dead", "They can: View documents.", "Never tell anyone your account password"}},
		{"a PIN with more, for a ticket", "olivia", []string{"policy", "support-pin", "scope.support-pin", "documents.write", "ticket", " T-9 "},
			credentials.Credential{Policy: "support-pin", Kind: credentials.PIN, Digits: 6, Uses: 1, RedeemWithin: 15 * time.Minute, Scopes: []string{"documents.write"}, Ticket: "T-9"},
			[]string{"Only an agent who names ticket T-9 gets in", "They can: Edit documents."}},
		{"one that is bound to its maker", "uma", []string{"policy", "two-day-pin"},
			credentials.Credential{Policy: "two-day-pin", Kind: credentials.PIN, Digits: 6, Uses: 1, RedeemWithin: 48 * time.Hour, Scopes: []string{"documents.read"}, Contact: "Uma"},
			[]string{"Valid only for Uma: support is told that name"}},
		{"a login for as long as is offered first", "olivia", []string{"policy", "temporary-login"},
			credentials.Credential{Policy: "temporary-login", Kind: credentials.Password, RedeemWithin: 4 * time.Hour, Scopes: []string{"documents.read"}},
			[]string{"Temporary email", "Several sign-ins, until it ends by itself", "It is used only to help with your request"}},
		{"a login for an hour", "olivia", []string{"policy", "temporary-login", "within.temporary-login", "1h0m0s"},
			credentials.Credential{Policy: "temporary-login", Kind: credentials.Password, RedeemWithin: time.Hour, Scopes: []string{"documents.read"}}, nil},
		{"a login without company sign-in", "olivia", []string{"policy", "holder-login"},
			credentials.Credential{Policy: "holder-login", Kind: credentials.Password, Uses: 1, Holder: true, RedeemWithin: 4 * time.Hour, Scopes: []string{"documents.read"}},
			[]string{"One use, then it is dead"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storetest.SQLite(t))
			b := w.signIn(c.username)
			b.Submit("form", c.pairs...)
			for _, words := range c.says {
				if !b.Page.Says(words) {
					t.Errorf("the page does not say %q: %s", words, b.Page.Text())
				}
			}
			all := w.made("acme")
			if len(all) != 1 {
				t.Fatalf("%d credentials: %d %s", len(all), b.Page.Status, b.Page.Text())
			}
			got := all[0]
			if got.Policy != c.want.Policy || got.Kind != c.want.Kind || got.Digits != c.want.Digits || got.Uses != c.want.Uses || got.Holder != c.want.Holder ||
				got.RedeemWithin != c.want.RedeemWithin || !slices.Equal(got.Scopes, c.want.Scopes) || got.Ticket != c.want.Ticket || got.Contact != c.want.Contact {
				t.Errorf("made %+v, want %+v", got, c.want)
			}
			if (got.ContactKey != "") != (c.want.Contact != "") || !strings.EqualFold(got.Minter.Name, c.username) {
				t.Errorf("bound to %q, made by %q", got.ContactKey, got.Minter.Name)
			}
		})
	}
}

// TestADoubleClick makes one, and shows its secret in one answer, on each engine.
func TestADoubleClick(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		for _, policy := range []string{"support-pin", "temporary-login"} {
			before := len(w.made("acme"))
			b := w.signIn("olivia")
			action, fields := b.Form("policy")
			fields.Set("policy", policy)
			var all sync.WaitGroup
			var mu sync.Mutex
			secrets := 0
			for range 8 {
				all.Go(func() {
					got := b.Send(http.MethodPost, action, fields)
					for got.Status == http.StatusServiceUnavailable { // a slow machine: it says to try again
						got = b.Send(http.MethodPost, action, fields)
					}
					mu.Lock()
					defer mu.Unlock()
					if got.Status != http.StatusOK {
						t.Errorf("%d %s", got.Status, got.Text())
					}
					if strings.Contains(got.Body, `id="secret"`) {
						secrets++
					}
				})
			}
			all.Wait()
			if n := len(w.made("acme")) - before; n != 1 || secrets != 1 {
				t.Errorf("%s: made %d, shown %d times", policy, n, secrets)
			}
		}
	})
}

// TestOneFormIsItsMakers: its id is bound to the person and the account, so that
// nobody is told what another one's form came to.
func TestOneFormIsItsMakers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	form := url.Values{"form": {"the-same-id"}, "policy": {"two-day-pin"}, "scope.two-day-pin": {"documents.read"}}
	for i, username := range []string{"olivia", "uma", "gus"} {
		b := w.signIn(username)
		b.Visit(http.MethodPost, w.server.URL+templates.OwnerPath+"/credentials", form)
		if pinOf(b) == "" || len(w.made("acme"))+len(w.made("globex")) != i+1 {
			t.Errorf("%s: %d %s", username, b.Page.Status, b.Page.Text())
		}
	}
}

// TestWhoMayMakeNothing is told who may, and has no form.
func TestWhoMayMakeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("lou")
	for _, words := range []string{"Support PIN: people whose role is owner or admin can make it.", "Two-day PIN: you may lend nothing of what it lends."} {
		if !b.Page.Says(words) {
			t.Errorf("the page does not say %q: %s", words, b.Page.Text())
		}
	}
	if b.Shows("policy") || b.Shows("form") {
		t.Error("there is a form all the same")
	}
	for _, policy := range []string{"support-pin", "two-day-pin"} {
		post(b, "/credentials", "form", "f", "policy", policy, "scope."+policy, "documents.read")
		if b.Page.Status != http.StatusUnprocessableEntity || len(w.made("acme")) != 0 || !b.Page.Says("You may not") {
			t.Errorf("%s: %d %s", policy, b.Page.Status, b.Page.Text())
		}
	}
}

// TestTheFormComesBack with what was chosen and typed, and with what is wrong at
// the place to mend it.
func TestTheFormComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	ticket := strings.Repeat("T", 101)
	b.Submit("form", "policy", "temporary-login", "within.temporary-login", "1h0m0s", "scope.temporary-login", "documents.write", "ticket", ticket)
	_, fields := b.Form("form")
	if b.Page.Status != http.StatusUnprocessableEntity || !b.Page.Says("The ticket is longer than 100 characters") {
		t.Errorf("%d %s", b.Page.Status, b.Page.Text())
	}
	if fields.Get("policy") != "temporary-login" || fields.Get("within.temporary-login") != "1h0m0s" || fields.Get("ticket") != ticket ||
		!slices.Equal(fields["scope.temporary-login"], []string{"documents.write"}) {
		t.Errorf("the form has %v", fields)
	}
	b.Submit("form", "ticket", "T-1")
	if made := w.made("acme"); len(made) != 1 || made[0].RedeemWithin != time.Hour || !slices.Equal(made[0].Scopes, []string{"documents.write"}) {
		t.Errorf("mended: %+v; %s", made, b.Page.Text())
	}
}

// TestTheHandleIsTaken: two accounts must not answer to one number on the phone.
func TestTheHandleIsTaken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.mintFor(acme, "two-day-pin")
		b := w.signIn("hank")
		b.Submit("policy", "policy", "support-pin")
		if b.Page.Status != http.StatusUnprocessableEntity || !b.Page.Says("Nothing was made") || b.Page.Says("Acme") || pinOf(b) != "" {
			t.Errorf("%d %s", b.Page.Status, b.Page.Text())
		}
		if n := len(w.made("hooli")); n != 0 || !strings.Contains(w.log.String(), "same handle") {
			t.Errorf("made %d; the log has %s", n, w.log)
		}
	})
}

// TestManyAtOnce: a crowd of others is a reason to wait, in words.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for i := 0; ; i++ {
		leave, err := w.hasher.Enter(fmt.Sprint(i))
		if err != nil {
			break
		}
		defer leave()
	}
	b.Submit("policy", "policy", "support-pin")
	if b.Page.Status != http.StatusServiceUnavailable || !b.Page.Says("too much is going on") || len(w.made("acme")) != 0 {
		t.Errorf("%d %s", b.Page.Status, b.Page.Text())
	}
	if strings.Contains(w.log.String(), "ERROR") {
		t.Errorf("it is logged as a fault: %s", w.log)
	}
}

// TestOddText is refused before a database sees it, on each engine.
func TestOddText(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.mintFor(acme, "two-day-pin")
		b := w.signIn("olivia")
		for _, odd := range []string{"a\x00b", "\xff", "a\x80"} {
			for path, pairs := range map[string][]string{"/revoke": {"credential", odd}, "/end": {"sid", odd},
				"/credentials": {"form", odd, "policy", "support-pin", "scope.support-pin", "documents.read"}} {
				post(b, path, pairs...)
				if b.Page.Status != http.StatusBadRequest {
					t.Errorf("%s with %q: %d %s", path, odd, b.Page.Status, b.Page.Text())
				}
			}
		}
		post(b, "/credentials", "form", strings.Repeat("x", 101), "policy", "support-pin", "scope.support-pin", "documents.read")
		if b.Page.Status != http.StatusBadRequest || len(w.made("acme")) != 1 {
			t.Errorf("an endless id: %d; made %d", b.Page.Status, len(w.made("acme")))
		}
	})
}
