package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/api"
	people "github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/scopes"
)

func TestMain(m *testing.M) { os.Exit(storetest.Migrated(m, store.Migrate)) }

const (
	docs  = "https://docs.example/api"
	creds = "/api/v1/accounts/acme/credentials"
)

// world is the API over a real database, with its clients.
type world struct {
	*testing.T
	api     *api.Handler
	dsn     string
	store   *store.Store
	secrets *keys.Secrets
	served  http.Handler
	callers map[string]api.Caller
	corp    *people.OIDC // the agents' company, where a test has one
	log     *testkit.Log
}

// onEach runs f against the API on each engine.
func onEach(t *testing.T, f func(*world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, dsn string) { f(newWorld(t, dsn)) })
}

// onSQLite runs f on the engine that costs least, for what no engine matters to.
func onSQLite(t *testing.T) *world {
	t.Helper()
	return newWorld(t, storetest.SQLite(t))
}

func newWorld(t *testing.T, dsn string) *world {
	t.Helper()
	secrets := keystest.Secrets(t)
	kept, err := store.Open(context.Background(), store.Options{DSN: dsn, Secrets: secrets, Migrate: true})
	must(t, err)
	t.Cleanup(kept.Close)
	w := &world{T: t, dsn: dsn, store: kept, secrets: secrets, callers: clients(), log: &testkit.Log{}}
	w.api = &api.Handler{
		Minter:       &credentials.Minter{Store: kept, Hasher: credentials.NewHasher(secrets.Pepper()), Catalogue: catalogue(t), Policies: policies()},
		Redeemer:     &credentials.Redeemer{Store: kept, Hasher: credentials.NewHasher(secrets.Pepper())},
		Sessions:     &credentials.Sessions{Store: kept, Now: time.Now},
		Store:        kept,
		Reader:       kept,
		Connectors:   connectors(),
		Authenticate: w.authenticate,
		OwnerToken:   ownerToken,
		ActorToken:   w.actorToken,
		Cursors:      secrets.Sealer("api cursor"),
		Now:          time.Now,
		Log:          slog.New(slog.NewTextHandler(w.log, nil)),
	}
	w.mount()
	return w
}

func (w *world) mount() {
	r := mux.NewRouter()
	w.api.Mount(r)
	w.served = r
}

func (w *world) authenticate(_ *http.Request, bearer string, _ bool) (api.Caller, error) {
	c, ok := w.callers[bearer]
	if !ok {
		return c, errors.New("MARKER: no such token")
	}
	return c, nil
}

// ownerToken knows the tokens "ID:<subject>:<account>:<role>".
func ownerToken(_ context.Context, connector, audience, token string) (api.OwnerProof, error) {
	parts := strings.Split(token, ":")
	switch {
	case token == "unreachable":
		return api.OwnerProof{}, errors.New("MARKER: the provider cannot be reached")
	case connector != "customers" || audience != "settings" || len(parts) != 4:
		return api.OwnerProof{}, api.ErrOwnerToken
	}
	proof := api.OwnerProof{Subject: parts[1], Account: parts[2]}
	if parts[3] != "" {
		proof.Claims = map[string][]string{"role": {parts[3]}, "plan": {"paid"}}
	}
	return proof, nil
}

// actorToken asks the agents' company, as the program does.
func (w *world) actorToken(ctx context.Context, audience, token string) (credentials.Agent, error) {
	if w.corp == nil || people.IssuerOf(token) != w.corp.Issuer {
		return credentials.Agent{}, api.ErrActorToken
	}
	p, err := w.corp.Actor(ctx, audience, token)
	if errors.Is(err, people.ErrIDToken) || errors.Is(err, people.ErrNotAllowed) {
		err = api.ErrActorToken
	}
	return p.Agent(), err
}

func clients() map[string]api.Caller {
	all := []string{"credentials.mint", "credentials.read", "credentials.revoke", "record.read"}
	return map[string]api.Caller{
		"settings": {Client: "settings", Scopes: all, Owners: "customers", OwnerProof: "trusted"},
		"proving":  {Client: "proving", Scopes: all, Owners: "customers", OwnerProof: "token", OwnerAudience: "settings"},
		"partners": {Client: "partners", Scopes: all, Owners: "partners", OwnerProof: "trusted"},
		"unproven": {Client: "unproven", Scopes: all, Owners: "customers"},
		"nobodys":  {Client: "nobodys", Scopes: all, OwnerProof: "trusted"},
		"lost":     {Client: "lost", Scopes: all, Owners: "gone", OwnerProof: "trusted"},
		"docs":     {Client: "docs-api", Audience: docs, Scopes: []string{"actions.write"}},
		"other":    {Client: "other-api", Audience: "https://other.example", Scopes: []string{"actions.write"}},
		"deaf":     {Client: "deaf", Scopes: []string{"actions.write"}},
		"nothing":  {Client: "nothing", Owners: "customers", Audience: docs},
		"console":  {Client: "console", Scopes: []string{"credentials.verify"}, ActorAudience: "valetkey-console"},
		"second":   {Client: "second", Scopes: []string{"credentials.verify"}, ActorAudience: "valetkey-console"},
		"blind":    {Client: "blind", Scopes: []string{"credentials.verify"}},
	}
}

func connectors() map[string]api.Connector {
	return map[string]api.Connector{
		"customers": {
			ID: "customers", Issuer: "https://login.example", Limited: true,
			Allow: []credentials.ClaimRule{{Claim: "plan", Values: []string{"paid"}}},
			May: []credentials.MayRule{
				{Claim: "role", Value: "owner", Scopes: []string{"*"}},
				{Claim: "role", Value: "user", Scopes: []string{"documents.read"}},
			},
		},
		"partners": {ID: "partners"},
	}
}

func catalogue(t *testing.T) *scopes.Catalogue {
	t.Helper()
	c, err := scopes.NewCatalogue([]scopes.Scope{
		{Name: "documents.read", Kind: scopes.View}, {Name: "documents.write", Kind: scopes.Change},
		{Name: "documents.delete", Kind: scopes.Delete}, {Name: "settings.write", Kind: scopes.Change},
	}, nil)
	must(t, err)
	return c
}

func policies() []credentials.Policy {
	pin := credentials.Policy{
		ID: "support-pin", Kind: credentials.PIN, Digits: 6, Uses: 1, Tries: 5, Session: 30 * time.Minute, Idle: 10 * time.Minute,
		RedeemWithin: []time.Duration{15 * time.Minute}, RedeemDefault: 15 * time.Minute,
		Scopes: []string{"documents.read", "settings.write"}, Mint: []credentials.ClaimRule{{Claim: "role", Values: []string{"owner"}}},
	}
	open := pin
	open.ID, open.Mint = "open-pin", nil
	phone := open
	phone.ID, phone.Digits, phone.Tries, phone.ContactBound = "phone-pin", 4, 3, true
	login := credentials.Policy{
		ID: "temporary-login", Kind: credentials.Password, EmailDomain: "support.example", Session: 8 * time.Hour, Idle: 30 * time.Minute,
		RedeemWithin: []time.Duration{time.Hour, 7 * 24 * time.Hour}, RedeemDefault: time.Hour,
		Scopes: []string{"documents.read", "documents.write"},
	}
	return []credentials.Policy{pin, open, phone, login}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reply is what came back.
type reply struct {
	*httptest.ResponseRecorder
	body map[string]any
}

// call sends a request as a client; body may be nil, a text, or anything JSON.
func (w *world) call(client, method, path string, body any, headers ...string) reply {
	w.Helper()
	text, is := body.(string)
	if !is && body != nil {
		b, err := json.Marshal(body)
		must(w, err)
		text = string(b)
	}
	r := httptest.NewRequest(method, path, strings.NewReader(text))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if client != "" {
		r.Header.Set("Authorization", "Bearer "+client)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.serve(r)
}

func (w *world) serve(r *http.Request) reply {
	w.Helper()
	rec := httptest.NewRecorder()
	w.served.ServeHTTP(rec, r)
	out := reply{ResponseRecorder: rec}
	if kind := rec.Header().Get("Content-Type"); strings.HasSuffix(kind, "json") && rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &out.body); err != nil {
			w.Errorf("%s %s: the body is not an object: %v: %s", r.Method, r.URL, err, rec.Body)
		}
	}
	if got := rec.Header().Get("Cache-Control"); got != "no-store" {
		w.Errorf("%s %s: Cache-Control is %q", r.Method, r.URL, got)
	}
	if rec.Code >= 400 && (rec.Header().Get("Content-Type") != "application/problem+json" ||
		out.body["status"] != float64(rec.Code) || out.text("type") == "" || out.text("title") == "") {
		w.Errorf("%s %s: no problem details: %d %s", r.Method, r.URL, rec.Code, rec.Body)
	}
	return out
}

func (r reply) text(name string) string {
	s, _ := r.body[name].(string)
	return s
}

func (r reply) items() []map[string]any {
	list, _ := r.body["items"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, item := range list {
		m, _ := item.(map[string]any)
		out = append(out, m)
	}
	return out
}

// want ends the test at any other status.
func (w *world) want(r reply, status int) reply {
	w.Helper()
	if r.Code != status {
		w.Fatalf("status is %d, want %d: %s", r.Code, status, r.Body)
	}
	return r
}

// mintBody is a mint that works, with changes: "owner.sub" names a member of
// owner, and nil removes.
func mintBody(changes ...any) map[string]any {
	owner := map[string]any{
		"sub": "u-1", "name": "Olivia Owner", "email": "olivia@acme.example",
		"claims": map[string]any{"role": "owner", "plan": []string{"paid"}, "age": 41, "vip": true},
	}
	body := map[string]any{"policy": "support-pin", "account_name": "Acme", "handle": "ACME-1", "owner": owner}
	for i := 0; i < len(changes); i += 2 {
		at, name := body, changes[i].(string)
		if member, found := strings.CutPrefix(name, "owner."); found {
			at, name = owner, member
		}
		if changes[i+1] == nil {
			delete(at, name)
			continue
		}
		at[name] = changes[i+1]
	}
	return body
}

// opened redeems a PIN that was minted and says that docs got a token of it.
func (w *world) opened(pin, handle string) credentials.Session {
	w.Helper()
	redeemer := &credentials.Redeemer{Store: w.store, Hasher: w.api.Minter.Hasher}
	agent := credentials.Agent{
		Issuer: "https://sso.example", Subject: "sam", Name: "Sam Rivera", Connector: "corp", AuthTime: time.Now(), AMR: []string{"mfa"},
	}
	s, err := redeemer.PIN(w.Context(), credentials.NewID(), agent, handle, credentials.NewSecret(pin), "looking into ticket 4711")
	must(w, err)
	_, err = w.store.Issue(w.Context(), credentials.Grant{
		ID: credentials.NewID(), Account: s.Account.ID, SID: s.ID, Client: "docs", Audience: docs, Scope: "documents.read", TokenID: credentials.NewID(),
	})
	must(w, err)
	return s
}
