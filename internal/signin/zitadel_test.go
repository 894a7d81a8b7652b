package signin_test

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// exampleSecret is that of every client of the example issuer.
const exampleSecret = "example-secret"

// example is the storage of an issuer that nobody here wrote, with clients that
// are registered while it runs.
type example struct {
	*storage.Storage

	mu      sync.Mutex
	clients map[string]*storage.Client
}

var errNoClient = errors.New("there is no such client")

// GetClientByClientID implements op.Storage.
func (e *example) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.clients[id]; c != nil {
		return storage.RedirectGlobsClient(c), nil
	}
	return nil, errNoClient
}

// AuthorizeClientIDSecret implements op.Storage.
func (e *example) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clients[id] == nil || subtle.ConstantTimeCompare([]byte(secret), []byte(exampleSecret)) != 1 {
		return errNoClient
	}
	return nil
}

// SetUserinfoFromScopes implements op.Storage, for ID tokens.
func (e *example) SetUserinfoFromScopes(ctx context.Context, info *oidc.UserInfo, user, client string, scopes []string) error {
	info.AppendClaims("groups", []string{"support"})
	return e.Storage.SetUserinfoFromScopes(ctx, info, user, client, scopes)
}

func (e *example) register(id, redirect string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clients[id] = storage.WebClient(id, exampleSecret, redirect)
}

// zitadel runs the library's example issuer, once: it writes to globals when it
// is set up.
var zitadel = sync.OnceValues(func() (*example, string) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // it logs each request
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	e := &example{Storage: storage.NewStorage(storage.NewUserStore(server.URL)), clients: map[string]*storage.Client{}}
	handler = exampleop.SetupServer(server.URL, e, nil, false)
	return e, server.URL
})

// TestARealIssuer walks through the pages of an issuer that nobody here wrote,
// in two tabs at once, and is renewed by it only with a word to the person.
func TestARealIssuer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.clock.Follow() // as the issuer's does, which is not ours to stop
	e, at := zitadel()
	id := "valetkey-" + credentials.NewID()
	c := h.oidc("corp", agentsPath)
	c.Issuer, c.ClientID, c.ClientSecret = at, id, credentials.NewSecret(exampleSecret)
	e.register(id, c.RedirectURI)
	h.agents.Connectors = []connectors.Connector{c}

	first := signintest.NewBrowser(t, h.url(""), &h.tape, at)
	second := first.Tab()
	first.Get(h.agents.begin(first, errand{Name: "one"}))
	second.Get(h.agents.begin(second, errand{Name: "two"}))
	for name, tab := range map[string]*signintest.Browser{"one": first, "two": second} {
		tab.Submit("username", "username", "test-user@127.0.0.1", "password", "verysecure")
		h.signedIn(tab, "id1", name)
	}
	first.Get(h.agents.begin(first, errand{Name: "renewed"}) + "&renew=1")
	h.signedIn(first, "id1", "renewed")
	if n := h.agents.unrenewed.Load(); n != 1 {
		t.Errorf("not renewed %d times, want once: this issuer keeps no sessions", n)
	}
	asked := h.clock.Now()
	first.Get(h.agents.begin(first, errand{Name: "again", Again: true}) + "&ask=1")
	first.Submit("username", "username", "test-user@127.0.0.1", "password", "verysecure")
	h.signedIn(first, "id1", "again")
	if shown, _ := h.proof(first); shown.Before(asked) {
		t.Errorf("asked at %s, the proof is of %s", asked, shown)
	}
}
