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
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/templates"
)

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
	elsewhere := map[string]bool{"agent.suspended": true, "agent.restored": true, "person.erased": true, "installation.recovered": true,
		"keys.rotated": true}
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
		{credentials.RecordEnded, map[string]string{"cause": "operator", "by": "broker", "sid": "s"}, nil, nil, "|Sam’s access was ended", false},
		{credentials.RecordEnded, map[string]string{"cause": "revoked", "by": "client", "id": "settings", "sid": "s"}, nil, nil, "Northwind settings|ended the access of Sam", false},
		{credentials.RecordEnded, map[string]string{"cause": "time", "by": "broker", "sid": "s"}, nil, nil, "|Sam’s access ended by itself: its time was over", false},
		{credentials.RecordEnded, map[string]string{"cause": "cancelled", "by": "agent", "sid": "s"}, nil, nil, "Sam|left without entering", false},
		{credentials.RecordEnded, map[string]string{"cause": "reuse", "by": "broker", "sid": "s"}, nil, nil, "|Sam’s access was ended: a code that is good once", true},
		{credentials.RecordRevoked, map[string]string{"policy": "support-pin", "by": "operator"}, nil, nil, "The operator|took back the Support PIN", false},
		{credentials.RecordRevoked, map[string]string{"policy": "support-pin", "by": "broker"}, nil, nil, "|The Support PIN was taken back", false},
		{credentials.RecordRevoked, map[string]string{"policy": "support-pin", "by": "owner", "id": "x"}, nil, map[string][]byte{"name": {1}}, "Somebody (erased)|took back", false},
		{credentials.RecordLapsedTry, map[string]string{"burned": "a"}, nil, nil, "|A try was broken off; it counts as a wrong one; that was the last try, and the PIN is dead", true},
		{credentials.RecordRefusedTry, map[string]string{"with": "pin", "why": "burned"}, nil, nil, "Somebody|tried a PIN that is dead", true},
		{credentials.RecordRefusedTry, map[string]string{"with": "password", "why": "expired"}, nil, nil, "Somebody|tried a temporary login that has expired", true},
		{credentials.RecordRefusedTry, map[string]string{"with": "pin", "why": "paused"}, nil, nil, "Somebody|was not let in: too many wrong tries", true},
		{credentials.RecordRefusedTry, map[string]string{"with": "pin", "why": "suspended"}, nil, nil, "Somebody|was not let in: their support sign-in is suspended", true},
		{credentials.RecordRefusedTry, map[string]string{"with": "pin", "why": "dial tcp 10.1.2.3"}, nil, nil, "Somebody|was not let in", true},
		{credentials.RecordVerified, map[string]string{"policy": "support-pin", "by": "client", "client": "settings"}, named(map[string]string{"agent": "Dana"}), nil,
			"Dana|checked who is calling in Northwind settings, with your Support PIN", false},
		{credentials.RecordToken, map[string]string{"grant": "authorization_code", "client": "unknown-app", "sid": "s"}, nil, nil, "Sam|signed in to unknown-app", false},
	} {
		got, _ := w.pages.sentence(person, open(audit.Entry{Kind: c.kind, Facts: c.facts, About: c.about, Digests: c.digests}, map[string]string{"s": "Sam"}))
		if text := got.Who + "|" + got.Text; !strings.HasPrefix(text, c.want) || got.Refused != c.refused || strings.Contains(text, "10.1.2.3") {
			t.Errorf("%s: %q (%v), want %q (%v)", c.kind, text, got.Refused, c.want, c.refused)
		}
	}
}

// mintFor makes a credential over the API for an account.
func (w *world) mintFor(a credentials.Account, policy string) {
	w.t.Helper()
	if _, err := w.minter.Mint(w.t.Context(), credentials.MintRequest{Account: a, Policy: policy, By: credentials.Mark{Who: "client", ID: "settings"},
		Owner: credentials.Owner{Issuer: "https://id.example", Subject: "o", Name: "Oscar", Claims: map[string][]string{"role": {"owner"}}}}); err != nil {
		w.t.Fatal(err)
	}
}

// TestExport: the download verifies, and one that breaks off is cut.
func TestExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for range web.ExportBatch + 1 {
		w.mintFor(acme, "temporary-login")
	}
	b.Get(templates.OwnerPath + "/record.jsonl")
	report, err := audit.Verify(strings.NewReader(b.Page.Body))
	if err != nil || report.Entries != web.ExportBatch+1 {
		t.Fatalf("%+v, %v", report, err)
	}
	w.faults.BreakLater("Record", 1)
	got, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+templates.OwnerPath+"/record.jsonl", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range b.Cookies() {
		got.AddCookie(&http.Cookie{Name: "valetkey-" + name, Value: value})
	}
	answer, err := http.DefaultClient.Do(got)
	if err == nil {
		_, err = readAll(answer)
	}
	if err == nil {
		t.Error("an export that broke off looks like a whole one")
	}
	w.faults.Mend()
	b.Get(templates.OwnerPath)
	older := ""
	for words, at := range b.Links() {
		if strings.Contains(words, "Older") {
			older = at
		}
	}
	if older == "" {
		t.Fatal("there is no way to the older entries")
	}
	b.Get(strings.TrimPrefix(older, w.server.URL))
	if b.Page.Status != http.StatusOK || !b.Page.Says("Oscar, in Northwind settings, made a Temporary login") {
		t.Errorf("the older page: %d %s", b.Page.Status, b.Page.Text())
	}
}

func readAll(r *http.Response) (string, error) {
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	return string(body), err
}
