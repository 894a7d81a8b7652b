package owner

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/templates"
)

func readAll(r *http.Response) (string, error) {
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	return string(body), err
}

// TestForms: forms of other sites, forms in the address and what is no text are
// refused, and no address that changes something answers a GET.
func TestForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for _, path := range []string{"/credentials", "/revoke", "/end", "/sign-out"} {
		at := w.server.URL + templates.OwnerPath + path
		for name, got := range map[string]signintest.Answer{
			"another site's":  b.Send(http.MethodPost, at, nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"),
			"a neighbour's":   b.Send(http.MethodPost, at, nil, "Sec-Fetch-Site", "same-site", "Origin", "https://evil.northwind.example"),
			"in the address":  b.Send(http.MethodPost, at+"?credential=x", nil),
			"a null byte":     b.Send(http.MethodPost, at, map[string][]string{"ticket": {"a\x00b"}}),
			"too much":        b.Send(http.MethodPost, at, map[string][]string{"ticket": {strings.Repeat("x", maxForm)}}),
			"a GET":           b.Send(http.MethodGet, at, nil),
			"not of this one": signintest.NewBrowser(t, w.server.URL, &w.tape).Send(http.MethodPost, at, nil),
		} {
			if got.Status < 400 || got.Status > 499 {
				t.Errorf("%s, %s: %d", path, name, got.Status)
			}
		}
	}
	if b.Get(templates.OwnerPath); !b.Shows(templates.OwnerPath + "/sign-out") {
		t.Error("one of them signed the owner out")
	}
}

// TestHeaders: these pages may fetch from their own site, and nothing else.
func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for _, path := range []string{"", "/live", "/record?before=5", "/sign-in"} {
		got := b.Send(http.MethodGet, w.server.URL+templates.OwnerPath+path, nil)
		if got.Status == http.StatusSeeOther {
			continue
		}
		policy := got.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s: %s", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, got.Header)
		}
	}
}

// TestALinkSaysNothing: no address makes the page tell that something was done.
func TestALinkSaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for _, query := range []string{"?done=revoked", "?notice=Access+is+revoked"} {
		if b.Get(templates.OwnerPath + query); b.Page.Says("Access is revoked") {
			t.Errorf("%s: %s", query, b.Page.Text())
		}
	}
}

// TestEveryKindHasASentence: a kind of entry that nobody wrote one for fails
// here. Some are of no account.
func TestEveryKindHasASentence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	source, err := os.ReadFile("../../credentials/record.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`Record\w+\s+= "([a-z.]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(kinds) < 10 {
		t.Fatalf("only %d kinds were found", len(kinds))
	}
	elsewhere := map[string]bool{"agent.suspended": true, "agent.restored": true, "person.erased": true, "installation.recovered": true}
	p := person{owner: credentials.Owner{Subject: "me"}, Proof: connectors.Proof{}}
	for _, kind := range kinds {
		event, is := w.pages.sentence(p, open(audit.Entry{Kind: kind[1], At: time.Now(), Facts: map[string]string{"client": "docs", "action": "View"}}, nil))
		if is == elsewhere[kind[1]] || is && event.Text == "" {
			t.Errorf("%s: %v %+v", kind[1], is, event)
		}
	}
}

// TestSentences are what an owner reads.
func TestSentences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	me := credentials.Owner{Issuer: "i", Subject: "me", Name: "Olivia"}
	person := person{owner: me, Proof: connectors.Proof{}}
	named := func(fields map[string]string) []audit.Person { return []audit.Person{{ID: me.Key(), Fields: fields}} }
	for _, c := range []struct {
		kind    string
		facts   map[string]string
		about   []audit.Person
		digests map[string][]byte
		want    string
		refused bool
	}{
		{credentials.RecordMinted, map[string]string{"policy": "support-pin", "by": "owner", "replaced": "x"}, named(map[string]string{"owner": "Olivia", "ticket": "T1"}), nil,
			"You|made a Support PIN, ticket T1; the one before stopped working", false},
		{credentials.RecordRefusedTry, map[string]string{"with": "pin", "why": "no match", "burned": "a"}, named(map[string]string{"agent": "Dana"}), nil,
			"Dana|", true},
		{credentials.RecordAction, map[string]string{"action": "View", "client": "docs", "sid": "s"}, named(map[string]string{"target": "Q3"}), nil,
			"Sam|in Northwind Docs: View “Q3”", false},
		{credentials.RecordRefusedAction, map[string]string{"action": "Delete", "client": "docs", "sid": "s"}, nil, map[string][]byte{"target": {1}},
			"Sam|in Northwind Docs: Delete “[erased]”", true},
		{credentials.RecordOpened, map[string]string{"policy": "gone"}, nil, map[string][]byte{"agent": {1}}, "Somebody (erased)|entered with your gone", false},
		{credentials.RecordEnded, map[string]string{"cause": "revoked", "by": "owner", "id": me.Key(), "sid": "s"}, nil, nil, "You|ended the access of Sam", false},
		{credentials.RecordEnded, map[string]string{"cause": "revoked", "by": "owner", "id": "x", "sid": "s"}, named(map[string]string{"name": "Uma"}), nil, "Uma|ended the access of Sam", false},
		{credentials.RecordEnded, map[string]string{"cause": "idle", "by": "broker", "sid": "s"}, nil, nil, "|Sam’s access ended by itself: nothing was done for a while", false},
		{credentials.RecordEnded, map[string]string{"cause": "operator", "by": "operator", "sid": "s"}, nil, nil, "The operator|ended the access of Sam", false},
	} {
		got, _ := w.pages.sentence(person, open(audit.Entry{Kind: c.kind, Facts: c.facts, About: c.about, Digests: c.digests}, map[string]string{"s": "Sam"}))
		if text := got.Who + "|" + got.Text; !strings.HasPrefix(text, c.want) || got.Refused != c.refused {
			t.Errorf("%s: %q (%v), want %q (%v)", c.kind, text, got.Refused, c.want, c.refused)
		}
	}
}
