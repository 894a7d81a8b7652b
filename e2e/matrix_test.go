package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// door is where somebody may come with a token: what it is called, which kinds it
// takes, and whether it takes this one.
type door struct {
	name  string
	takes []string
	try   func(kind, token string) bool
}

// TestNoTokenOpensAnothersDoor: everything that the broker gives out, and that
// clients make for it, at every place that takes something like it, guard's too.
// Nothing of it may end the session.
func TestNoTokenOpensAnothersDoor(t *testing.T) {
	t.Parallel()
	b, c := startCalled(t, storetest.SQLite(t))
	b.serve()
	login := b.mint(mint{account: acme, policy: "temporary-login"})
	w := b.browser()
	v, code := w.signIn(b.docs(), dana, login)
	got := v.exchange(code)
	kinds := b.everyKind(t, c, w, got)
	for _, d := range b.doors(t, w, got) {
		for kind, token := range kinds {
			if token == "" {
				t.Fatalf("there is no %s", kind)
			}
			if taken, want := d.try(kind, token), slices.Contains(d.takes, kind); taken != want {
				t.Errorf("%s with %s: taken %v, want %v", d.name, kind, taken, want)
			}
			if !b.active(got.Access) {
				t.Fatalf("%s with %s has ended the session", d.name, kind)
			}
		}
	}
	if log := b.logs.String(); strings.Contains(log, "panic") {
		t.Errorf("the log speaks of a panic: %s", tail(b.logs.String(), 4000))
	}
}

// everyKind is one of each, all of them good; those of the session but one.
func (b *broker) everyKind(t *testing.T, c *calls, w *browser, got tokens) map[string]string {
	t.Helper()
	// Another session, which ends, is what the logout token and the event are of.
	other := b.mint(mint{account: globex, policy: "temporary-login"})
	b.session(agent(1), other)
	answer := b.signal(b.docsAPI(), "/ssf/streams", map[string]any{})
	var made struct {
		Delivery struct {
			Endpoint string `json:"endpoint_url"`
		} `json:"delivery"`
	}
	answer.decode(t, &made)
	b.revoke(other)
	var polled struct{ Sets map[string]string }
	for deadline := time.Now().Add(patience); len(polled.Sets) == 0 && time.Now().Before(deadline); {
		b.signal(b.docsAPI(), made.Delivery.Endpoint, map[string]any{}).decode(t, &polled)
	}
	set := ""
	for _, set = range polled.Sets {
	}
	silent := b.authorize(b.docs(), "prompt", "none")
	w.open(silent.url())
	return map[string]string{
		"an access token": got.Access, "an ID token": got.ID, "a refresh token": got.Refresh, "a code": w.callback.Get("code"),
		"an API token": b.apiToken(b.settings()), "a logout token": c.next(t, "docs").token, "a security event": set,
		"a status list": string(b.get("/status/1", "").body), "a client's assertion": b.bankAssertion(),
		"a DPoP proof": b.proof(http.MethodGet, b.metadata().Userinfo), "a request_uri": b.post(b.metadata().PAR, b.docs(), b.authorize(b.docs()).params).field("request_uri"),
		"a temporary password": b.mint(mint{account: globex, policy: "temporary-login"}).Password,
	}
}

// proof is a DPoP proof by a new key (RFC 9449 section 4.2).
func (b *broker) proof(method, target string) string {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		b.t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{"jti": rand.Text(), "htm": method, "htu": target, "iat": time.Now().Unix()})
	if err != nil {
		b.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		b.t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}

func (b *broker) doors(t *testing.T, w *browser, got tokens) []door {
	t.Helper()
	m := b.metadata()
	// A good one is used up: only those that it does not take are tried.
	spent := func(spends string, try func(token string) exchange) func(kind, token string) bool {
		return func(kind, token string) bool {
			if kind == spends {
				return true
			}
			answer := try(token)
			if answer.status >= 500 {
				t.Errorf("%s: %d %s", answer.request, answer.status, answer.body)
			}
			return answer.status < 400 && answer.status != http.StatusSeeOther
		}
	}
	bearer := func(target string) func(kind, token string) bool {
		return spent("", func(token string) exchange {
			request := b.request(http.MethodGet, target, nil)
			request.Header.Set("Authorization", "Bearer "+token)
			return b.send(request)
		})
	}
	grant := func(client app, pairs ...string) exchange {
		form := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return b.post(m.Token, client, form)
	}
	path := "/api/v1" + acme.path()
	return append(b.doorsOfPages(w), []door{
		{"userinfo", []string{"an access token"}, bearer(m.Userinfo)},
		{"the management API", []string{"an API token"}, bearer(path + "/credentials")},
		{"the record", []string{"an API token"}, bearer(path + "/record")},
		{"the stream of endings", nil, bearer("/api/v1/endings")},
		{"the streams of events", nil, bearer("/ssf/streams")},
		{"introspection", []string{"an access token", "a refresh token"}, func(_, token string) bool {
			return strings.Contains(string(b.introspect(b.docs(), token).body), `"active":true`)
		}},
		{"a refresh", []string{"a refresh token"}, spent("a refresh token", func(token string) exchange { return b.refresh(b.docs(), token) })},
		{"the exchange of a code", []string{"a code"}, spent("a code", func(token string) exchange { return b.authorize(b.docs()).tryExchange(token) })},
		{"an exchange for another audience", nil, spent("", func(token string) exchange {
			return grant(b.console(), "grant_type", exchangeGrant, "subject_token", token, "subject_token_type", tokenTypes+"access_token", "audience", docsAudience)
		})},
		{"an agent's token of an exchange", nil, spent("", func(token string) exchange {
			return grant(b.console(), "grant_type", exchangeGrant, "subject_token", acme.handle+":123456", "subject_token_type", typePIN, "actor_token", token, "actor_token_type", tokenTypes+"id_token")
		})},
		{"an agent's token of a verification", nil, spent("", func(token string) exchange {
			return b.api(b.console(), http.MethodPost, "/verifications", map[string]any{"account_handle": acme.handle, "pin": "123456", "actor_token": token})
		})},
		{"a client's assertion", []string{"a client's assertion"}, spent("a client's assertion", func(token string) exchange {
			return grant(app{}, "grant_type", "client_credentials", "client_id", "bank-api", "client_assertion", token, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		})},
		{"a DPoP proof", nil, spent("", func(token string) exchange {
			request := b.request(http.MethodGet, m.Userinfo, nil)
			request.Header.Set("Authorization", "DPoP "+got.Access)
			request.Header.Set("DPoP", token)
			return b.send(request)
		})},
		{"guard", []string{"an access token"}, b.guardTakes(got.Access)},
	}...)
}

// doorsOfPages are those that a browser in the session comes to.
func (b *broker) doorsOfPages(w *browser) []door {
	m := b.metadata()
	return []door{
		{"a hint at the sign-in", []string{"an ID token"}, func(_, token string) bool {
			w.open(b.authorize(b.docs(), "prompt", "none", "id_token_hint", token).url())
			return w.callback.Has("code")
		}},
		{"a hint at signing out", []string{"an ID token"}, func(kind, token string) bool {
			return kind == "an ID token" || w.leave("id_token_hint", token, "client_id", "docs", "post_logout_redirect_uri", docsBye) != ""
		}},
		{"a pushed request", []string{"a request_uri"}, func(kind, token string) bool {
			w.open(m.Authorization + "?" + url.Values{"client_id": {"docs"}, "request_uri": {token}}.Encode())
			return w.callback.Has("code")
		}},
		{"a temporary password", []string{"a temporary password"}, func(kind, token string) bool {
			if kind == "a temporary password" {
				return true
			}
			other := b.browser()
			other.open(b.authorize(b.docs()).url())
			other.login(agent(2))
			other.redeem(credential{Email: "nobody@support.northwind.example", Password: token})
			return other.shows("enter")
		}},
	}
}

// guardTakes says what an app with guard lets in.
func (b *broker) guardTakes(access string) func(kind, token string) bool {
	b.t.Helper()
	a := b.relying(strings.TrimPrefix(b.at, "http://"))
	a.comesTo(access, letIn, unknown)
	return func(_, token string) bool { return a.ask(token) == letIn }
}
