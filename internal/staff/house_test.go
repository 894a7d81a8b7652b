package staff

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
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
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
	"github.com/valetkey/valetkey/templates"
)

// What the staff sign in with. Sam has a second factor, Bob may not sign in.
const (
	staffPassword = signintest.Password
	samTOTP       = signintest.TOTP
)

// house is a broker with a real database, served to real browsers of ours.
type house struct {
	t       *testing.T
	clock   *signintest.Clock
	dsn     string
	secrets *keys.Secrets
	store   *store.Store
	faults  *signintest.Faults // what the pages see of the store
	minter  *credentials.Minter
	handler *Handler
	server  *httptest.Server
	log     *testkit.Log

	tape signintest.Tape // everything that was answered

	pin, login credentials.Minted // of acme, where a test has set them
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseOn(t, storetest.SQLite(t))
}

func newHouseOn(t *testing.T, dsn string) *house {
	t.Helper()
	h := &house{t: t, clock: &signintest.Clock{}, dsn: dsn, log: &testkit.Log{}}
	log := slog.New(web.LogAttrs{Handler: slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})})
	secrets := keystest.Secrets(t)
	h.secrets = secrets
	var err error
	if h.store, err = store.Open(t.Context(), store.Options{DSN: h.dsn, Secrets: secrets, Migrate: true, Now: h.clock.Now, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.store.Close)
	h.clock.Stop()
	h.faults = &signintest.Faults{Store: h.store}
	hasher := credentials.NewHasher(secrets.Pepper())
	catalogue := newCatalogue(t)
	h.minter = &credentials.Minter{Store: h.store, Hasher: hasher, Catalogue: catalogue, Policies: policies()}
	set, err := templates.New(templates.Brand{Product: "Northwind Docs"})
	if err != nil {
		t.Fatal(err)
	}
	sessions := &credentials.Sessions{Store: h.faults, Now: h.clock.Now}
	h.handler = &Handler{
		Redeemer: &credentials.Redeemer{Store: h.faults, Hasher: hasher}, Sessions: sessions, Store: h.faults, Catalogue: catalogue,
		Holder: true, Pages: &web.Pages{Set: set, Log: log}, Cookies: &web.Cookies{Sealer: secrets.Sealer("cookie"), Insecure: true},
		Answers: secrets.Sealer("verification"), PolicyName: func(id string) string { return "policy " + id }, Now: h.clock.Now, Log: log,
	}
	h.handler.Door = &signin.Door{
		Cookie: "agent", Path: "/sign-in", Life: 8 * time.Hour, Pages: h.handler.Pages, Cookies: h.handler.Cookies, Now: h.clock.Now, Log: log,
		Proofs: secrets.Sealer("sign-in proof"), Trips: secrets.Sealer("sign-in trip"), Refused: "Your account is not one of those that may give support.",
	}
	h.serve(secrets, catalogue, sessions, log, hasher)
	return h
}

// serve wires provider and pages together as the program does.
func (h *house) serve(secrets *keys.Secrets, catalogue *scopes.Catalogue, sessions *credentials.Sessions, log *slog.Logger, hasher *credentials.Hasher) {
	h.t.Helper()
	h.server = httptest.NewUnstartedServer(nil)
	issuer := "http://" + h.server.Listener.Addr().String()
	p := &provider.Provider{
		Issuer: issuer, Clients: clients(), Catalogue: catalogue, Store: h.faults, Sessions: sessions,
		Requests: secrets.Sealer("authorization request"), Codes: secrets.Sealer("authorization code"), Pushes: secrets.Sealer("pushed request"),
		Access: 5 * time.Minute, Code: time.Minute, Now: h.clock.Now, Log: log,
		Browser: h.handler.Cookies.Browser, OfClient: web.OfClient, Fail: h.handler.Pages.Fail, Interact: h.handler.Begin,
		FormPost: func(w http.ResponseWriter, r *http.Request, a provider.Request, params url.Values) {
			h.handler.Pages.FormPost(w, r, a.RedirectURI, a.Client, params)
		},
		SignOut: h.handler.SignOut,
	}
	var err error
	if p.Ring, err = h.store.Ring(h.t.Context(), p.IDTokenAlgs()); err != nil {
		h.t.Fatal(err)
	}
	h.handler.Provider = p
	support := map[string][]string{"groups": {"support"}}
	h.handler.Door.Connectors = []connectors.Connector{&connectors.Local{
		ID: "local", Name: "Local people", Issuer: issuer, MaxAge: 15 * time.Minute, Hasher: hasher,
		Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}},
		Tries: &connectors.Tries{Now: h.clock.Now}, OTP: h.faults, Now: h.clock.Now,
		People: []connectors.Person{
			{Username: "sam", Name: "Sam Rivera", Claims: support, PasswordHash: signintest.PasswordHash, TOTP: samTOTP},
			{Username: "dana", Name: "Dana R.", Claims: support, PasswordHash: signintest.PasswordHash},
			{Username: "erin", Name: "Erin S.", Claims: support, PasswordHash: signintest.PasswordHash},
			{Username: "bob", Name: "Bob", PasswordHash: signintest.PasswordHash},
		},
	}}
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	quietly(func() { p.Mount(r) })
	h.handler.Mount(r)
	h.server.Config.Handler = h.handler.Pages.Visitor(nil, r)
	h.server.Start()
	h.t.Cleanup(h.server.Close)
}

// quietly keeps what the library says of its routes out of the tests' output.
func quietly(f func()) {
	mounting.Lock()
	defer mounting.Unlock()
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(before)
	f()
}

var mounting sync.Mutex

func newCatalogue(t *testing.T) *scopes.Catalogue {
	t.Helper()
	c, err := scopes.NewCatalogue([]scopes.Scope{
		{Name: "documents.read", Label: "View documents", Kind: "view"},
		{Name: "settings.write", Label: "Change settings", Kind: "change"},
		{Name: "billing.read", Label: "See invoices and cards", Kind: "billing"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func policies() []credentials.Policy {
	lent := []string{"documents.read", "settings.write"}
	pin := credentials.Policy{ID: "support-pin", Name: "Support PIN", Kind: credentials.PIN, Digits: 6, Uses: 1, Tries: 5,
		RedeemWithin: []time.Duration{15 * time.Minute}, RedeemDefault: 15 * time.Minute, Session: 30 * time.Minute, Idle: 10 * time.Minute, Scopes: lent}
	login := credentials.Policy{ID: "temporary-login", Name: "Temporary login", Kind: credentials.Password, EmailDomain: "support.northwind.example",
		RedeemWithin: []time.Duration{4 * time.Hour}, RedeemDefault: 4 * time.Hour, Session: 8 * time.Hour, Idle: 30 * time.Minute, Scopes: lent}
	holder := login
	holder.ID, holder.Holder = "holder-login", true
	phone := pin
	phone.ID, phone.Name, phone.Digits, phone.Tries, phone.ContactBound = "phone-pin", "Phone PIN", 4, 3, true
	return []credentials.Policy{pin, login, holder, phone}
}

func clients() map[string]*provider.Client {
	out := map[string]*provider.Client{}
	for id, callback := range callbacks {
		out[id] = &provider.Client{ID: id, Name: "Northwind " + id, Public: true, RedirectURIs: []string{callback},
			AfterLogout: []string{byes[id]},
			Audience:    "https://" + id + ".example/api", Scopes: scopes.Patterns{"documents.*", "settings.*"},
			Grants: []string{"authorization_code"}, Subject: "guest", Claims: []string{"name"}, IDTokenAlg: "ES256"}
	}
	return out
}

// callbacks are where apps are called back. Nobody listens there: the tests'
// browser stops before it follows.
var callbacks = map[string]string{"docs": "http://127.0.0.1:4711/callback", "files": "http://127.0.0.1:4712/callback"}

// byes are where apps go on after signing out.
var byes = map[string]string{"docs": "http://127.0.0.1:4711/bye", "files": "http://127.0.0.1:4712/bye?x=1"}

// Accounts that credentials are minted for.
var (
	acme   = credentials.Account{ID: "acme", Connector: "customers", Name: "Acme Corp", Handle: "AC-100"}
	globex = credentials.Account{ID: "globex", Connector: "customers", Name: "Globex", Handle: "GX-200"}
)

// mint makes a credential of an account.
func (h *house) mint(a credentials.Account, policy string, change ...func(*credentials.MintRequest)) credentials.Minted {
	h.t.Helper()
	r := credentials.MintRequest{Account: a, Policy: policy, Scopes: []string{"documents.read"},
		Owner: credentials.Owner{Issuer: "https://id.example", Subject: "olivia", Name: "Olivia Owner"}}
	for _, f := range change {
		f(&r)
	}
	m, err := h.minter.Mint(h.t.Context(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}
