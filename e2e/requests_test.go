package e2e

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestBadRequests are those that a library lets through and we must not.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		m := b.metadata()
		b.checkMethods(m)
		b.checkTokenRequests(m)
		b.checkBearer(m)
		b.checkSize(m)
		b.checkCORS(m)
	})
}

func (b *broker) checkMethods(m metadata) {
	b.t.Helper()
	for _, c := range []struct{ method, at string }{
		{http.MethodGet, m.Token}, {http.MethodPut, m.Token}, {http.MethodDelete, m.Token},
		{http.MethodGet, m.Introspection}, {http.MethodGet, m.Revocation},
		{http.MethodPut, m.Userinfo}, {http.MethodDelete, m.Authorization}, {http.MethodPost, m.JWKS},
		{http.MethodPost, b.issuer + "/.well-known/openid-configuration"},
	} {
		if answer := b.send(b.request(c.method, c.at, nil)); answer.status != http.StatusMethodNotAllowed {
			b.t.Errorf("%s %s: %d, want 405", c.method, c.at, answer.status)
		}
	}
}

func (b *broker) checkTokenRequests(m metadata) {
	b.t.Helper()
	settings := b.settings()
	grant := url.Values{"grant_type": {"client_credentials"}}
	for name, answer := range map[string]exchange{
		"a duplicate parameter":         b.post(m.Token, settings, url.Values{"grant_type": {"client_credentials", "client_credentials"}}),
		"a duplicate in query and body": b.post(m.Token+"?grant_type=client_credentials", settings, grant),
		"a secret in the query":         b.post(m.Token+"?"+url.Values{"client_id": {settings.id}, "client_secret": {settings.secret}}.Encode(), app{}, grant),
		"everything in the query": b.post(m.Token+"?"+url.Values{
			"grant_type": {"client_credentials"}, "client_id": {settings.id}, "client_secret": {settings.secret},
		}.Encode(), app{}, nil),
		"no grant_type": b.post(m.Token, settings, url.Values{}),
		"two ways to authenticate": b.post(m.Token, settings, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {settings.id}, "client_secret": {settings.secret},
		}),
	} {
		if answer.status < 400 || answer.status > 499 || answer.field("access_token") != "" || answer.field("error") == "" {
			b.t.Errorf("%s: %d %s, want it refused", name, answer.status, answer.body)
		}
		if cache := answer.header.Get("Cache-Control"); !strings.Contains(cache, "no-store") {
			b.t.Errorf("%s: Cache-Control %q, want no-store", name, cache)
		}
	}
	answer := b.post(m.Token, settings, url.Values{"grant_type": {"client_credentials"}, "scope": {"credentials.mint endings.read"}})
	if answer.status == http.StatusOK && strings.Contains(answer.field("scope"), "endings.read") {
		b.t.Errorf("a client is given an API scope it does not have: %s", answer.body)
	}
}

// checkBearer confuses the types of tokens, and sends what is none.
func (b *broker) checkBearer(m metadata) {
	b.t.Helper()
	got := b.session(dana, b.pin("support-pin"))
	api := b.apiToken(b.settings())
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	nonsense := map[string]string{
		"an ID token":               got.ID,
		"a refresh token":           got.Refresh,
		"no token":                  "x",
		"a million dots":            strings.Repeat(".", 1<<20),
		"an aud that is a number":   part(`{"alg":"ES256","typ":"at+jwt"}`) + "." + part(`{"aud":[1]}`) + "." + part("x"),
		"an unsigned token":         part(`{"alg":"none","typ":"at+jwt"}`) + "." + strings.Split(got.Access, ".")[1] + ".",
		"a token cut short":         got.Access[:len(got.Access)-2],
		"a token with something on": got.Access + "A",
	}
	for name, token := range nonsense {
		if len(token) < 1<<16 {
			if answer := b.userinfo(token); answer.status != http.StatusUnauthorized {
				b.t.Errorf("userinfo with %s: %d %s, want 401", name, answer.status, answer.body)
			}
		}
		answer := b.introspect(b.docs(), token)
		inactive := answer.status == http.StatusOK && strings.TrimSpace(string(answer.body)) == `{"active":false}`
		if refresh := name == "a refresh token" && answer.status == http.StatusOK; !inactive && !refresh && (answer.status < 400 || answer.status > 499) {
			b.t.Errorf("introspection of %s: %d %s", name, answer.status, answer.body)
		}
	}
	// A support token is no API token, and the other way round.
	request := b.request(http.MethodGet, "/api/v1"+acme.path()+"/credentials", nil)
	request.Header.Set("Authorization", "Bearer "+got.Access)
	if answer := b.send(request); answer.status != http.StatusUnauthorized && answer.status != http.StatusForbidden {
		b.t.Errorf("a support token at the management API: %d %s, want 401 or 403", answer.status, answer.body)
	}
	if answer := b.userinfo(api); answer.status != http.StatusUnauthorized && answer.status != http.StatusForbidden {
		b.t.Errorf("an API token at userinfo: %d %s, want 401", answer.status, answer.body)
	}
	if answer := b.get(m.Userinfo+"?access_token="+got.Access, ""); answer.status == http.StatusOK {
		b.t.Error("userinfo takes a token in the query")
	}
	b.wantAlive("after all that", got)
}

func (b *broker) checkSize(m metadata) {
	b.t.Helper()
	big := strings.Repeat("a", 70<<10)
	answer := b.post(m.Token, b.settings(), url.Values{"grant_type": {"client_credentials"}, "padding": {big}})
	if answer.status != http.StatusRequestEntityTooLarge && answer.status != http.StatusBadRequest {
		b.t.Errorf("70 KB at the token endpoint: %d %s, want 413", answer.status, answer.body)
	}
	answer = b.tryMint(mint{account: acme, policy: "support-pin", extra: map[string]any{"ticket": big}})
	if answer.status != http.StatusRequestEntityTooLarge && answer.status != http.StatusUnprocessableEntity {
		b.t.Errorf("70 KB at the management API: %d, want 413", answer.status)
	}
}

// checkCORS: no origin is configured, so no page elsewhere reads an answer.
func (b *broker) checkCORS(m metadata) {
	b.t.Helper()
	for _, at := range []string{m.Token, m.Userinfo, m.Authorization, m.Introspection} {
		request := b.request(http.MethodOptions, at, nil)
		request.Header.Set("Origin", "https://evil.example")
		request.Header.Set("Access-Control-Request-Method", http.MethodPost)
		if allowed := b.send(request).header.Get("Access-Control-Allow-Origin"); allowed != "" {
			b.t.Errorf("OPTIONS %s allows origin %q", at, allowed)
		}
	}
}

// TestBadAuthorizationRequests: what names no app it may go back to is told to
// the person, everything else to the app.
func TestBadAuthorizationRequests(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		for name, pair := range map[string][2]string{
			"an unknown client":             {"client_id", "nobody"},
			"a client without redirects":    {"client_id", "settings"},
			"another app's redirect_uri":    {"redirect_uri", filesCallback},
			"an escaped redirect_uri":       {"redirect_uri", strings.Replace(docsCallback, "callback", "%63allback", 1)},
			"a longer redirect_uri":         {"redirect_uri", docsCallback + "/"},
			"a redirect_uri with a query":   {"redirect_uri", docsCallback + "?x=1"},
			"another host in userinfo form": {"redirect_uri", "http://127.0.0.1:4711@evil.example/callback"},
			"no redirect_uri":               {"redirect_uri", ""},
		} {
			w := b.browser()
			w.open(b.authorize(b.docs(), pair[0], pair[1]).url())
			if w.callback != nil || w.page.status < 400 || w.page.status > 499 {
				t.Errorf("%s: %v %d %s, want a page that says so", name, w.callback, w.page.status, w.page.text())
			}
		}
		for _, c := range []struct{ name, value, want string }{
			{"response_type", "", "invalid_request"},
			{"code_challenge", "", "invalid_request"},
			{"code_challenge", "short", "invalid_request"},
			{"code_challenge_method", "S512", "invalid_request"},
			{"prompt", "none login", "invalid_request"},
			{"max_age", "-1", "invalid_request"},
		} {
			b.wantRefused(c.name, c.value, c.want)
		}
		// A repeated parameter is refused, and not at an address that it gave.
		v := b.authorize(b.docs())
		w := b.browser()
		w.open(v.url() + "&scope=openid")
		if w.callback.Has("code") || w.shows("username") {
			t.Errorf("a duplicate parameter is accepted: %v %s", w.callback, w.page.text())
		}
	})
}

// TestAuthorizeTakesPOST as well, from another site, and answers with a GET.
func TestAuthorizeTakesPOST(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		w := b.browser()
		v := b.authorize(b.docs())
		request := b.request(http.MethodPost, b.metadata().Authorization, strings.NewReader(v.params.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", "https://docs.northwind.example")
		request.Header.Set("Sec-Fetch-Site", "cross-site")
		w.visit(request)
		w.login(dana)
		w.redeem(b.pin("support-pin"))
		b.wantAlive("a request by POST", v.exchange(w.enter()))
	})
}

// TestPagesAreLocked looks at the headers of every page of a sign-in.
func TestPagesAreLocked(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		v, code := b.browser().signIn(b.docs(), dana, b.pin("support-pin"))
		v.exchange(code)
		pages := 0
		for _, x := range b.tape.all() {
			for _, cookie := range (&http.Response{Header: x.header}).Cookies() {
				if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
					t.Errorf("%s sets cookie %s without HttpOnly or SameSite=Lax", x.request, cookie.Name)
				}
			}
			if !strings.HasPrefix(x.header.Get("Content-Type"), "text/html") {
				continue
			}
			pages++
			policy := x.header.Get("Content-Security-Policy")
			for what, ok := range map[string]bool{
				"a policy against framing":     strings.Contains(policy, "frame-ancestors 'none'"),
				"no unsafe script or style":    policy != "" && !strings.Contains(policy, "unsafe-"),
				"forms go here and to the app": strings.Contains(policy, "form-action 'self' http://127.0.0.1:4711"),
				"no referrer":                  x.header.Get("Referrer-Policy") == "no-referrer",
				"no copy in a cache":           strings.Contains(x.header.Get("Cache-Control"), "no-store"),
			} {
				if !ok {
					t.Errorf("%s lacks %s: %v", x.request, what, x.header)
				}
			}
		}
		if pages < 3 {
			t.Errorf("a sign-in had %d pages, want the sign-in, the form and the summary", pages)
		}
	})
}
