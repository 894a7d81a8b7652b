package connectors

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/valetkey/valetkey/credentials"
)

// The client of the upstream issuer.
const (
	upstreamAudience = "valetkey"
	upstreamSecret   = "upstream-secret"
)

// people is the storage of the library's example issuer, with claims of its own.
type people struct {
	*storage.Storage
	claims map[string]any
}

// SetUserinfoFromScopes implements op.Storage, for ID tokens.
func (p people) SetUserinfoFromScopes(ctx context.Context, info *oidc.UserInfo, user, client string, scopes []string) error {
	p.add(info)
	return p.Storage.SetUserinfoFromScopes(ctx, info, user, client, scopes)
}

// SetUserinfoFromToken implements op.Storage, for the userinfo endpoint.
func (p people) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	p.add(info)
	return p.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin)
}

func (p people) add(info *oidc.UserInfo) {
	for name, value := range p.claims {
		info.AppendClaims(name, value)
	}
}

// issuer is a running OpenID Provider that nobody here wrote.
type issuer struct {
	server  *httptest.Server
	storage *storage.Storage
}

// zitadel is the one issuer of this kind: the library's example writes to
// globals when it is set up. It logs each request, which nobody needs here.
var zitadel = sync.OnceValue(func() *issuer {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	i := &issuer{}
	var handler http.Handler
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	i.storage = storage.NewStorageWithClients(storage.NewUserStore(i.server.URL),
		map[string]*storage.Client{upstreamAudience: storage.WebClient(upstreamAudience, upstreamSecret, callback)})
	handler = exampleop.SetupServer(i.server.URL, people{i.storage, map[string]any{
		"account_id": "acme", "groups": []string{"support", "night"}, "https://northwind.example/role": "owner",
		"level": 9007199254740993, "vip": true, "address": map[string]any{"country": "NO"},
	}}, nil, false)
	return i
})

// connector is how owners sign in at this issuer.
func (i *issuer) connector() *OIDC {
	return &OIDC{ID: "customers", Name: "Northwind account", Issuer: i.server.URL, ClientID: upstreamAudience,
		ClientSecret: credentials.NewSecret(upstreamSecret), Scopes: []string{"openid", "profile", "email"}, RedirectURI: callback,
		Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}}, Account: AccountClaims{ID: "account_id"}, Now: time.Now}
}

// at is the same with a clock that stands.
func (i *issuer) at(now time.Time) *OIDC {
	o := i.connector()
	o.Now = func() time.Time { return now }
	return o
}

// visitor is somebody with an account at this issuer.
func (i *issuer) visitor(t *testing.T) *browser {
	return newBrowser(t, "username", "test-user@127.0.0.1", "password", "verysecure")
}

// token walks through the issuer's own sign-in page and returns the ID token.
func (i *issuer) token(t *testing.T) string {
	t.Helper()
	o := i.connector()
	trip, back := i.visitor(t).travel(t, o, Ask{})
	u, err := o.discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := o.exchange(t.Context(), u, trip, back.Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	return tokens.Extra("id_token").(string)
}

// sign makes a token with the issuer's own key, for what it would never say.
func (i *issuer) sign(t *testing.T, typ string, claims map[string]any) string {
	t.Helper()
	key, err := i.storage.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return signWith(t, key.SignatureAlgorithm(), jose.JSONWebKey{Key: key.Key(), KeyID: key.ID()}, typ, claims)
}

func signWith(t *testing.T, alg jose.SignatureAlgorithm, key any, typ string, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// claims are those of a good token that was issued at a time.
func (i *issuer) claims(at time.Time) map[string]any {
	return map[string]any{"iss": i.server.URL, "sub": "id1", "aud": []string{upstreamAudience},
		"iat": at.Unix(), "exp": at.Add(time.Hour).Unix()}
}

// payload reads a token without verifying it.
func payload(t *testing.T, token string) (claims struct {
	IssuedAt int64 `json:"iat"`
	Expiry   int64 `json:"exp"`
}) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

var _ exampleop.Storage = people{}
