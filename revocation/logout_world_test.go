package revocation_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/revocation"
)

// office is one installation whose apps are called back.
type office struct {
	t       testing.TB
	dsn     string
	secrets *keys.Secrets
	clients map[string]store.Client
	store   *store.Store
	log     *testkit.Log
}

// newOffice opens a database; clients enforce what they say, and are called back
// unless that is nothing.
func newOffice(t testing.TB, dsn string, clients map[string]credentials.Enforces) *office {
	t.Helper()
	o := &office{t: t, dsn: dsn, clients: map[string]store.Client{}, log: &testkit.Log{}, secrets: keystest.Secrets(t)}
	for id, enforces := range clients {
		o.clients[id] = store.Client{Enforces: enforces, Logout: enforces != credentials.ByNothing}
	}
	o.store = o.open()
	return o
}

// open opens the database once more, as another node does, or this one after it
// died.
func (o *office) open() *store.Store {
	o.t.Helper()
	s, err := store.Open(context.Background(), store.Options{DSN: o.dsn, Secrets: o.secrets, Migrate: true, Access: 5 * time.Minute, Clients: o.clients, Now: time.Now})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(s.Close)
	return s
}

// enter opens a session of an hour, of which each client gets a token.
func (o *office) enter() credentials.Session {
	o.t.Helper()
	ctx, id := context.Background(), credentials.NewID()
	account := credentials.Account{ID: "acme", Connector: "customers", Name: "Acme", Handle: "ACME"}
	owner := credentials.Owner{Issuer: "https://id.example", Subject: "olivia", Name: "Olivia"}
	_, _, err := o.store.Mint(ctx, credentials.Minting{Account: account, Verifier: []byte("v"), Credential: credentials.Credential{
		ID: id, Account: account.ID, Policy: "login", Kind: credentials.Password, State: credentials.Live, Email: id + "@support.example",
		Scopes: []string{"documents.read"}, Minter: owner, RedeemWithin: 24 * time.Hour, Session: time.Hour, Idle: 24 * time.Hour}})
	if err != nil {
		o.t.Fatal(err)
	}
	found, err := o.store.Login(ctx, id+"@support.example")
	if err != nil {
		o.t.Fatal(err)
	}
	agent := credentials.Agent{Issuer: "https://sso.example", Subject: "dana", Name: "Dana", Connector: "corp", AuthTime: time.Now()}
	s, err := o.store.RedeemPassword(ctx, credentials.PasswordTry{Login: found, ID: credentials.NewID(), Agent: &agent, Right: true, SID: credentials.NewID()})
	if err != nil {
		o.t.Fatal(err)
	}
	for client := range o.clients {
		g := credentials.Grant{ID: credentials.NewID(), Account: account.ID, SID: s.ID, Client: client, Audience: "https://" + client + ".example/api",
			Scope: "documents.read", TokenID: credentials.NewID()}
		if _, err := o.store.Issue(ctx, g); err != nil {
			o.t.Fatal(err)
		}
	}
	return s
}

func (o *office) end(s credentials.Session) {
	o.t.Helper()
	if _, err := o.store.End(context.Background(), s.Account.ID, s.ID, credentials.CauseRevoked, credentials.Mark{Who: "owner"}); err != nil {
		o.t.Fatal(err)
	}
}

// receipts are the record's entries of what apps have said, as client, how and
// instances, in their order.
func (o *office) receipts() (out []string) {
	o.t.Helper()
	list, err := o.store.Record(context.Background(), "acme", credentials.RecordPage{Forward: true, Limit: 10000})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, e := range list {
		if e.Kind == credentials.RecordReceipt {
			out = append(out, fmt.Sprint(e.Facts["sid"], " ", e.Facts["client"], " ", e.Facts["how"], e.Facts["instances"]))
		}
	}
	slices.Sort(out)
	return out
}

// pending is how many apps are still to be called back.
func (o *office) pending() int {
	o.t.Helper()
	list, err := o.store.PendingLogouts(context.Background())
	if err != nil {
		o.t.Fatal(err)
	}
	return len(list)
}

// job is a node's job that calls apps back at these addresses.
type job struct {
	*revocation.Logouts
	outcomes chan string
	stop     context.CancelFunc
	ended    chan error
}

// run starts the job. It ends with the test.
func (o *office) run(s *store.Store, uris map[string]string, transport http.RoundTripper, change ...func(*revocation.Logouts)) *job {
	o.t.Helper()
	j := &job{outcomes: make(chan string, 10000), ended: make(chan error, 1)}
	j.Logouts = &revocation.Logouts{Store: s, URIs: uris, Transport: transport, Now: time.Now, Log: slog.New(slog.NewTextHandler(o.log, nil)),
		Token: func(_ context.Context, s credentials.Session, client string) (string, error) {
			return "token of " + s.ID + " for " + client + " " + credentials.NewID(), nil
		},
		Count: func(outcome string) { j.outcomes <- outcome }}
	for _, f := range change {
		f(j.Logouts)
	}
	var ctx context.Context
	ctx, j.stop = context.WithCancel(context.Background())
	o.t.Cleanup(j.stop)
	go func() { j.ended <- j.Run(ctx) }()
	return j
}

// await waits for the next outcomes.
func (j *job) await(t testing.TB, want ...string) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for i, w := range want {
		select {
		case got := <-j.outcomes:
			if got != w {
				t.Fatalf("outcome %d is %s, want %s", i, got, w)
			}
		case <-timeout.C:
			t.Fatalf("no outcome %d within %v, want %s", i, patience, w)
		}
	}
}

// halt stops the job and waits for its end.
func (j *job) halt(t testing.TB) {
	t.Helper()
	j.stop()
	if err := <-j.ended; err != nil {
		t.Fatal(err)
	}
}

// app is a relying app's address for logout tokens.
type app struct {
	*httptest.Server
	mu  sync.Mutex
	got []string // logout tokens
}

// newApp answers the nth call, from 1.
func newApp(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) *app {
	t.Helper()
	a := &app{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
			t.Errorf("%s %s as %q", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		if err := r.ParseForm(); err != nil || len(r.PostForm) != 1 || len(r.PostForm["logout_token"]) != 1 {
			t.Errorf("the form is %v (%v)", r.PostForm, err)
		}
		a.mu.Lock()
		a.got = append(a.got, r.PostForm.Get("logout_token"))
		n := len(a.got)
		a.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

// tokens are those that came, sorted.
func (a *app) tokens() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(slices.Values(a.got))
}

func status(code int) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
