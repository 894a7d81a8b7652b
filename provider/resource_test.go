package provider_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/provider"
)

func atHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// TestIntrospectionIsForTheTokensAudience: whoever else asks, and whatever else
// is asked about, is told exactly {"active":false}.
func TestIntrospectionIsForTheTokensAudience(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) {
		p.Clients["deaf"] = &provider.Client{ID: "deaf", Secret: "deaf-secret-0123456789"}
	})
	s := w.open("login")
	got := w.tokens("docs", s)
	token := got.text("access_token")
	for _, other := range []string{"notes", "settings", "deaf"} {
		if answer := w.introspect(other, token); answer != inactive {
			t.Errorf("to %s: %s", other, answer)
		}
	}
	for _, hint := range []string{"", "access_token", "refresh_token", "nonsense"} {
		r := w.post("/introspect", "docs-api", form("token", token, "token_type_hint", hint)) // shares the audience
		if r.body["active"] != true || r.text("client_id") != "docs" || r.text("aud") != docsAPI || r.text("sid") != s.ID || r.text("iss") != issuer || r.text("token_type") != "Bearer" {
			t.Errorf("hint %q: %s", hint, r.Body)
		}
	}
	if r := w.post("/introspect", "docs", form("token", got.text("refresh_token"))); r.body["active"] != true || r.text("sid") != s.ID || r.text("token_type") != "" {
		t.Errorf("its refresh token: %s", r.Body)
	}
	if answer := w.introspect("docs-api", got.text("refresh_token")); answer != inactive {
		t.Errorf("its refresh token, to another client of the audience: %s", answer)
	}
	if r := w.post("/introspect", "docs", nil); r.Code != http.StatusUnauthorized && r.text("error") != "invalid_request" {
		t.Errorf("without a token: %d %s", r.Code, r.Body)
	}
	w.pass(5*time.Minute + time.Second)
	if answer := w.introspect("docs", token); answer != inactive {
		t.Errorf("expired: %s", answer)
	}
}

// TestARevocationIsSeenByTheNextRequest (I2).
func TestARevocationIsSeenByTheNextRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 5 {
		s := w.open("login")
		got := w.tokens("docs", s)
		if r := w.userinfo(got.text("access_token")); r.Code != http.StatusOK {
			t.Fatalf("before: %d %s", r.Code, r.Body)
		}
		must(t, w.minter.Revoke(t.Context(), "acme", s.Credential, mark))
		w.allDead(got, s.ID)
	}
}

// TestTheEmailOfUserinfoIsTheTemporaryOneAndNotVerified: it must never link a
// guest to anybody's account.
func TestTheEmailOfUserinfoIsTheTemporaryOneAndNotVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	r := w.userinfo(w.tokens("docs", s).text("access_token"))
	if r.text("email") != s.Email || !strings.HasSuffix(s.Email, "@support.example") || r.body["email_verified"] != false || !strings.HasPrefix(r.text("sub"), "guest:") {
		t.Errorf("userinfo %s", r.Body)
	}
	for _, never := range []string{"sam@corp.example", "olivia@", "true"} {
		if strings.Contains(r.Body.String(), never) {
			t.Errorf("%q is in %s", never, r.Body)
		}
	}
	for name, token := range map[string]string{
		"without the scope": w.tokens("docs", s, "scope", "openid documents.read").text("access_token"),
		"of a PIN":          w.tokens("docs", w.open("pin")).text("access_token"),
	} {
		r := w.userinfo(token)
		if _, has := r.body["email"]; has || r.Code != http.StatusOK || r.body["email_verified"] != nil {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
}

// TestUserinfoAsksForOpenIDAndABearerToken (RFC 6750 section 3).
func TestUserinfoAsksForOpenIDAndABearerToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	r := w.userinfo(w.tokens("docs", s, "scope", "documents.read email").text("access_token"))
	if r.Code != http.StatusForbidden || r.text("error") != "insufficient_scope" || !strings.Contains(r.Header().Get("WWW-Authenticate"), `error="insufficient_scope"`) || strings.Contains(r.Body.String(), "email\"") {
		t.Errorf("without openid: %d %s %v", r.Code, r.Body, r.Header())
	}
	if r := w.get("/userinfo", nil); r.Code != http.StatusUnauthorized || r.Header().Get("WWW-Authenticate") != `Bearer realm="valetkey"` {
		t.Errorf("without a token: %d %v", r.Code, r.Header())
	}
	token := w.tokens("docs", s).text("access_token")
	for header, want := range map[string]int{
		"Bearer " + token: 200, "bearer " + token: 200, "BEARER " + token: 200,
		"Bearer": 401, "Bearer ": 401, token: 401, "Basic " + token: 401, "Token " + token: 401, "Bearer  " + token: 401, "Bearer " + token + ", Bearer x": 401, "x Bearer " + token: 401,
	} {
		r := httptestGet("/userinfo")
		r.Header.Set("Authorization", header)
		if got := w.serve(r); got.Code != want {
			t.Errorf("%.12q: %d %s", header, got.Code, got.Body)
		}
	}
	post := plainPost("/userinfo", nil)
	post.Header.Set("Authorization", "Bearer "+token)
	if r := w.serve(post); r.Code != http.StatusOK {
		t.Errorf("in the header of a POST: %d %s", r.Code, r.Body)
	}
	if r := w.serve(plainPost("/userinfo", form("access_token", "x"))); r.Code != http.StatusUnauthorized || !strings.Contains(r.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("a wrong one in the body: %d %v", r.Code, r.Header())
	}
	if r := w.serve(plainPost("/userinfo", form("access_token", token))); r.Code != http.StatusOK {
		t.Errorf("in the body: %d %s", r.Code, r.Body)
	}
}

// TestASubIsTheSameEverywhere: ID token, access token, userinfo, introspection.
func TestASubIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for client, asking := range map[string]string{"docs": "docs-api", "notes": "notes"} {
		got := w.tokens(client, w.open("login"))
		part := strings.Split(got.text("id_token"), ".")[1]
		var id map[string]any
		raw, _ := base64.RawURLEncoding.DecodeString(part)
		must(t, json.Unmarshal(raw, &id))
		info, seen := w.userinfo(got.text("access_token")), w.post("/introspect", asking, form("token", got.text("access_token")))
		if info.text("sub") != id["sub"] || seen.text("sub") != id["sub"] || info.text("sid") != id["sid"] || seen.text("sid") != id["sid"] {
			t.Errorf("%s: %v, %s, %s", client, id, info.Body, seen.Body)
		}
	}
}

// TestARevokedTokenEndsItsSession (RFC 7009): any token of it, also an access
// token that has expired; another client's and unknown ones end nothing.
func TestARevokedTokenEndsItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		client, token string
		wait          time.Duration
		status        int
		ends          bool
	}{
		"its access token":           {"docs", "access_token", 0, 200, true},
		"its refresh token":          {"docs", "refresh_token", 0, 200, true},
		"its expired access token":   {"docs", "access_token", 6 * time.Minute, 200, true},
		"its ID token, which is not": {"docs", "id_token", 0, 200, false},
		"another client's":           {"notes", "access_token", 0, 400, false},
		"another client's refresh":   {"spa", "refresh_token", 0, 400, false},
		"an API client's audience":   {"docs-api", "access_token", 0, 400, false},
	} {
		s := w.open("login")
		got := w.tokens("docs", s)
		w.pass(tc.wait)
		for range 2 { // the second time nothing is left to do
			if r := w.post("/revoke", tc.client, form("token", got.text(tc.token), "token_type_hint", "nonsense")); r.Code != tc.status {
				t.Errorf("%s: %d %s", name, r.Code, r.Body)
			} else if tc.status == 400 && r.text("error") != "unauthorized_client" {
				t.Errorf("%s: %s", name, r.Body)
			}
		}
		if tc.ends {
			w.allDead(got, s.ID)
		} else if !w.alive(s.ID) {
			t.Errorf("%s: the session ended", name)
		}
	}
	if r := w.post("/revoke", "docs", form("x", "y")); r.Code != http.StatusBadRequest || r.text("error") != "invalid_request" {
		t.Errorf("without a token: %d %s", r.Code, r.Body)
	}
}
