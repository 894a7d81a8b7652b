package owner

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/scopes"
	"github.com/valetkey/valetkey/templates"
)

func TestMain(m *testing.M) { os.Exit(storetest.Migrated(m, store.Migrate)) }

// world is a broker with owner's pages and a real store.
type world struct {
	t      *testing.T
	dsn    string
	clock  *clock
	log    *testkit.Log
	tape   signintest.Tape
	store  *store.Store
	faults *signintest.Faults // what the pages see of the store
	hasher *credentials.Hasher
	minter *credentials.Minter
	pages  *Handler
	server *httptest.Server
}

// clock goes on by itself, as that of the database does, and further where a
// test moves it.
type clock struct{ ahead atomic.Int64 }

// Now is the time it shows.
func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Add moves it.
func (c *clock) Add(d time.Duration) { c.ahead.Add(int64(d)) }

func newWorld(t *testing.T, dsn string) *world {
	t.Helper()
	w := &world{t: t, dsn: dsn, clock: &clock{}, log: &testkit.Log{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	secrets := keystest.Secrets(t)
	var err error
	if w.store, err = store.Open(t.Context(), store.Options{DSN: dsn, Secrets: secrets, Migrate: true, Now: w.clock.Now, Log: log,
		Access: 5 * time.Minute, Clients: map[string]store.Client{"docs": {Enforces: credentials.ByGuard}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.store.Close)
	w.faults, w.hasher = &signintest.Faults{Store: w.store}, credentials.NewHasher(secrets.Pepper())
	w.serve(secrets, log)
	return w
}

// serve wires the pages as the program does.
func (w *world) serve(secrets *keys.Secrets, log *slog.Logger) {
	w.t.Helper()
	w.server = httptest.NewUnstartedServer(nil)
	issuer := "http://" + w.server.Listener.Addr().String()
	set, err := templates.New(templates.Brand{Product: "Northwind Docs", Help: "https://help.northwind.example"})
	if err != nil {
		w.t.Fatal(err)
	}
	catalogue, err := scopes.NewCatalogue([]scopes.Scope{
		{Name: "documents.read", Label: "View documents", Kind: "view"}, {Name: "documents.write", Label: "Edit documents", Kind: "change"},
		{Name: "billing.read", Label: "See invoices", Kind: "billing"}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	pages := &web.Pages{Set: set.Owners(), Live: true, Log: log}
	cookies := &web.Cookies{Sealer: secrets.Sealer("cookie"), Insecure: true}
	w.minter = &credentials.Minter{Store: w.faults, Hasher: w.hasher, Catalogue: catalogue, Policies: policies()}
	w.pages = &Handler{
		Issuer: issuer, Minter: w.minter, Sessions: &credentials.Sessions{Store: w.faults, Now: w.clock.Now}, Reader: w.faults, Catalogue: catalogue,
		May: map[string]May{"customers": {Limited: true, Rules: []credentials.MayRule{
			{Claim: "role", Value: "owner", Scopes: []string{"documents.*"}}, {Claim: "role", Value: "user", Scopes: []string{"documents.read"}}}}},
		Apps: map[string]string{"docs": "Northwind Docs", "settings": "Northwind settings"}, Connectors: map[string]string{"corp": "Northwind SSO"},
		Pages: pages, Cookies: cookies, Now: w.clock.Now, Log: log,
		Door: &signin.Door{Cookie: "owner", Path: templates.OwnerPath + "/sign-in", Life: CookieLife, Idle: CookieIdle, Pages: pages, Cookies: cookies,
			Proofs: secrets.Sealer("p"), Trips: secrets.Sealer("t"), Now: w.clock.Now, Log: log, Refused: "You are none of those.",
			Connectors: []connectors.Connector{w.people(issuer)}},
	}
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	pages.Mount(r)
	w.pages.Mount(r)
	w.server.Config.Handler = pages.Visitor(nil, r)
	w.server.Start()
	w.t.Cleanup(w.server.Close)
}

// people are those of Acme, who may do more or less, vera with a second factor;
// and one each of Globex and Hooli, whose handle is also Acme's.
func (w *world) people(issuer string) *connectors.Local {
	local := &connectors.Local{ID: "customers", Name: "Northwind account", Issuer: issuer, Hasher: w.hasher,
		Tries: &connectors.Tries{Now: w.clock.Now}, OTP: w.faults, Now: w.clock.Now}
	for _, p := range []struct {
		username, role string
		account        credentials.Account
	}{{"olivia", "owner", acme}, {"uma", "user", acme}, {"lou", "guest", acme}, {"vera", "owner", acme}, {"mallory", "nobody", acme},
		{"gus", "owner", globex}, {"hank", "owner", hooli}} {
		local.People = append(local.People, connectors.Person{Username: p.username, Name: strings.ToUpper(p.username[:1]) + p.username[1:],
			Claims: map[string][]string{"role": {p.role}}, PasswordHash: signintest.PasswordHash, Account: p.account})
	}
	local.People[3].TOTP = signintest.TOTP
	local.Allow = []credentials.ClaimRule{{Claim: "role", Values: []string{"owner", "user", "guest"}}}
	return local
}

var (
	acme   = credentials.Account{ID: "acme", Connector: "customers", Name: "Acme Inc", Handle: "4821"}
	globex = credentials.Account{ID: "globex", Connector: "customers", Name: "Globex", Handle: "77"}
	hooli  = credentials.Account{ID: "hooli", Connector: "customers", Name: "Hooli", Handle: "48-21"}
)

func policies() []credentials.Policy {
	lent := []string{"documents.read", "documents.write"}
	pin := credentials.Policy{ID: "support-pin", Name: "Support PIN", Kind: credentials.PIN, Digits: 6, Uses: 1, Tries: 5,
		Mint: []credentials.ClaimRule{{Claim: "role", Values: []string{"owner", "admin"}}}, RedeemWithin: []time.Duration{15 * time.Minute},
		RedeemDefault: 15 * time.Minute, Session: 30 * time.Minute, Idle: 10 * time.Minute, Scopes: lent}
	days := pin
	days.ID, days.Name, days.Mint, days.ContactBound = "two-day-pin", "Two-day PIN", nil, true
	days.RedeemWithin, days.RedeemDefault = []time.Duration{48 * time.Hour}, 48*time.Hour
	login := credentials.Policy{ID: "temporary-login", Name: "Temporary login", Kind: credentials.Password, EmailDomain: "support.northwind.example",
		Mint: pin.Mint, RedeemWithin: []time.Duration{time.Hour, 4 * time.Hour}, RedeemDefault: 4 * time.Hour, Session: 8 * time.Hour, Idle: 30 * time.Minute, Scopes: lent}
	holder := login
	holder.ID, holder.Name, holder.Holder, holder.Uses = "holder-login", "Holder login", true, 1
	return []credentials.Policy{pin, days, login, holder}
}

// signIn is a browser of somebody who is signed in.
func (w *world) signIn(username string) *signintest.Browser {
	w.t.Helper()
	b := signintest.NewBrowser(w.t, w.server.URL, &w.tape)
	b.Get(templates.OwnerPath)
	b.Submit("username", "username", username, "password", signintest.Password)
	if !b.Page.Says("Support access") || !b.Shows(templates.OwnerPath+"/sign-out") {
		w.t.Fatalf("%s is not in: %d %s", username, b.Page.Status, b.Page.Text())
	}
	return b
}

var dana = credentials.Agent{Issuer: "https://sso.example", Subject: "dana", Name: "Dana Reed", Connector: "corp"}

// enter redeems a PIN as Dana.
func (w *world) enter(a credentials.Account, pin string) credentials.Session {
	w.t.Helper()
	agent := dana
	agent.AuthTime = w.clock.Now()
	s, err := (&credentials.Redeemer{Store: w.store, Hasher: w.hasher}).PIN(w.t.Context(), credentials.NewID(), agent, a.Handle, credentials.NewSecret(pin), "T-4711")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// use redeems a temporary login as Dana.
func (w *world) use(email, secret string) (credentials.Session, error) {
	agent := dana
	agent.AuthTime = w.clock.Now()
	return (&credentials.Redeemer{Store: w.store, Hasher: w.hasher}).Password(w.t.Context(), credentials.NewID(), &agent, email, credentials.NewSecret(secret), "")
}

// live reports whether a session lives.
func (w *world) live(s credentials.Session) bool {
	w.t.Helper()
	found, err := w.store.Session(w.t.Context(), s.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return !found.Ended()
}

// record is what stands in an account's record, as kinds, oldest first.
func (w *world) record(account string) (kinds []string) {
	w.t.Helper()
	entries, err := w.store.Record(w.t.Context(), account, credentials.RecordPage{Forward: true, Limit: 500})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// post sends a form as the page would, with the browser's cookies.
func post(b *signintest.Browser, path string, pairs ...string) {
	form := map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		form[pairs[i]] = append(form[pairs[i]], pairs[i+1])
	}
	b.Visit(http.MethodPost, b.Home+templates.OwnerPath+path, form)
}
