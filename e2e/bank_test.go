package e2e

import (
	"crypto"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// bankGuard is the bank's app as one that follows endings and reports actions.
const bankGuard = `
  - id: bank-guard
    name: Bank guard
    jwks_file: bank.jwks
    audience: https://bank.northwind.example/api
    grants: [client_credentials]
    api: [endings.read, actions.write]
`

// site is a web app with guard's login, and somebody's browser at it.
type site struct {
	t      *testing.T
	url    string
	client *http.Client
}

// bank is an app that has no secret at all: it proves itself by a key, pushes its
// requests, and its tokens are bound.
func (b *broker) bank(t *testing.T) *site {
	t.Helper()
	key, _ := bankKey().Key.(crypto.Signer)
	g, err := guard.New(t.Context(), guard.Config{Issuer: b.issuer, Audience: "https://bank.northwind.example/api", ClientID: "bank-guard", Key: key, KeyID: bankKey().KeyID})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	login, err := guard.NewLogin(g, guard.LoginConfig{RedirectURI: b.nodeCallback(), Keys: [][]byte{[]byte(strings.Repeat("k", 32))}, Scopes: []string{"documents.read"},
		ClientID: "bank", Key: key, KeyID: bankKey().KeyID, IDTokenAlg: "ES256", PAR: true, DPoP: true})
	if err != nil {
		t.Fatal(err)
	}
	documents := g.Require("documents.read", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := guard.SessionFrom(r.Context())
		_, _ = fmt.Fprint(w, s.ID, login.Banner(r))
	}))
	server := httptest.NewUnstartedServer(login.Wrap(documents, nil))
	_ = server.Listener.Close()
	server.Listener = listenOn(t, b.nodePort)
	server.Start()
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, server.URL, &http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (s *site) get(path string) (status int, to *url.URL, body string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	to, _ = response.Location()
	return response.StatusCode, to, string(text)
}

// comesTo asks until a page has a status; until then it may have the others only.
func (s *site) comesTo(path string, want int, others ...int) string {
	s.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for limit := time.After(patience); ; {
		status, _, body := s.get(path)
		if status == want {
			return body
		}
		if !slices.Contains(others, status) {
			s.t.Fatalf("%s: %d %s", path, status, body)
		}
		select {
		case <-again.C:
		case <-limit:
			s.t.Fatalf("%s is not answered %d within %v: %d %s", path, want, patience, status, body)
		}
	}
}

// TestABankWithGuardSignsIn: guard's login does by itself what such a client has to,
// with the broker's nonces and without, and its tokens are renewed.
func TestABankWithGuardSignsIn(t *testing.T) {
	t.Parallel()
	for name, tokens := range map[string]string{"plain": "access: 4s, code: 60s}", "nonces": "access: 4s, code: 60s, dpop_nonce: true}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, storetest.SQLite(t))
			b.configure("\ntokens: ", bankGuard+"\ntokens: ")
			b.configure("access: 5m, code: 60s}", tokens)
			b.begin()
			s, login := b.bank(t), b.mint(mint{account: acme, policy: "temporary-login"})
			status, to, body := s.get("/support?return_to=/documents")
			if status != http.StatusSeeOther || len(to.Query()) != 2 || !to.Query().Has("request_uri") {
				t.Fatalf("the agent is sent to %v: %d %s", to, status, body)
			}
			w := b.browser()
			w.open(to.String())
			w.login(dana)
			w.redeem(login)
			w.enter()
			status, to, body = s.get("/callback?" + w.callback.Encode())
			if status != http.StatusSeeOther || to.Path != "/documents" {
				t.Fatalf("back at the app: %d %v %s", status, to, body)
			}
			began := time.Now()
			sid, _, _ := strings.Cut(s.comesTo("/documents", http.StatusOK, http.StatusServiceUnavailable), "<")
			until(began.Add(5 * time.Second)) // until no first token can be good
			if got, _, _ := strings.Cut(s.comesTo("/documents", http.StatusOK, http.StatusServiceUnavailable), "<"); got != sid || sid == "" {
				t.Errorf("after the renewal the session is %q, want %q", got, sid)
			}
			clear(b.tokens) // of the API, which are as short-lived here
			b.revoke(login)
			if body := s.comesTo("/documents", http.StatusUnauthorized, http.StatusOK, http.StatusServiceUnavailable); !strings.Contains(body, "ended") {
				t.Errorf("after the revocation: %s", body)
			}
		})
	}
}
