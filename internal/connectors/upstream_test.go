package connectors

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// The client of the upstream issuer, and where it is called back; nobody
// listens there.
const (
	upstreamAudience = "valetkey"
	upstreamSecret   = "upstream-secret"
	upstreamCallback = "http://127.0.0.1:4711/callback"
)

// people is the storage of the library's example issuer, with claims of its own.
type people struct {
	*storage.Storage
	claims map[string]any
}

// SetUserinfoFromScopes implements op.Storage.
func (p people) SetUserinfoFromScopes(ctx context.Context, info *oidc.UserInfo, user, client string, scopes []string) error {
	for name, value := range p.claims {
		info.AppendClaims(name, value)
	}
	return p.Storage.SetUserinfoFromScopes(ctx, info, user, client, scopes)
}

// issuer is a running OpenID Provider that nobody here wrote.
type issuer struct {
	server  *httptest.Server
	storage *storage.Storage
}

// upstream is the one issuer of this process: the library's example writes to
// globals when it is set up. It logs each request, which nobody needs here.
var upstream = sync.OnceValue(func() *issuer {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	i := &issuer{}
	var handler http.Handler
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	i.storage = storage.NewStorageWithClients(storage.NewUserStore(i.server.URL),
		map[string]*storage.Client{upstreamAudience: storage.WebClient(upstreamAudience, upstreamSecret, upstreamCallback)})
	handler = exampleop.SetupServer(i.server.URL, people{i.storage, map[string]any{
		"account_id": "acme", "groups": []string{"support", "night"}, "https://northwind.example/role": "owner",
		"level": 9007199254740993, "vip": true, "address": map[string]any{"country": "NO"},
	}}, nil, false)
	return i
})

// signIn walks through the issuer's own sign-in page and returns the ID token.
func (i *issuer) signIn(t *testing.T) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(next.URL.String(), upstreamCallback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	page, err := browser.Get(i.server.URL + "/auth?" + url.Values{
		"response_type": {"code"}, "client_id": {upstreamAudience}, "redirect_uri": {upstreamCallback}, "scope": {"openid profile email"},
		"state": {"s"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(page.Body)
	_ = page.Body.Close()
	request := page.Request.URL.Query().Get("authRequestID")
	if request == "" {
		t.Fatalf("the issuer shows no sign-in at %s: %d %s", page.Request.URL, page.StatusCode, said)
	}
	back, err := browser.PostForm(i.server.URL+"/login/username", url.Values{
		"id": {request}, "username": {"test-user@127.0.0.1"}, "password": {"verysecure"}})
	if err != nil {
		t.Fatal(err)
	}
	said, _ = io.ReadAll(back.Body)
	_ = back.Body.Close()
	at, err := back.Location()
	if err != nil {
		t.Fatalf("the issuer answers %d instead of calling back: %v %s", back.StatusCode, err, said)
	}
	return i.exchange(t, at.Query().Get("code"), verifier)
}

func (i *issuer) exchange(t *testing.T, code, verifier string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.server.URL+"/oauth/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {upstreamCallback}, "code_verifier": {verifier}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(upstreamAudience, upstreamSecret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var tokens struct {
		ID string `json:"id_token"`
	}
	if err := json.Unmarshal(body, &tokens); err != nil || tokens.ID == "" {
		t.Fatalf("the issuer gives no ID token: %d %s", answer.StatusCode, body)
	}
	return tokens.ID
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

func (i *issuer) at(now time.Time) *Upstream {
	return &Upstream{Issuer: i.server.URL, Account: "account_id", Now: func() time.Time { return now }}
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
