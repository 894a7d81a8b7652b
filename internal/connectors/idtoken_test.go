package connectors

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/keys"
)

// TestVerifyARealToken takes the ID token of a sign-in at an issuer that nobody
// here wrote, and moves only the clock.
func TestVerifyARealToken(t *testing.T) {
	t.Parallel()
	i := zitadel()
	token := i.token(t)
	issued := time.Unix(payload(t, token).IssuedAt, 0)
	got, err := i.at(issued).Verify(t.Context(), upstreamAudience, token)
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "id1" || got.Account != "acme" {
		t.Errorf("subject %q and account %q", got.Subject, got.Account)
	}
	for name, want := range map[string]string{
		"account_id": "[acme]", "groups": "[support night]", "https://northwind.example/role": "[owner]",
		"level": "[9007199254740993]", "vip": "[true]", "aud": "[valetkey]", "address": "[]", "northwind": "[]",
	} {
		if text := fmt.Sprint(got.All[name]); text != want {
			t.Errorf("claim %s: %s, want %s", name, text, want)
		}
	}
	for name, c := range map[string]struct {
		audience string
		since    time.Duration
		ok       bool
	}{
		"at five minutes":         {upstreamAudience, 5 * time.Minute, true},
		"after five minutes":      {upstreamAudience, 5*time.Minute + time.Second, false},
		"ten seconds early":       {upstreamAudience, -10 * time.Second, true},
		"eleven seconds early":    {upstreamAudience, -11 * time.Second, false},
		"for another audience":    {"another", 0, false},
		"for no audience":         {"", 0, false},
		"for part of an audience": {"valet", 0, false},
	} {
		if _, err := i.at(issued.Add(c.since)).Verify(t.Context(), c.audience, token); (err == nil) != c.ok ||
			err != nil && !errors.Is(err, ErrIDToken) {
			t.Errorf("%s: %v, want ok %v", name, err, c.ok)
		}
	}
}

// TestVerifyRefuses what carries the issuer's own signature and is not an ID
// token of this moment for this audience.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	i := zitadel()
	now := time.Unix(time.Now().Unix(), 0)
	u := i.at(now)
	with := func(changes ...any) map[string]any {
		c := i.claims(now)
		for n := 0; n < len(changes); n += 2 {
			c[changes[n].(string)] = changes[n+1]
		}
		return c
	}
	if _, err := u.Verify(t.Context(), upstreamAudience, i.sign(t, "JWT", with())); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := i.sign(t, "", with())
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	for name, token := range map[string]string{
		"expired":               i.sign(t, "", with("exp", now.Add(-time.Second).Unix(), "iat", now.Add(-time.Minute).Unix())),
		"no expiry":             i.sign(t, "", with("exp", 0)),
		"old":                   i.sign(t, "", with("iat", now.Add(-6*time.Minute).Unix())),
		"from the future":       i.sign(t, "", with("iat", now.Add(time.Minute).Unix())),
		"no time":               i.sign(t, "", with("iat", 0)),
		"another issuer":        i.sign(t, "", with("iss", "https://elsewhere.example")),
		"the issuer and more":   i.sign(t, "", with("iss", i.server.URL+"/")),
		"another audience":      i.sign(t, "", with("aud", "another")),
		"an odd audience":       i.sign(t, "", with("aud", []any{1})),
		"an access token":       i.sign(t, "at+jwt", with()),
		"a logout token":        i.sign(t, "logout+jwt", with()),
		"a logout token by now": i.sign(t, "", with("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}})),
		"another key":           signWith(t, jose.RS256, jose.JSONWebKey{Key: other, KeyID: "other"}, "", with()),
		"another key by name":   signWith(t, jose.RS256, jose.JSONWebKey{Key: other, KeyID: keyID(t, i)}, "", with()),
		"a shared secret":       signWith(t, jose.HS256, []byte(strings.Repeat("k", 32)), "", with()),
		"unsigned":              b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"changed":               parts[0] + "." + b64([]byte(strings.Replace(decode(t, parts[1]), `"id1"`, `"id2"`, 1))) + "." + parts[2],
		"cut":                   good[:len(good)-4],
		"two parts":             parts[0] + "." + parts[1],
		"a million dots":        strings.Repeat(".", 1_000_000),
		"too long":              i.sign(t, "", with("padding", strings.Repeat("x", keys.MaxToken))),
		"nothing":               "",
		"no JSON":               "bm8.bm8.bm8",
	} {
		if got, err := u.Verify(t.Context(), upstreamAudience, token); !errors.Is(err, ErrIDToken) || got.Subject != "" {
			t.Errorf("%s: %+v, %v; want ErrIDToken", name, got, err)
		}
	}
}

func keyID(t *testing.T, i *issuer) string {
	t.Helper()
	key, err := i.storage.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key.ID()
}

func decode(t *testing.T, part string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAccountClaim: only one plain value names an account.
func TestAccountClaim(t *testing.T) {
	t.Parallel()
	i := zitadel()
	now := time.Unix(time.Now().Unix(), 0)
	for _, c := range []struct {
		claim string
		value any
		want  string
	}{
		{"account_id", "acme", "acme"},
		{"account_id", 12345678901234567, "12345678901234567"},
		{"account_id", []string{"acme"}, "acme"},
		{"account_id", []string{"acme", "globex"}, ""},
		{"account_id", []string{}, ""},
		{"account_id", map[string]any{"id": "acme"}, ""},
		{"account_id", nil, ""},
		{"https://northwind.example/account.id", "acme", "acme"},
		{"account.id", "acme", "acme"},
	} {
		claims := i.claims(now)
		claims[c.claim] = c.value
		claims["account"] = map[string]any{"id": "globex"} // a dotted name is no path
		u := i.at(now)
		u.Account.ID = c.claim
		got, err := u.Verify(t.Context(), upstreamAudience, i.sign(t, "", claims))
		if err != nil || got.Account != c.want {
			t.Errorf("%s %v: account %q, %v; want %q", c.claim, c.value, got.Account, err, c.want)
		}
	}
}

// TestActor: an ID token that a client brings stands for an agent, if it is of
// this moment and they may come in.
func TestActor(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) int64 { return noon.Add(-d).Unix() }
	for _, c := range []struct {
		name    string
		changes map[string]any
		err     error
	}{
		{"a good one", nil, nil},
		{"five minutes old", map[string]any{"iat": ago(5 * time.Minute)}, nil},
		{"older", map[string]any{"iat": ago(5*time.Minute + time.Second)}, ErrIDToken},
		{"a little ahead", map[string]any{"iat": ago(-10 * time.Second)}, nil},
		{"from the future", map[string]any{"iat": ago(-time.Minute)}, ErrIDToken},
		{"of an hour ago", map[string]any{"auth_time": ago(time.Hour)}, nil},
		{"another audience", map[string]any{"aud": "valetkey"}, ErrIDToken},
		{"two audiences, for us", map[string]any{"aud": []string{"valetkey", "console"}, "azp": "console"}, nil},
		{"fetched by a mobile app of the console", map[string]any{"azp": "console-android"}, nil},
		{"two audiences, for another", map[string]any{"aud": []string{"valetkey", "console"}, "azp": "valetkey"}, ErrIDToken},
		{"another issuer", map[string]any{"iss": "https://elsewhere.example"}, ErrIDToken},
		{"no subject", map[string]any{"sub": nil}, ErrIDToken},
		{"another group", map[string]any{"groups": "sales"}, ErrNotAllowed},
		{"a long one", map[string]any{"padding": strings.Repeat("x", keys.MaxToken)}, ErrIDToken},
	} {
		h := newHostile(t)
		h.changes = map[string]any{"aud": "console"}
		maps.Copy(h.changes, c.changes)
		o := h.connector()
		token := h.token(h.claims())
		got, err := o.Actor(t.Context(), "console", token)
		if !errors.Is(err, c.err) || err != nil && (got.Subject != "" || errors.Is(err, ErrUpstream)) {
			t.Errorf("%s: %+v, %v; want %v", c.name, got, err, c.err)
		}
		if err != nil {
			continue
		}
		if !o.Still(got) || got.ProvedAt.After(noon) || got.AuthTime.After(got.ProvedAt) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if iat, is := c.changes["iat"].(int64); is && iat < noon.Unix() && got.ProvedAt.Unix() != iat {
			t.Errorf("%s: proved at %s, want when it was issued", c.name, got.ProvedAt)
		}
		if IssuerOf(token) != h.server.URL {
			t.Errorf("%s: it is issued by %q", c.name, IssuerOf(token))
		}
	}
	h := newHostile(t)
	h.discovery = map[string]any{"jwks_uri": "http://127.0.0.1:1/jwks"}
	if _, err := h.connector().Actor(t.Context(), "valetkey", h.token(h.claims())); !errors.Is(err, ErrUpstream) || errors.Is(err, ErrIDToken) {
		t.Errorf("without keys: %v, want ErrUpstream alone", err)
	}
}

// TestIssuerOf finds none in what is no ID token.
func TestIssuerOf(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	good := h.token(h.claims())
	for name, token := range map[string]string{
		"nothing": "", "rubbish": "rubbish", "no JSON": "bm8.bm8.bm8", "dots": strings.Repeat(".", 1_000_000), "cut": good[:20],
		"long": good + strings.Repeat("x", keys.MaxToken), "no text": unsigned(t, map[string]any{"iss": 1}),
		"an access token": signWith(t, jose.ES256, h.key, "at+jwt", h.claims()),
	} {
		if got := IssuerOf(token); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// FuzzIDToken: whatever somebody hands in, it proves nothing and breaks
// nothing.
func FuzzIDToken(f *testing.F) {
	f.Add("e30.e30.e30")
	f.Add("eyJhbGciOiJub25lIn0.eyJhdWQiOlsxXX0.")
	o := &OIDC{Issuer: "http://127.0.0.1:1", Now: time.Now}
	f.Fuzz(func(t *testing.T, raw string) {
		_ = IssuerOf(raw)
		if _, err := o.Actor(t.Context(), "a", raw); err == nil {
			t.Error("it proves who somebody is")
		}
	})
}
