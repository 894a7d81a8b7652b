package owner

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/templates"
)

// told are the sentences of the page's record, oldest first.
func told(t *testing.T, b *signintest.Browser) (out []string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(b.Page.Body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "li" || n.FirstChild == nil || n.FirstChild.Data != "time" {
			continue
		}
		var text strings.Builder
		for c := range n.LastChild.Descendants() {
			if c.Type == html.TextNode {
				text.WriteString(c.Data)
			}
		}
		out = append(out, text.String())
	}
	slices.Reverse(out)
	return out
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) redeemer() *credentials.Redeemer {
	return &credentials.Redeemer{Store: w.store, Hasher: w.hasher}
}

// token gives an app a token of the session, with one to renew it by.
func (w *world) token(s credentials.Session, refresh string) {
	w.t.Helper()
	_, err := w.store.Issue(w.t.Context(), credentials.Grant{ID: credentials.NewID(), Account: s.Account.ID, SID: s.ID, Client: "docs",
		Audience: "https://docs.example/api", Scope: "documents.read", TokenID: credentials.NewID(), Refresh: &credentials.RefreshToken{
			Hash: []byte(refresh), Account: s.Account.ID, SID: s.ID, Client: "docs", Audience: "https://docs.example/api", Scope: "documents.read"}})
	w.must(err)
}

func (w *world) renew(refresh, next string) {
	w.t.Helper()
	_, _, err := w.store.Refresh(w.t.Context(), credentials.Refreshing{Hash: []byte(refresh), Client: "docs", Next: []byte(next),
		TokenID: credentials.NewID(), Scope: func(granted string) (string, error) { return granted, nil }})
	w.must(err)
}

func (w *world) act(s credentials.Session, name, target string, refused bool) {
	w.t.Helper()
	_, err := w.store.Act(w.t.Context(), credentials.Action{ID: credentials.NewID(), SID: s.ID, Client: "docs", Audience: "https://docs.example/api",
		Name: name, Target: target, Scope: "documents.read", Refused: refused})
	w.must(err)
}

// wrong is a PIN that is not this one.
func wrong(pin string) string { return string('0'+(pin[0]-'0'+1)%10) + pin[1:] }

// TestTheWholeStory: what really happens in an account, told by the page to one
// of its people, on each engine; and the page about who is in.
func TestTheWholeStory(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		b := w.signIn("olivia")
		b.Submit("policy", "policy", "support-pin", "ticket", "T-9")
		b.Submit("policy", "policy", "support-pin", "ticket", "T-9")
		pin := pinOf(b)
		agent := dana
		agent.AuthTime = w.clock.Now()
		attempt := func() credentials.Attempt { return credentials.Attempt{ID: credentials.NewID(), Agent: agent} }
		_, err := w.redeemer().PIN(t.Context(), credentials.NewID(), agent, acme.Handle, credentials.NewSecret(wrong(pin)), "")
		if err == nil {
			t.Fatal("a wrong PIN opens")
		}
		if _, err = w.redeemer().PIN(t.Context(), credentials.NewID(), agent, acme.Handle, credentials.NewSecret(pin), "no ticket"); err == nil {
			t.Fatal("a PIN opens without its ticket")
		}
		s, err := w.redeemer().PIN(t.Context(), credentials.NewID(), agent, acme.Handle, credentials.NewSecret(pin), "about t-9")
		w.must(err)
		w.token(s, "r0")
		w.renew("r0", "r1")
		w.act(s, "View", "Q3 report", false)
		w.act(s, "Delete", "Q3 report", true)
		uma := w.signIn("uma")
		for _, words := range []string{"Dana Reed is in your account", "verified by Northwind SSO", "about t-9", "Northwind Docs, since", "with your Support PIN", "Blocked: Delete “Q3 report”"} {
			if !uma.Page.Says(words) {
				t.Errorf("the page does not say %q: %s", words, uma.Page.Text())
			}
		}
		uma.Submit(templates.OwnerPath + "/end")
		w.mintFor(acme, "two-day-pin")
		uma.Get(templates.OwnerPath)
		uma.Submit("policy", "policy", "two-day-pin")
		_, err = w.redeemer().Verify(t.Context(), attempt(), acme.Handle, credentials.NewSecret(pinOf(uma)), "on the phone")
		w.must(err)
		m, left := w.open()
		_, err = w.store.End(t.Context(), acme.ID, left.ID, credentials.CauseSignedOut, credentials.Mark{Who: "agent", ID: agent.Key(), Name: agent.Name})
		w.must(err)
		idle, err := w.use(m.Email, m.Secret.Reveal())
		w.must(err)
		w.clock.Add(31 * time.Minute)
		if _, err := w.pages.Sessions.Live(t.Context(), idle.ID); err == nil {
			t.Fatal("an idle session lives")
		}
		w.must(w.store.Revoke(t.Context(), acme.ID, m.ID, credentials.Mark{Who: "client", ID: "settings"}))
		b = w.signIn("olivia")
		if got, want := told(t, b), []string{
			"You made a Support PIN, ticket T-9",
			"You made a Support PIN, ticket T-9; the one before stopped working",
			"Blocked: Dana Reed tried a wrong PIN",
			"Blocked: Dana Reed had the right PIN but did not name your ticket",
			"Dana Reed entered with your Support PIN: about t-9",
			"Dana Reed signed in to Northwind Docs",
			"Dana Reed in Northwind Docs: View “Q3 report”",
			"Blocked: Dana Reed in Northwind Docs: Delete “Q3 report”",
			"Uma ended the access of Dana Reed",
			"Oscar, in Northwind settings, made a Two-day PIN",
			"Uma made a Two-day PIN",
			"Dana Reed checked who is calling, with your Two-day PIN: on the phone",
			"Oscar made a Temporary login",
			"Dana Reed entered with your Temporary login",
			"Dana Reed signed out",
			"Dana Reed entered with your Temporary login",
			"Dana Reed’s access ended by itself: nothing was done for a while",
			"Northwind settings took back the Temporary login",
		}; !slices.Equal(got, want) {
			t.Errorf("the page tells:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestErased: whoever was erased is not named any more, and what they did is
// still told; the download verifies.
func TestErased(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		b := w.signIn("olivia")
		w.mintFor(acme, "support-pin")
		_, s := w.open()
		w.token(s, "r0")
		w.act(s, "View", "Q3 report", false)
		_, err := w.store.ErasePerson(t.Context(), dana.Issuer, dana.Subject)
		w.must(err)
		_, err = w.store.ErasePerson(t.Context(), "https://id.example", "o")
		w.must(err)
		b.Get(templates.OwnerPath)
		got := strings.Join(told(t, b), "\n")
		for _, words := range []string{"Somebody (erased), in Northwind settings, made a Support PIN", "Somebody (erased) made a Temporary login",
			"Somebody (erased) entered with your Temporary login", "in Northwind Docs: View “[erased]”"} {
			if !strings.Contains(got, words) {
				t.Errorf("the page does not tell %q:\n%s", words, got)
			}
		}
		w.must(w.store.Revoke(t.Context(), acme.ID, "", credentials.Mark{Who: "owner", ID: "o", Name: "Oscar"}))
		_, err = w.store.EraseAccount(t.Context(), acme.ID)
		w.must(err)
		b.Get(templates.OwnerPath)
		got = strings.Join(told(t, b), "\n")
		if !strings.Contains(got, "Names and other personal data before this were erased") {
			t.Errorf("the page tells:\n%s", got)
		}
		b.Get(templates.OwnerPath + "/record.jsonl")
		for _, name := range []string{"Dana", "Oscar", "Q3 report"} {
			if strings.Contains(got+b.Page.Body, name) {
				t.Errorf("%s is still named", name)
			}
		}
		if report, err := audit.Verify(strings.NewReader(b.Page.Body)); err != nil || report.Erased == 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

// TestManyRenewals: tokens that were renewed for hours do not push what happened
// off the page.
func TestManyRenewals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	_, s := w.open()
	w.token(s, "r0")
	for i := range 2*maxEvents + 10 {
		w.renew(fmt.Sprint("r", i), fmt.Sprint("r", i+1))
	}
	b := w.signIn("olivia")
	if got := told(t, b); !slices.Contains(got, "Dana Reed entered with your Temporary login") {
		t.Errorf("the page tells %v: %s", got, b.Page.Text())
	}
}

// TestOlder: page by page everything is told, once.
func TestOlder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	_, s := w.open()
	w.token(s, "r0")
	for i := range 2 * maxEvents {
		w.act(s, fmt.Sprint("View ", i), "", false)
	}
	b := w.signIn("olivia")
	seen := map[string]int{}
	pages := 0
	for pages < 5 {
		pages++
		for _, sentence := range told(t, b) {
			seen[sentence]++
		}
		older := b.Links()["Older"]
		if older == "" {
			break
		}
		b.Get(older)
		if b.Page.Status != http.StatusOK || b.Shows(templates.OwnerPath+"/revoke") {
			t.Fatalf("%d %s", b.Page.Status, b.Page.Text())
		}
	}
	if pages != 3 || len(seen) != 2*maxEvents+3 {
		t.Errorf("%d pages tell %d things, want 3 and %d", pages, len(seen), 2*maxEvents+3)
	}
	for sentence, n := range seen {
		if n != 1 {
			t.Errorf("%q is told %d times", sentence, n)
		}
	}
	for _, before := range []string{"", "0", "-1", "x", "99999999999999999999"} {
		b.Get(templates.OwnerPath + "/record?before=" + before)
		if b.Page.Status != http.StatusOK || !b.Shows(templates.OwnerPath+"/revoke") {
			t.Errorf("before %q: %d %s", before, b.Page.Status, b.Page.Text())
		}
	}
}

// TestWhoHoldsALoginIsNobody: without a company sign-in nobody vouches for the
// visitor, and no page says that it was support.
func TestWhoHoldsALoginIsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	b.Submit("policy", "policy", "holder-login")
	email, secret := lent.FindString(b.Page.Text()), words.FindString(b.Page.Text())
	s, err := w.redeemer().Password(t.Context(), credentials.NewID(), nil, email, credentials.NewSecret(secret), "hello")
	w.must(err)
	w.token(s, "r0")
	b.Get(templates.OwnerPath)
	if !b.Page.Says("Nobody vouches for who it is") || !b.Page.Says(email) {
		t.Errorf("the page says %s", b.Page.Text())
	}
	if got, want := told(t, b)[1:], []string{"Somebody entered with your Holder login: hello", "Somebody signed in to Northwind Docs"}; !slices.Equal(got, want) {
		t.Errorf("the page tells %q, want %q", got, want)
	}
}
