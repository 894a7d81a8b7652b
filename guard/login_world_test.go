package guard_test

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// site is an app with pages, a login of its own, and support beside it.
type site struct {
	t      *testing.T
	broker *guardtest.Broker
	config guard.Config // of the guard
	guard  *guard.Guard
	login  *guard.Login
	app    http.Handler
	own    int                                  // requests that the app's own login let in
	lose   atomic.Int32                         // so many replies of the token endpoint
	swap   atomic.Pointer[func(map[string]any)] // changes its replies
	refuse atomic.Pointer[refuses]              // answers for the broker
	key    crypto.Signer                        // of the login's client, where it has one
}

const siteURL = "https://docs.example"

var cookieKey = bytes.Repeat([]byte{7}, 32)

// inSite runs a test of an app in a bubble of its own time.
func inSite(t *testing.T, change func(*guard.LoginConfig), test func(*site)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(newSite(t, change)) })
}

func newSite(t *testing.T, change func(*guard.LoginConfig), demands ...func(*guardtest.Broker, *guard.Config)) *site {
	t.Helper()
	s := &site{t: t, broker: guardtest.New(t, guardtest.InMemory())}
	var err error
	own := s.broker.Config()
	for _, demand := range demands {
		demand(s.broker, &own)
	}
	own.HTTPClient = &http.Client{Transport: wire{s}}
	s.config = own
	if s.guard, err = guard.New(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.guard.Close() })
	config := guard.LoginConfig{
		RedirectURI: siteURL + "/support/callback", Keys: [][]byte{cookieKey}, Scopes: []string{"documents.read", "documents.write"},
		Labels: map[string]string{"documents.read": "View documents"},
	}
	if change != nil {
		change(&config)
	}
	if s.login, err = guard.NewLogin(s.guard, config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/documents", s.guard.Require("documents.read", http.HandlerFunc(s.documents)))
	mux.Handle("POST /documents/new", s.guard.Require("documents.write", http.HandlerFunc(s.documents)))
	mux.Handle("/private", http.HandlerFunc(s.documents))
	s.app = s.login.Wrap(mux, s.ownAuth)
	s.broker.Enter(guardtest.Session{ID: "sid-1", AccountName: "Acme Inc", Scopes: []string{"documents.read"}})
	synctest.Wait()
	return s
}

// wire is the guard's way to the broker, which can lose replies.
type wire struct{ s *site }

func (x wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if refuse := x.s.refuse.Load(); refuse != nil && refuse.path == r.URL.Path {
		return refuse.RoundTrip(r)
	}
	answer, err := x.s.broker.Client().Transport.RoundTrip(r)
	if err == nil && r.URL.Path == "/token" && x.s.lose.Add(-1) >= 0 {
		_ = answer.Body.Close()
		return nil, errors.New("the reply is lost")
	}
	if err == nil && r.URL.Path == "/token" && x.s.swap.Load() != nil {
		var said map[string]any
		err = json.NewDecoder(answer.Body).Decode(&said)
		_ = answer.Body.Close()
		if said["token_type"] == "Bearer" || said["token_type"] == "DPoP" {
			(*x.s.swap.Load())(said)
		}
		body, _ := json.Marshal(said)
		answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return answer, err
}

// ownAuth lets in whoever has the app's own cookie.
func (s *site) ownAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("own"); err != nil {
			http.Error(w, "your own login, please", http.StatusForbidden)
			return
		}
		s.own++
		next.ServeHTTP(w, r)
	})
}

func (s *site) documents(w http.ResponseWriter, r *http.Request) {
	who := "own"
	if session, ok := guard.SessionFrom(r.Context()); ok {
		who = session.ID
	}
	fmt.Fprintf(w, "documents for %s\n%s", who, s.login.Banner(r))
}

// browser is a browser without scripts, with cookies.
type browser struct {
	s      *site
	client *http.Client
	jar    *cookiejar.Jar
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s: s, jar: jar, client: &http.Client{
		Transport: s, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// RoundTrip takes requests to the app, and hands the others to the broker.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme+"://"+r.URL.Host != siteURL {
		return s.broker.Client().Transport.RoundTrip(r)
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	s.app.ServeHTTP(w, in)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

// page is what a browser sees.
type page struct {
	status int
	header http.Header
	body   string
	at     *url.URL
}

func (p page) to() string { return p.header.Get("Location") }

// do sends one request, as a browser sends it that opens a page or posts a form.
func (b *browser) do(method, address string, more ...string) page {
	b.s.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = siteURL + address
	}
	r, err := http.NewRequestWithContext(b.s.t.Context(), method, address, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	answer, err := b.client.Do(r)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return page{answer.StatusCode, answer.Header, string(body), r.URL}
}

// open opens a page and goes wherever it is sent.
func (b *browser) open(address string) page {
	b.s.t.Helper()
	for range 10 {
		p := b.do(http.MethodGet, address)
		if p.to() == "" {
			return p
		}
		to, err := p.at.Parse(p.to())
		if err != nil {
			b.s.t.Fatal(err)
		}
		address = to.String()
	}
	b.s.t.Fatalf("%s leads in a circle", address)
	return page{}
}

// callback goes to the broker, and returns where the broker sends the browser.
func (b *browser) callback(start string) string {
	b.s.t.Helper()
	asked := b.do(http.MethodGet, start)
	if asked.status != http.StatusSeeOther {
		b.s.t.Fatalf("%s: %d %s", start, asked.status, asked.body)
	}
	return b.do(http.MethodGet, asked.to()).to()
}

// enter signs an agent in.
func (s *site) enter() *browser {
	s.t.Helper()
	b := s.browser()
	if p := b.open("/support?return_to=/documents"); p.status != http.StatusOK || !strings.HasPrefix(p.body, "documents for sid-1") {
		s.t.Fatalf("signing in: %d %s", p.status, p.body)
	}
	return b
}

// cookie is the value of one of the browser's cookies at the app.
func (b *browser) cookie(name string) string {
	at, _ := url.Parse(siteURL)
	for _, c := range b.jar.Cookies(at) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// put gives the browser a cookie.
func (b *browser) put(name, value string) {
	at, _ := url.Parse(siteURL)
	b.jar.SetCookies(at, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

// The support cookie of the site; what other apps of the host have ends otherwise.
const (
	cookieTag     = "-1cda88d0"
	supportCookie = "__Host-valetkey-support" + cookieTag
)

// want checks a status and that the page says something.
func (p page) want(t *testing.T, status int, says ...string) {
	t.Helper()
	if p.status != status {
		t.Errorf("%s: %d, want %d: %s", p.at.Path, p.status, status, p.body)
	}
	for _, text := range says {
		if !strings.Contains(p.body, text) {
			t.Errorf("%s does not say %q: %s", p.at.Path, text, p.body)
		}
	}
}
