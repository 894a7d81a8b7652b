package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/keys"
)

func part(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// otherKeys are those of another installation.
func otherKeys(t *testing.T) (list []*keys.SigningKey) {
	t.Helper()
	for _, purpose := range []keys.Purpose{keys.ForAccess, keys.ForID} {
		k, err := keys.NewSigningKey(purpose, "ES256", time.Now())
		must(t, err)
		list = append(list, k)
	}
	return list
}

// otherRing signs with keys of another installation.
func otherRing(t *testing.T) *keys.Ring {
	t.Helper()
	r, err := keys.NewRing(otherKeys(t))
	must(t, err)
	return r
}

// wrongTokens are none of a live session's access tokens. The name of a type
// that another endpoint takes is its key.
func (w *world) wrongTokens(t *testing.T, good reply, code string) map[string]string {
	access := good.text("access_token")
	split := strings.Split(access, ".")
	payload, err := base64.RawURLEncoding.DecodeString(split[1])
	must(t, err)
	other, err := otherRing(t).Sign(keys.ForAccess, "ES256", keys.TypAccess, payload)
	must(t, err)
	sign := func(purpose keys.Purpose, typ, text string) string {
		raw, err := w.p.Ring.Sign(purpose, "ES256", typ, []byte(text))
		must(t, err)
		return raw
	}
	mutate := func(from, to string) string {
		return sign(keys.ForAccess, keys.TypAccess, strings.Replace(string(payload), from, to, 1))
	}
	return map[string]string{
		"an ID token":                 good.text("id_token"),
		"a logout token":              w.logoutToken(t, good),
		"a refresh token":             good.text("refresh_token"),
		"a code":                      code,
		"a sealed request":            w.asked[0].Sealed,
		"an API token":                w.post("/token", "settings", form("grant_type", "client_credentials")).text("access_token"),
		"another installation's":      other,
		"an access token typed JWT":   sign(keys.ForAccess, keys.TypID, string(payload)),
		"its claims by the ID key":    sign(keys.ForID, keys.TypAccess, string(payload)),
		"another issuer":              mutate(issuer, "https://evil.example"),
		"a session nobody has":        mutate(`"sid":"`, `"sid":"x`),
		"no session":                  mutate(`"sid":"`, `"s_id":"`),
		"a client nobody has":         mutate(`"client_id":"docs"`, `"client_id":"gone"`),
		"expired":                     mutate(`"exp":`, `"exp":1,"was":`),
		"no exp":                      mutate(`"exp":`, `"was":`),
		"from the future":             mutate(`"iat":`, `"iat":99999999999,"was":`),
		"aud is a list of numbers":    mutate(`"aud":"`+docsAPI+`"`, `"aud":[1]`),
		"a payload that is no object": sign(keys.ForAccess, keys.TypAccess, `[1]`),
		"a payload that is no JSON":   sign(keys.ForAccess, keys.TypAccess, `{`),
		"a payload of null":           sign(keys.ForAccess, keys.TypAccess, `null`),
		"alg none":                    part(`{"alg":"none","typ":"at+jwt"}`) + "." + split[1] + ".",
		"alg HS256":                   part(`{"alg":"HS256","typ":"at+jwt"}`) + "." + split[1] + "." + part("signature"),
		"aud [1] without a signature": part(`{"alg":"ES256","typ":"at+jwt"}`) + "." + part(`{"aud":[1]}`) + "." + part("x"),
		"its own key in the header":   part(`{"alg":"ES256","typ":"at+jwt","jwk":{"kty":"EC"}}`) + "." + split[1] + "." + split[2],
		"no signature":                split[0] + "." + split[1] + ".",
		"two parts":                   split[0] + "." + split[1],
		"another payload":             split[0] + "." + part(strings.Replace(string(payload), "documents.read", "documents.writ", 1)) + "." + split[2],
		"cut short":                   access[:len(access)-3],
		"with something on":           access + "AAAA",
		"more than 8 KB":              access + strings.Repeat("A", 9<<10),
		"many dots":                   strings.Repeat(".", 50<<10),
		"JSON serialisation":          `{"payload":"` + split[1] + `","protected":"` + split[0] + `","signature":"` + split[2] + `"}`,
		"a status list":               sign(keys.ForAccess, keys.TypStatusList, string(payload)),
		"a security event":            sign(keys.ForID, keys.TypEvent, string(payload)),
		"a text":                      "x",
		"a percent":                   "%00",
	}
}

// TestNoTokenIsTakenForOneOfAnotherType: every wrong token at every endpoint.
func TestNoTokenIsTakenForOneOfAnotherType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	good, code := w.tokens("docs", s), w.code("docs", s)
	for name, token := range w.wrongTokens(t, good, code) {
		if token == "" {
			t.Fatalf("%s: there is none", name)
		}
		if r := w.userinfo(token); r.Code != http.StatusUnauthorized || !strings.HasPrefix(r.Header().Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("userinfo takes %s: %d %s", name, r.Code, r.Body)
		}
		if r := w.serve(plainPost("/userinfo", form("access_token", token))); r.Code != http.StatusUnauthorized {
			t.Errorf("userinfo takes %s in the body: %d %s", name, r.Code, r.Body)
		}
		if got := w.introspect("docs", token); got != inactive && name != "a refresh token" {
			t.Errorf("introspection of %s: %s", name, got)
		}
		if c, _, _, ok := w.p.OpenAPI(token); ok && (name != "an API token" || c.ID != "settings") {
			t.Errorf("the API takes %s", name)
		}
		if name != "a refresh token" {
			if r := w.post("/token", "docs", form("grant_type", "refresh_token", "refresh_token", token)); r.text("error") != "invalid_grant" {
				t.Errorf("refresh takes %s: %d %s", name, r.Code, r.Body)
			}
		}
		if name != "a code" {
			if r := w.post("/token", "docs", w.exchange("docs", token)); r.text("error") != "invalid_grant" {
				t.Errorf("%s as a code: %d %s", name, r.Code, r.Body)
			}
		}
		if mayEnd := map[string]bool{"a refresh token": true, "expired": true, "no exp": true, "from the future": true}; !mayEnd[name] {
			if r := w.post("/revoke", "docs", form("token", token)); name == "an API token" && r.text("error") != "unsupported_token_type" || name != "an API token" && name != "a client nobody has" && r.Code != http.StatusOK {
				t.Errorf("revocation of %s: %d %s", name, r.Code, r.Body)
			}
		}
		if !w.alive(s.ID) {
			t.Fatalf("%s ended the session", name)
		}
	}
	payload, err := json.Marshal(w.claims(good.text("access_token"), keys.ForAccess, keys.TypAccess))
	must(t, err)
	forAPI, err := w.p.Ring.Sign(keys.ForAccess, "ES256", keys.TypAccess, []byte(strings.Replace(string(payload), docsAPI, issuer+"/api", 1)))
	must(t, err)
	for _, token := range []string{good.text("access_token"), forAPI} {
		if _, _, _, ok := w.p.OpenAPI(token); ok {
			t.Error("a token with a sid is taken by the API")
		}
	}
	if r := w.userinfo(good.text("access_token")); r.Code != http.StatusOK {
		t.Errorf("the good one: %d %s", r.Code, r.Body)
	}
}

// TestAMillionDotsAreRefused before anything looks at them.
func TestAMillionDotsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dots := strings.Repeat(".", 1_000_000)
	if r := w.userinfo(dots); r.Code != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", r.Code)
	}
	for _, path := range []string{"/introspect", "/revoke"} {
		if r := w.post(path, "docs", form("token", dots)); r.Code != http.StatusBadRequest || r.text("error") != "invalid_request" {
			t.Errorf("%s: %d %s", path, r.Code, r.Body)
		}
	}
	if _, _, _, ok := w.p.OpenAPI(dots); ok {
		t.Error("the API takes it")
	}
}

// TestATokenFromTenSecondsAheadIsTakenAndExpHasNoLeeway: the clocks of nodes
// differ a little.
func TestATokenFromTenSecondsAheadIsTakenAndExpHasNoLeeway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.freeze(time.Now().Truncate(time.Second).Add(time.Hour))
	made := w.now()
	token := w.tokens("docs", w.open("login")).text("access_token")
	for _, tc := range []struct {
		by   time.Duration
		want int
	}{{-10 * time.Second, http.StatusOK}, {-11 * time.Second, http.StatusUnauthorized}, {5*time.Minute - time.Microsecond, http.StatusOK}, {5 * time.Minute, http.StatusUnauthorized}} {
		w.freeze(made.Add(tc.by))
		if r := w.userinfo(token); r.Code != tc.want {
			t.Errorf("at %v: %d, want %d", tc.by, r.Code, tc.want)
		}
	}
}
