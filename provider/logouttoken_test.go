package provider_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/provider"
)

func payloadOf(t testing.TB, raw string) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	must(t, err)
	return string(payload)
}

// TestALogoutTokenIsWhatTheStandardAsksFor: judged by libraries of others, with
// the keys that are published, for a client of each kind.
func TestALogoutTokenIsWhatTheStandardAsksFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) { p.Clients["notes"].IDTokenAlg = "RS256" })
	w.freeze(time.Now().Truncate(time.Second))
	s := w.open("login")
	var published jose.JSONWebKeySet
	must(t, json.Unmarshal(w.get("/jwks", nil).Body.Bytes(), &published))
	seen := map[string]bool{}
	for client, alg := range map[string]string{"docs": "ES256", "spa": "ES256", "notes": "RS256"} {
		raw, err := w.p.LogoutToken(context.Background(), s, client)
		must(t, err)
		signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		must(t, err)
		header := signed.Signatures[0].Protected
		if header.ExtraHeaders["typ"] != "logout+jwt" {
			t.Errorf("%s: typ is %v", client, header.ExtraHeaders["typ"])
		}
		_, err = signed.Verify(published.Key(header.KeyID)[0].Key)
		must(t, err)
		set := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{published.Key(header.KeyID)[0].Key}}
		token, err := oidc.NewVerifier(issuer, set, &oidc.Config{ClientID: client, SupportedSigningAlgs: []string{alg}, Now: w.now}).VerifyLogout(context.Background(), raw)
		must(t, err)
		var claims map[string]any
		must(t, token.Claims(&claims))
		if names := slices.Sorted(maps.Keys(claims)); !slices.Equal(names, []string{"aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"}) {
			t.Errorf("%s: the claims are %v", client, names)
		}
		events, _ := claims["events"].(map[string]any)
		if event, is := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any); !is || len(event) != 0 || len(events) != 1 {
			t.Errorf("%s: the events are %v", client, claims["events"])
		}
		if life := token.Expiry.Sub(token.IssuedAt); life <= 0 || life > 2*time.Minute || !token.IssuedAt.Equal(w.now()) {
			t.Errorf("%s: issued at %v for %v", client, token.IssuedAt, life)
		}
		var known struct{ Sub, Sid string }
		must(t, json.Unmarshal([]byte(payloadOf(t, w.tokens(client, s).text("id_token"))), &known))
		jti, _ := claims["jti"].(string)
		if token.Subject != known.Sub || claims["sid"] != known.Sid || known.Sid != s.ID || jti == "" || seen[jti] {
			t.Errorf("%s: %v, known as %+v", client, claims, known)
		}
		seen[jti] = true
	}
	again, err := w.p.LogoutToken(context.Background(), s, "docs")
	must(t, err)
	if strings.Contains(payloadOf(t, again), "nonce") || seen[jtiOf(t, again)] {
		t.Errorf("the next token: %s", payloadOf(t, again))
	}
	s.OwnerSub = "" // erased
	raw, err := w.p.LogoutToken(context.Background(), s, "notes")
	must(t, err)
	if strings.Contains(payloadOf(t, raw), `"sub"`) {
		t.Errorf("of an erased owner: %s", payloadOf(t, raw))
	}
	if _, err := w.p.LogoutToken(context.Background(), s, "gone"); err == nil {
		t.Error("a client that is configured no more is told")
	}
}

func jtiOf(t *testing.T, raw string) string {
	t.Helper()
	var claims struct {
		ID string `json:"jti"`
	}
	must(t, json.Unmarshal([]byte(payloadOf(t, raw)), &claims))
	return claims.ID
}
