package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"
)

// app is a client of the broker.
type app struct {
	id, secret, callback, audience string
}

func (b *broker) docs() app {
	return app{id: "docs", secret: b.env["DOCS_SECRET"], callback: docsCallback, audience: docsAudience}
}

// files is public: it has no secret and lives by PKCE alone.
func (b *broker) files() app {
	return app{id: "files", callback: filesCallback, audience: docsAudience}
}

func (b *broker) metrics() app {
	return app{id: "metrics", secret: b.env["METRICS_SECRET"], callback: metricsCallback, audience: metricsAudience}
}

func (b *broker) settings() app   { return app{id: "settings", secret: b.env["SETTINGS_SECRET"]} }
func (b *broker) docsAPI() app    { return app{id: "docs-api", secret: b.env["DOCS_API_SECRET"]} }
func (b *broker) console() app    { return app{id: "console", secret: b.env["CONSOLE_SECRET"]} }
func (b *broker) metricsAPI() app { return app{id: "metrics-api", secret: b.env["METRICS_API_SECRET"]} }

// totp computes the code that the person's phone would show now.
func (b *broker) totp(who person) string {
	b.t.Helper()
	code, err := totp.GenerateCode(b.env[who.totp], time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

// visit is one authorization request with what its app remembers of it.
type visit struct {
	b        *broker
	app      app
	verifier string
	state    string
	nonce    string
	params   url.Values
}

// everyScope asks for more than is ever lent.
const everyScope = "openid profile email offline_access documents.read documents.write documents.delete " +
	"documents.export settings.write billing.read keys.write people.write"

// authorize makes an authorization request; pairs of names and values are added,
// and an empty value takes the parameter away.
func (b *broker) authorize(client app, pairs ...string) visit {
	b.t.Helper()
	v := visit{b: b, app: client, verifier: rand.Text() + rand.Text(), state: rand.Text(), nonce: rand.Text()}
	digest := sha256.Sum256([]byte(v.verifier))
	v.params = url.Values{
		"response_type":         {"code"},
		"client_id":             {client.id},
		"redirect_uri":          {client.callback},
		"scope":                 {everyScope},
		"state":                 {v.state},
		"nonce":                 {v.nonce},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(digest[:])},
		"code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.params.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			v.params.Del(pairs[i])
		}
	}
	return v
}

func (v visit) url() string { return v.b.metadata().Authorization + "?" + v.params.Encode() }

// tokens is the answer of the token endpoint.
type tokens struct {
	Access    string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"`
	Refresh   string `json:"refresh_token"`
	ID        string `json:"id_token"`
	Scope     string `json:"scope"`
}

// tryExchange redeems a code with what the visit remembers.
func (v visit) tryExchange(code string) exchange {
	v.b.t.Helper()
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {v.app.callback},
		"code_verifier": {v.verifier},
	}
	if v.app.secret == "" {
		form.Set("client_id", v.app.id)
	}
	return v.b.post(v.b.metadata().Token, v.app, form)
}

// exchange wants tokens for a code.
func (v visit) exchange(code string) tokens {
	v.b.t.Helper()
	answer := v.tryExchange(code)
	var got tokens
	if answer.status != http.StatusOK {
		v.b.t.Fatalf("exchanging the code: %d %s", answer.status, answer.body)
	}
	answer.decode(v.b.t, &got)
	if got.Access == "" || got.ID == "" || !strings.EqualFold(got.Type, "Bearer") || got.ExpiresIn <= 0 {
		v.b.t.Fatalf("the token response lacks something: %s", answer.body)
	}
	return got
}

// signIn walks from the app through all pages back to the app, and returns
// the visit with the code that is good for one exchange.
func (w *browser) signIn(client app, who person, c credential, pairs ...string) (visit, string) {
	w.b.t.Helper()
	v := w.b.authorize(client, pairs...)
	w.open(v.url())
	if w.shows("username") {
		w.login(who)
	}
	w.redeem(c)
	code := w.enter()
	if w.callback.Get("state") != v.state {
		w.b.t.Errorf("the callback's state is %q, want %q", w.callback.Get("state"), v.state)
	}
	return v, code
}

// session signs in with a fresh browser and returns the docs app's tokens.
func (b *broker) session(who person, c credential) tokens {
	b.t.Helper()
	v, code := b.browser().signIn(b.docs(), who, c)
	return v.exchange(code)
}

func (b *broker) introspect(client app, token string) exchange {
	b.t.Helper()
	return b.post(b.metadata().Introspection, client, url.Values{"token": {token}})
}

func (b *broker) userinfo(token string) exchange {
	b.t.Helper()
	return b.get(b.metadata().Userinfo, token)
}

func (b *broker) refresh(client app, token string) exchange {
	b.t.Helper()
	return b.post(b.metadata().Token, client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// active reports what introspection says of a token, and wants exactly the
// one answer that tells nothing where it is not.
func (b *broker) active(token string) bool {
	b.t.Helper()
	answer := b.introspect(b.docs(), token)
	if answer.status != http.StatusOK {
		b.t.Fatalf("introspection: %d %s, want 200", answer.status, answer.body)
	}
	var said struct {
		Active bool `json:"active"`
	}
	answer.decode(b.t, &said)
	if !said.Active && strings.TrimSpace(string(answer.body)) != `{"active":false}` {
		b.t.Errorf("introspection of a dead token says %s, want exactly {\"active\":false}", answer.body)
	}
	return said.Active
}

// wantAlive checks that a session's tokens are honoured.
func (b *broker) wantAlive(what string, got tokens) {
	b.t.Helper()
	if !b.active(got.Access) {
		b.t.Errorf("%s: introspection says the token is not active", what)
	}
	if answer := b.userinfo(got.Access); answer.status != http.StatusOK {
		b.t.Errorf("%s: userinfo answers %d %s, want 200", what, answer.status, answer.body)
	}
}

// wantDead checks that nothing is honoured or issued for the session any more,
// each thing in one request.
func (b *broker) wantDead(what string, got tokens) {
	b.t.Helper()
	if b.active(got.Access) {
		b.t.Errorf("%s: introspection says the token is active", what)
	}
	answer := b.userinfo(got.Access)
	if answer.status != http.StatusUnauthorized || !strings.HasPrefix(answer.header.Get("WWW-Authenticate"), "Bearer") {
		b.t.Errorf("%s: userinfo answers %d with WWW-Authenticate %q, want 401 and Bearer",
			what, answer.status, answer.header.Get("WWW-Authenticate"))
	}
	if got.Refresh != "" {
		answer := b.refresh(b.docs(), got.Refresh)
		if answer.status != http.StatusBadRequest || answer.field("error") != "invalid_grant" {
			b.t.Errorf("%s: refresh answers %d %s, want 400 invalid_grant", what, answer.status, answer.body)
		}
	}
}
