package e2e

import (
	"context"
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
)

// anyPassword is what people type at their own issuers.
const anyPassword = "a password that valetkey never sees"

// customers are the people of the product's customer accounts, by their sub,
// with what their issuer says of them.
var customers = map[string]map[string]any{
	"olivia": {"name": "Olivia Owner", "account_id": acme.id, "account_name": acme.name, "account_number": acme.handle, "role": "owner"},
	"uma":    {"name": "Uma User", "account_id": acme.id, "account_name": acme.name, "account_number": acme.handle, "role": "user"},
	"nobody": {"name": "Nils Nobody", "account_id": acme.id, "account_name": acme.name, "account_number": acme.handle, "role": "guest"},
	"walter": {"name": "Walter Without", "account_name": acme.name, "account_number": acme.handle, "role": "owner"},
}

// zitadel is an OpenID Provider that nobody here wrote: the library's example,
// with people and clients of the tests. Its setup writes to globals, so there is
// one for all tests.
type zitadel struct {
	*storage.Storage
	url string

	mu      sync.Mutex
	clients map[string]*storage.Client
	secrets map[string]string
}

var _ exampleop.Storage = (*zitadel)(nil)

var zitadelOnce = sync.OnceValue(func() *zitadel {
	z := &zitadel{clients: map[string]*storage.Client{}, secrets: map[string]string{}}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	z.url, z.Storage = server.URL, storage.NewStorageWithClients(roll{}, nil)
	handler = exampleop.SetupServer(z.url, z, slog.New(slog.DiscardHandler), false)
	return z
})

// register adds a client, while others are served.
func (z *zitadel) register(t testing.TB, id, secret, redirectURI string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.clients[id], z.secrets[id] = storage.WebClient(id, secret, redirectURI), secret
}

// GetClientByClientID implements op.Storage.
func (z *zitadel) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if client := z.clients[id]; client != nil {
		return client, nil
	}
	return nil, errors.New("client not found")
}

// AuthorizeClientIDSecret implements op.Storage.
func (z *zitadel) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.clients[id] == nil || z.secrets[id] != secret {
		return errors.New("invalid secret")
	}
	return nil
}

// SetUserinfoFromScopes implements op.Storage, for ID tokens.
func (z *zitadel) SetUserinfoFromScopes(ctx context.Context, info *oidc.UserInfo, user, client string, scopes []string) error {
	for name, value := range customers[user] {
		info.AppendClaims(name, value)
	}
	return z.Storage.SetUserinfoFromScopes(ctx, info, user, client, scopes)
}

// roll looks customers up for the example's own sign-in page.
type roll struct{}

func (roll) GetUserByID(id string) *storage.User {
	if customers[id] == nil {
		return nil
	}
	return &storage.User{ID: id, Username: id, Password: anyPassword}
}

func (r roll) GetUserByUsername(name string) *storage.User { return r.GetUserByID(name) }

func (roll) ExampleClientID() string { return storage.ServiceUserID }
