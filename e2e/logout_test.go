package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// docsBye is where the docs app goes on after signing out.
const docsBye = "http://127.0.0.1:4711/bye"

// calls are what apps are called back with: one address for each.
type calls struct {
	server *httptest.Server
	came   chan call
	answer func(call) int // nil: everything is taken
	seen   map[string]int // calls so far, by app
}

// call is one.
type call struct {
	app, token string
	n          int // how many there have been of this app
}

// startCalled serves with apps that are called back: docs besides, metrics
// because that is how it learns of endings.
func startCalled(t *testing.T, dsn string) (*broker, *calls) {
	t.Helper()
	c := &calls{came: make(chan call, 1000), seen: map[string]int{}}
	one := make(chan struct{}, 1)
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one <- struct{}{}
		defer func() { <-one }()
		name := strings.TrimPrefix(r.URL.Path, "/")
		c.seen[name]++
		got := call{name, r.PostFormValue("logout_token"), c.seen[name]}
		status := http.StatusNoContent
		if c.answer != nil {
			status = c.answer(got)
		}
		w.WriteHeader(status)
		c.came <- got
	}))
	t.Cleanup(c.server.Close)
	b := prepare(t, dsn)
	b.called(c.server.URL)
	if strings.HasPrefix(dsn, "postgres") {
		if out, err := b.command("secrets", "init", "--config", b.config()).CombinedOutput(); err != nil {
			t.Fatalf("valetkey secrets init: %v\n%s", err, out)
		}
	}
	return b, c
}

// called adds to the configuration where apps are called back.
func (b *broker) called(at string) {
	b.t.Helper()
	text, err := os.ReadFile(b.config())
	if err != nil {
		b.t.Fatal(err)
	}
	out := string(text)
	for id, more := range map[string]string{
		"docs":    fmt.Sprintf("\n    post_logout_redirect_uris: [%s, http://127.0.0.1:%d/bye]\n    backchannel_logout_uri: %s/docs", docsBye, b.nodePort, at),
		"metrics": "\n    enforces: logout\n    backchannel_logout_uri: " + at + "/metrics",
	} {
		head, rest, found := strings.Cut(out, "\n  - id: "+id+"\n")
		if id == "metrics" {
			rest = strings.Replace(rest, "\n    enforces: introspection", "", 1)
		}
		if !found {
			b.t.Fatalf("no client %s", id)
		}
		name, rest, _ := strings.Cut(rest, "\n")
		out = head + "\n  - id: " + id + "\n" + name + more + "\n" + rest
	}
	if err := os.WriteFile(b.config(), []byte(out), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// next waits for a call of an app.
func (c *calls) next(t *testing.T, app string) call {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case got := <-c.came:
			if got.app == app {
				return got
			}
			c.came <- got
		case <-timeout:
			t.Fatalf("%s is not called back within %v", app, patience)
		}
	}
}

// wantCall verifies a logout token as the app would, by a library of others.
func (b *broker) wantCall(got call, client string, algorithm string, of claims) {
	b.t.Helper()
	keys := oidc.NewRemoteKeySet(b.t.Context(), b.metadata().JWKS)
	verifier := oidc.NewVerifier(b.issuer, keys, &oidc.Config{ClientID: client, SupportedSigningAlgs: []string{algorithm}})
	token, err := verifier.VerifyLogout(b.t.Context(), got.token)
	if err != nil {
		b.t.Fatalf("%s is called back with a token that go-oidc refuses: %v", client, err)
	}
	if token.SessionID != of.SID || token.Subject != of.Subject || token.Expiry.Sub(token.IssuedAt) > 2*time.Minute {
		b.t.Errorf("the logout token for %s is of %q, %q, until %v; want %q, %q", client, token.SessionID, token.Subject, token.Expiry, of.SID, of.Subject)
	}
	for _, answer := range []exchange{b.userinfo(got.token), b.introspect(b.docs(), got.token)} {
		if answer.status == http.StatusOK && !strings.Contains(string(answer.body), `{"active":false}`) {
			b.t.Errorf("a logout token is an access token: %d %s", answer.status, answer.body)
		}
	}
}

// leave asks to sign out, and returns where that leads: an address, or a page.
func (w *browser) leave(pairs ...string) string {
	w.b.t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	response, err := w.client.Do(w.request(http.MethodGet, w.b.metadata().EndSession+"?"+q.Encode(), nil))
	if err != nil {
		w.b.t.Fatal(err)
	}
	w.page = readPage(w.b.t, response)
	return response.Header.Get("Location")
}

// awaitReceipt waits until the account's record has its one entry of an app.
func (b *broker) awaitReceipt(client, sid string) {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var list struct {
			Items []struct {
				Kind  string            `json:"kind"`
				Facts map[string]string `json:"facts"`
			} `json:"items"`
		}
		answer := b.api(b.settings(), http.MethodGet, acme.path()+"/record", nil)
		answer.decode(b.t, &list)
		n := 0
		for _, e := range list.Items {
			if e.Kind == "ending.applied" && e.Facts["sid"] == sid {
				n++
				if e.Facts["client"] != client || e.Facts["how"] != "logout" {
					b.t.Errorf("a receipt says %v", e.Facts)
				}
			}
		}
		if n > 1 {
			b.t.Fatalf("%d receipts of one app: %s", n, answer.body)
		}
		if n == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("no receipt of %s in the record: %s", client, answer.body)
		}
	}
}

// TestSigningOutReachesEveryApp that has had a token, by its own logout token;
// the browser goes back to the one that asked.
func TestSigningOutReachesEveryApp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b, c := startCalled(t, dsn)
		b.serve()
		w := b.browser()
		v, code := w.signIn(b.docs(), dana, b.pin("support-pin"))
		docs := v.exchange(code)
		v = b.authorize(b.metrics(), "scope", "openid")
		w.open(v.url())
		metrics := b.access(v.exchange(w.callback.Get("code")))

		if to := w.leave("post_logout_redirect_uri", docsBye, "client_id", "docs"); to != "" || w.page.status != http.StatusOK || !strings.Contains(w.page.text(), acme.name) {
			t.Errorf("without a hint: to %q, %d %s", to, w.page.status, w.page.text())
		}
		if to := b.browser().leave("post_logout_redirect_uri", docsBye, "id_token_hint", docs.ID); to != "" {
			t.Errorf("in another browser: to %q", to)
		}
		if to := w.leave("id_token_hint", docs.Access, "client_id", "docs", "post_logout_redirect_uri", docsBye); to != "" {
			t.Errorf("an access token is a hint: to %q", to)
		}
		b.wantAlive("before signing out", docs)
		if to := w.leave("id_token_hint", docs.ID, "post_logout_redirect_uri", docsBye, "state", "s 1"); to != docsBye+"?state=s+1" {
			t.Fatalf("signing out leads to %q: %d %s", to, w.page.status, w.page.text())
		}
		b.wantDead("after signing out", docs)
		b.wantCall(c.next(t, "docs"), "docs", "RS256", b.access(docs))
		b.wantCall(c.next(t, "metrics"), "metrics", "RS256", metrics)
		b.awaitReceipt("metrics", metrics.SID)
		w.open(b.authorize(b.docs(), "prompt", "none").url())
		if w.callback.Get("error") != "login_required" {
			t.Errorf("prompt=none after signing out: %v", w.callback)
		}
		if to := w.leave("id_token_hint", docs.ID, "post_logout_redirect_uri", docsBye+"/x"); to != "" || w.page.status != http.StatusBadRequest {
			t.Errorf("an address that is not registered: to %q, %d", to, w.page.status)
		}
		if n := strings.Count(b.logs.String(), docs.ID); n != 0 {
			t.Errorf("the ID token is logged %d times", n)
		}
	})
}

// TestNoCallIsLostOverAPowerCut: the owner revokes, the app fails, the broker
// loses its power; it goes on where it was.
func TestNoCallIsLostOverAPowerCut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b, c := startCalled(t, dsn)
		healthy := make(chan struct{})
		c.answer = func(call) int {
			select {
			case <-healthy:
				return http.StatusOK
			default:
				return http.StatusServiceUnavailable
			}
		}
		b.serve()
		pin := b.pin("support-pin")
		w := b.browser()
		v, code := w.signIn(b.metrics(), dana, pin, "scope", "openid")
		said := b.access(v.exchange(code))
		b.revoke(pin)
		first := c.next(t, "metrics")
		second := c.next(t, "metrics")
		b.kill()
		close(healthy)
		b.serve()
		last := c.next(t, "metrics")
		for last.n < 3 {
			last = c.next(t, "metrics")
		}
		b.wantCall(last, "metrics", "RS256", said)
		b.awaitReceipt("metrics", said.SID)
		if tokens := []string{first.token, second.token, last.token}; len(slices.Compact(slices.Sorted(slices.Values(tokens)))) != 3 {
			t.Error("a logout token was sent twice")
		}
	})
}

// TestSigningOutInARealBrowser: by a form that an app on another site posts, and
// by the page that asks, whose policy must let the app be gone back to.
func TestSigningOutInARealBrowser(t *testing.T) {
	t.Parallel()
	b, c := startCalled(t, storetest.SQLite(t))
	b.serve()
	docs := app{id: "docs", secret: b.env["DOCS_SECRET"], callback: b.nodeCallback()}
	called := make(chan url.Values, 10)
	form := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/callback":
			called <- r.URL.Query()
		case "/post":
			_, _ = fmt.Fprint(w, <-form)
			return
		case "/bye":
			_, _ = fmt.Fprintf(w, `<!doctype html><title>app</title><p id="bye">%s</p>`, r.URL.Query().Get("state"))
			return
		}
		_, _ = fmt.Fprint(w, `<!doctype html><title>app</title><p id="app">Welcome to the app</p>`)
	}))
	_ = server.Listener.Close()
	server.Listener = listenOn(t, b.nodePort)
	server.Start()
	t.Cleanup(server.Close)
	bye := fmt.Sprintf("http://127.0.0.1:%d/bye", b.nodePort)
	ctx := tab(t)
	signIn := func(first bool) tokens {
		t.Helper()
		pin := b.pin("support-pin")
		v := b.authorize(docs)
		actions := []chromedp.Action[chromedp.Void]{chromedp.Navigate(v.url())}
		if first {
			actions = append(actions, chromedp.SendKeys(css(`input[name=username]`), dana.username),
				chromedp.SendKeys(css(`input[name=password]`), staffPassword), chromedp.Click(css(`form:has(input[name=username]) button`)))
		}
		actions = append(actions, chromedp.SendKeys(css(`form:has(input[name=pin]) input[name=account]`), pin.Handle),
			chromedp.SendKeys(css(`input[name=pin]`), pin.PIN), chromedp.Click(css(`form:has(input[name=pin]) button`)),
			chromedp.WaitVisible(css(`button[name=enter]`)), chromedp.Click(css(`button[name=enter]`)), chromedp.WaitVisible(css(`#app`)))
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("signing in with Chromium: %v", err)
		}
		return v.exchange((<-called).Get("code"))
	}
	one := signIn(true)
	form <- fmt.Sprintf(`<!doctype html><form method="post" action="%s"><input name="id_token_hint" value="%s"><input name="post_logout_redirect_uri" value="%s">
<input name="state" value="posted"><button id="go">go</button></form>`, b.metadata().EndSession, one.ID, bye)
	elsewhere := fmt.Sprintf("http://localhost:%d/post", b.nodePort) // another site than 127.0.0.1
	if err := chromedp.Do(ctx, chromedp.Navigate(elsewhere), chromedp.Click(css(`#go`)), chromedp.WaitVisible(css(`#bye`))); err != nil {
		t.Fatalf("signing out by a form of another site: %v", err)
	}
	if said, err := chromedp.Run(ctx, chromedp.Text(css(`#bye`))); err != nil || said != "posted" {
		t.Errorf("the state is %q (%v)", said, err)
	}
	b.wantDead("signing out by a form of another site", one)
	c.next(t, "docs")

	two := signIn(false)
	ask := b.metadata().EndSession + "?" + url.Values{"client_id": {"docs"}, "post_logout_redirect_uri": {bye}, "state": {"asked"}}.Encode()
	if err := chromedp.Do(ctx, chromedp.Navigate(ask), chromedp.Click(css(`form[action="/logout/confirm"] button`)), chromedp.WaitVisible(css(`#bye`))); err != nil {
		t.Fatalf("signing out by the page that asks: %v", err)
	}
	b.wantDead("signing out by the page that asks", two)
}
