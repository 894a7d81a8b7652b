package provider_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
)

const (
	issuer    = "https://access.example"
	docsAPI   = "https://docs.example/api"
	callback  = "https://docs.example/callback"
	bye       = "https://docs.example/bye"
	byeTenant = "https://docs.example/bye?tenant=1"
	verifier  = "a-verifier-that-is-long-enough-for-rfc-7636-0123"
)

// library is what zitadel/oidc logs, for all tests together.
var library = &testkit.Log{}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(library, nil)))
	os.Exit(storetest.Migrated(m, store.Migrate))
}

// world is a provider over a real database whose pages approve everything with
// the session that the test puts there.
type world struct {
	testing.TB
	p        *provider.Provider
	store    *store.Store
	secrets  *keys.Secrets
	minter   *credentials.Minter
	redeemer *credentials.Redeemer
	passed   atomic.Int64 // how far the clock is ahead, in nanoseconds
	frozen   atomic.Pointer[time.Time]
	log      *testkit.Log
	named    atomic.Pointer[string] // the client that the log was last told of
	served   http.Handler
	session  *credentials.Session // what the pages enter with; nil: they answer 200
	asked    []provider.Request   // what reached the pages
	leaving  []provider.Logout    // who is to be signed out
}

func (w *world) now() time.Time {
	if at := w.frozen.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(w.passed.Load()))
}
func (w *world) freeze(at time.Time)  { w.frozen.Store(&at) }
func (w *world) pass(d time.Duration) { w.passed.Add(int64(d)) }

// must ends the test; it is a testing.TB or a rapid.T.
func must(t interface {
	Helper()
	Fatal(...any)
}, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB, change ...func(*provider.Provider)) *world {
	t.Helper()
	return newNode(t, storetest.SQLite(t), keystest.Secrets(t), change...)
}

// newNode is a node of an installation with this database and these secrets.
func newNode(t testing.TB, dsn string, secrets *keys.Secrets, change ...func(*provider.Provider)) *world {
	t.Helper()
	w := &world{TB: t, log: &testkit.Log{}, secrets: secrets}
	var err error
	w.store, err = store.Open(context.Background(), store.Options{DSN: dsn, Secrets: w.secrets, Migrate: true, Now: w.now})
	must(t, err)
	t.Cleanup(w.store.Close)
	hasher := credentials.NewHasher(w.secrets.Pepper())
	w.minter = &credentials.Minter{Store: w.store, Hasher: hasher, Catalogue: catalogue(t), Policies: policies()}
	w.redeemer = &credentials.Redeemer{Store: w.store, Hasher: hasher}
	w.p = &provider.Provider{
		Issuer: issuer, Clients: clients(), Catalogue: w.minter.Catalogue, Store: w.store,
		Requests: w.secrets.Sealer("authorization request"), Codes: w.secrets.Sealer("authorization code"), Pushes: w.secrets.Sealer("pushed request"),
		Access: 5 * time.Minute, Code: time.Minute, Now: w.now, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Browser:  func(http.ResponseWriter, *http.Request) string { return "browser-1" },
		Interact: w.interact, SignOut: w.signOut,
		OfClient: func(_ context.Context, id string) { w.named.Store(&id) },
		Fail: func(rw http.ResponseWriter, _ *http.Request, status int, text string) {
			http.Error(rw, "page: "+text, status)
		},
		FormPost: func(rw http.ResponseWriter, _ *http.Request, a provider.Request, params url.Values) {
			rw.Header().Set("X-Posted-To", a.RedirectURI)
			_, _ = io.WriteString(rw, params.Encode())
		},
	}
	for _, f := range change {
		f(w.p)
	}
	w.p.Ring, err = w.store.Ring(context.Background(), w.p.IDTokenAlgs())
	must(t, err)
	w.through(w.store)
	return w
}

// through serves the provider over this store.
func (w *world) through(s credentials.Store) {
	w.p.Store, w.p.Sessions = s, &credentials.Sessions{Store: s, Now: w.now}
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	w.p.Mount(r)
	w.served = r
}

func (w *world) interact(rw http.ResponseWriter, r *http.Request, a provider.Request) {
	w.asked = append(w.asked, a)
	if w.session != nil {
		w.p.Finish(rw, r, a, *w.session)
	}
}

// signOut goes back to the app at once, where it can.
func (w *world) signOut(rw http.ResponseWriter, r *http.Request, a provider.Logout) {
	w.leaving = append(w.leaving, a)
	if !w.p.SignedOut(rw, r, a) {
		http.Error(rw, "page: "+a.Refused, http.StatusTeapot)
	}
}

func catalogue(t testing.TB) *scopes.Catalogue {
	t.Helper()
	c, err := scopes.NewCatalogue([]scopes.Scope{
		{Name: "documents.read", Kind: scopes.View}, {Name: "documents.write", Kind: scopes.Change},
		{Name: "documents.delete", Kind: scopes.Delete}, {Name: "documents.export", Kind: scopes.View},
		{Name: "settings.write", Kind: scopes.Change}, {Name: "billing.read", Kind: scopes.Billing},
		{Name: "keys.write", Kind: scopes.Credentials}, {Name: "people.invite", Kind: scopes.Access},
	}, []string{"*.export"})
	must(t, err)
	return c
}

func policies() []credentials.Policy {
	login := credentials.Policy{
		ID: "login", Kind: credentials.Password, EmailDomain: "support.example", Session: 8 * time.Hour, Idle: time.Hour,
		RedeemWithin: []time.Duration{24 * time.Hour}, RedeemDefault: 24 * time.Hour, Scopes: []string{"documents.read", "documents.write", "settings.write"},
	}
	holder, pin := login, login
	holder.ID, holder.Holder = "holder", true
	pin.ID, pin.Kind, pin.Digits, pin.Uses, pin.Tries, pin.Session, pin.Idle = "pin", credentials.PIN, 6, 1, 5, 30*time.Minute, 10*time.Minute
	return []credentials.Policy{login, holder, pin}
}

func clients() map[string]*provider.Client {
	list := []*provider.Client{
		{ID: "docs", Name: "Docs", Secret: "docs-secret-0123456789", RedirectURIs: []string{callback, callback + "?tenant=1"}, AfterLogout: []string{bye, byeTenant}, Audience: docsAPI,
			Scopes: scopes.Patterns{"documents.*", "billing.*"}, Grants: []string{"authorization_code", "refresh_token"}, Subject: "guest",
			Claims: []string{"name"}, IDTokenAlg: "ES256", Origins: []string{"https://spa.example"}},
		{ID: "spa", Name: "Single page", Public: true, RedirectURIs: []string{"https://spa.example/cb"}, Audience: "https://spa.example/api",
			Scopes: scopes.Patterns{"*"}, Grants: []string{"authorization_code", "refresh_token"}, Subject: "account", IDTokenAlg: "ES256"},
		{ID: "notes", Name: "Notes", Secret: "notes+secret/%41&=0123", RedirectURIs: []string{"https://notes.example/cb"}, Audience: "https://notes.example/api",
			Scopes: scopes.Patterns{"*.read", "settings.write"}, Grants: []string{"authorization_code"}, Subject: "owner", Claims: []string{"name", "email"}, IDTokenAlg: "ES256"},
		{ID: "settings", Name: "Settings", Secret: "settings-secret-0123456789", Audience: "settings", Grants: []string{"client_credentials"},
			RedirectURIs: []string{"https://settings.example/cb"}, API: []string{"credentials.mint", "credentials.read"}},
		{ID: "docs-api", Name: "Docs API", Secret: "docs-api-secret-0123456789", Audience: docsAPI, Grants: []string{"client_credentials"}, API: []string{"actions.write"}},
	}
	out := map[string]*provider.Client{}
	for _, c := range append(list, keyed()...) {
		out[c.ID] = c
	}
	return out
}

func sam(now time.Time) credentials.Agent {
	return credentials.Agent{Issuer: "https://sso.example", Subject: "sam", Name: "Sam Rivera", Email: "sam@corp.example", Connector: "corp", AuthTime: now, AMR: []string{"pwd", "otp"}}
}

// mint makes a credential of the account acme.
func (w *world) mint(policy string, lent ...string) credentials.Minted {
	w.Helper()
	m, err := w.minter.Mint(context.Background(), credentials.MintRequest{
		Account: credentials.Account{ID: "acme", Connector: "customers", Name: "Acme", Handle: "ACME-1"}, Policy: policy, Scopes: lent,
		Owner: credentials.Owner{Issuer: "https://id.example", Subject: "olivia", Name: "Olivia"}, By: credentials.Mark{Who: "owner"},
	})
	must(w, err)
	return m
}

// redeem opens a session with it, as this agent unless it is a holder's.
func (w *world) redeem(m credentials.Minted, agent credentials.Agent) credentials.Session {
	w.Helper()
	ctx, who := context.Background(), &agent
	var s credentials.Session
	var err error
	if m.Holder {
		who = nil
	}
	if m.Kind == credentials.PIN {
		s, err = w.redeemer.PIN(ctx, credentials.NewID(), agent, "ACME-1", m.Secret, "ticket 1")
	} else {
		s, err = w.redeemer.Password(ctx, credentials.NewID(), who, m.Email, m.Secret, "ticket 1")
	}
	must(w, err)
	return s
}

// open mints by the policy and redeems: a real session of Sam's.
func (w *world) open(policy string, lent ...string) credentials.Session {
	w.Helper()
	return w.redeem(w.mint(policy, lent...), sam(w.now()))
}

func challenge(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// form builds parameters; an even number of texts.
func form(pairs ...string) url.Values {
	out := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		out.Add(pairs[i], pairs[i+1])
	}
	return out
}

// request is an authorization request of the client that works.
func (w *world) request(client string, pairs ...string) url.Values {
	q := form("client_id", client, "redirect_uri", w.p.Clients[client].RedirectURIs[0], "response_type", "code", "state", "st",
		"scope", "openid email documents.read", "nonce", "n-1", "code_challenge", challenge(verifier), "code_challenge_method", "S256")
	for i := 0; i < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "\x00" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// reply is what came back.
type reply struct {
	*httptest.ResponseRecorder
	body map[string]any
}

func (r reply) text(name string) string { s, _ := r.body[name].(string); return s }

// location is where the browser is sent, with its parameters.
func (r reply) location() (string, url.Values) {
	u, err := url.Parse(r.Header().Get("Location"))
	if err != nil {
		return "", nil
	}
	q := u.Query()
	u.RawQuery = ""
	return u.String(), q
}

func (w *world) serve(r *http.Request) reply {
	rec := httptest.NewRecorder()
	w.served.ServeHTTP(rec, r)
	out := reply{ResponseRecorder: rec}
	_ = json.Unmarshal(rec.Body.Bytes(), &out.body)
	return out
}

func (w *world) get(path string, q url.Values) reply {
	return w.serve(httptest.NewRequest(http.MethodGet, path+"?"+q.Encode(), nil))
}

func plainPost(path string, f url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// post sends the form as the client, in its way to authenticate.
func (w *world) post(path, client string, f url.Values) reply {
	c := w.p.Clients[client]
	if c.Public {
		f.Set("client_id", c.ID)
		return w.serve(plainPost(path, f))
	}
	if len(c.Keys) > 0 {
		return w.serve(plainPost(path, w.asserted(c.ID, f)))
	}
	r := plainPost(path, f)
	r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	return w.serve(r)
}

func (w *world) userinfo(token string) reply {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return w.serve(r)
}

// code goes through authorize and returns the code.
func (w *world) code(client string, s credentials.Session, pairs ...string) string {
	w.Helper()
	w.session = &s
	defer func() { w.session = nil }()
	_, q := w.get("/authorize", w.request(client, pairs...)).location()
	if q.Get("code") == "" {
		w.Fatalf("no code: %v", q)
	}
	return q.Get("code")
}

func (w *world) exchange(client, code string) url.Values {
	return form("grant_type", "authorization_code", "code", code, "redirect_uri", w.p.Clients[client].RedirectURIs[0], "code_verifier", verifier)
}

// tokens goes through the whole flow.
func (w *world) tokens(client string, s credentials.Session, pairs ...string) reply {
	w.Helper()
	r := w.post("/token", client, w.exchange(client, w.code(client, s, pairs...)))
	if r.Code != http.StatusOK {
		w.Fatalf("token: %d %s", r.Code, r.Body)
	}
	return r
}

// claims opens a token with the provider's own keys.
func (w *world) claims(raw string, purpose keys.Purpose, typ string) map[string]any {
	w.Helper()
	payload, err := w.p.Ring.Verify(raw, purpose, typ)
	must(w, err)
	var out map[string]any
	must(w, json.Unmarshal(payload, &out))
	return out
}

const inactive = `{"active":false}`

func (w *world) introspect(client, token string) string {
	r := w.post("/introspect", client, form("token", token))
	if r.Code != http.StatusOK {
		w.Errorf("introspect: %d %s", r.Code, r.Body)
	}
	return strings.TrimSpace(r.Body.String())
}

// alive reports whether the session lives.
func (w *world) alive(sid string) bool {
	_, err := w.p.Sessions.Live(context.Background(), sid)
	return err == nil
}
