package revocation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/revocation"
)

const (
	docs    = "https://docs.example/api"
	metrics = "https://metrics.example/api"
)

// place is an installation: a database, its secrets and keys, and the issuer.
type place struct {
	t       *testing.T
	dsn     string
	secrets *keys.Secrets
	ring    *keys.Ring
	issuer  string
	pushed  []string // the addresses that docs-api may have events pushed to
	n       int
}

// node is a process of it.
type node struct {
	*place
	at    string
	store *store.Store
	ssf   *revocation.SSF
	logs  *testkit.Log
	stop  func() // as a crash does: nothing is finished, but what is being written
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inEach runs f for an installation over each engine.
func inEach(t *testing.T, f func(t *testing.T, p *place)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) { f(t, newPlace(t, dsn)) })
}

func newPlace(t *testing.T, dsn string) *place {
	t.Helper()
	p := &place{t: t, dsn: dsn, secrets: keystest.Secrets(t)}
	var list []*keys.SigningKey
	for purpose, alg := range map[keys.Purpose]string{keys.ForAccess: "ES256", keys.ForID: "RS256"} {
		k, err := keys.NewSigningKey(purpose, alg, time.Now())
		must(t, err)
		list = append(list, k)
	}
	var err error
	p.ring, err = keys.NewRing(list)
	must(t, err)
	return p
}

// start runs a node. idle: its jobs do not run.
func (p *place) start(idle bool, change ...func(*revocation.SSF)) *node {
	p.t.Helper()
	n := &node{place: p, logs: &testkit.Log{}}
	var err error
	n.store, err = store.Open(p.t.Context(), store.Options{DSN: p.dsn, Secrets: p.secrets, Migrate: true, Access: 5 * time.Minute})
	must(p.t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(p.t, err)
	n.at = "http://" + listener.Addr().String()
	if p.issuer == "" {
		p.issuer = n.at
	}
	log := slog.New(slog.NewTextHandler(n.logs, nil))
	endings := revocation.NewLog(n.store, 50*time.Millisecond, time.Now, log)
	n.ssf = &revocation.SSF{
		Issuer: p.issuer, KeysURI: p.issuer + "/jwks", Store: n.store, View: endings.View, Authenticate: authenticate, Subject: n.subject,
		Sign:    func(payload []byte) (string, error) { return p.ring.Sign(keys.ForID, "RS256", keys.TypEvent, payload) },
		Headers: p.secrets.Sealer("test"), Client: revocation.NewPushClient(), Logger: log, Most: revocation.SSFMost, Keep: revocation.SSFKeep,
		Receivers: map[string]revocation.Receiver{
			"docs-api": {Audience: docs, PushURIs: p.pushed}, "docs-two": {Audience: docs}, "metrics-api": {Audience: metrics}, "settings": {},
		},
	}
	for _, f := range change {
		f(n.ssf)
	}
	mux := http.NewServeMux()
	mux.Handle("/", n.ssf.Handler())
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(p.ring.Public()) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	ctx, cancel := context.WithCancel(context.Background())
	var jobs sync.WaitGroup
	jobs.Go(func() { _ = server.Serve(listener) })
	if !idle {
		jobs.Go(func() { _ = endings.Run(ctx) })
		jobs.Go(func() { _ = n.ssf.Run(ctx) })
	}
	n.stop = sync.OnceFunc(func() {
		cancel()
		_ = server.Close()
		jobs.Wait()
		n.store.Close()
	})
	p.t.Cleanup(n.stop)
	return n
}

// authenticate takes tokens of the form client.scope.scope.
func authenticate(r *http.Request) (string, []string, error) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	client, scopes, ok := strings.Cut(bearer, "~")
	switch {
	case bearer == "unproven":
		return "", nil, &revocation.Unproven{Text: "the access token is bound to a key", Challenge: `DPoP error="use_dpop_nonce"`, Nonce: "n-1"}
	case bearer == "undecided":
		return "", nil, errors.Join(revocation.ErrUndecided, errors.New("MARKER"))
	case !ok:
		return "", nil, errors.New("no token of ours")
	}
	return client, strings.Split(scopes, "~"), nil
}

// subject is what the provider says: here, the same at every app.
func (n *node) subject(ctx context.Context, audience, sid string) (string, error) {
	s, err := n.store.Session(ctx, sid)
	return "guest:" + s.Credential + "@" + audience, err
}

// session opens a session of which these audiences hold tokens.
func (n *node) session(audiences ...string) credentials.Session {
	n.t.Helper()
	n.n++
	ctx, id := n.t.Context(), fmt.Sprintf("acme%d", n.n)
	c := credentials.Credential{ID: credentials.NewID(), Account: id, Policy: "temporary-login", Kind: credentials.Password, State: credentials.Live,
		Scopes: []string{"documents.read"}, Email: id + "@x.example", RedeemWithin: 4 * time.Hour, Session: time.Hour, Idle: 30 * time.Minute,
		Minter: credentials.Owner{Issuer: "i", Subject: "o"}}
	account := credentials.Account{ID: id, Connector: "c", Name: id, Handle: id}
	_, _, err := n.store.Mint(ctx, credentials.Minting{Account: account, Credential: c, Verifier: []byte("v"), By: credentials.Mark{Who: "owner"}})
	must(n.t, err)
	login, err := n.store.Login(ctx, c.Email)
	must(n.t, err)
	agent := credentials.Agent{Issuer: "i", Subject: "a", Name: "Dana Secretive"}
	s, err := n.store.RedeemPassword(ctx, credentials.PasswordTry{Login: login, ID: "p", Agent: &agent, Right: true, SID: credentials.NewID(), Reason: "a secret reason"})
	must(n.t, err)
	for _, audience := range audiences {
		_, err := n.store.Issue(ctx, credentials.Grant{ID: credentials.NewID(), Account: id, SID: s.ID, Client: "app of " + audience, Audience: audience,
			Scope: "documents.read", TokenID: credentials.NewID()})
		must(n.t, err)
	}
	return s
}

// end ends a session.
func (n *node) end(s credentials.Session, cause credentials.Cause) credentials.Session {
	n.t.Helper()
	s, err := n.store.End(n.t.Context(), s.Account.ID, s.ID, cause, credentials.Mark{Who: "owner"})
	must(n.t, err)
	return s
}

// ended opens and ends a session of an audience, and returns its sid.
func (n *node) ended(audiences ...string) string {
	n.t.Helper()
	return n.end(n.session(audiences...), credentials.CauseRevoked).ID
}
