package provider_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

func (w *world) refresh(client, token string, pairs ...string) reply {
	return w.post("/token", client, form(append([]string{"grant_type", "refresh_token", "refresh_token", token}, pairs...)...))
}

// TestARefreshMayAskForLessAndNeverForMore than was granted: nothing else is ever
// given, and who asks for nothing of it is refused (RFC 6749 section 6). What is
// left out comes back with the next.
func TestARefreshMayAskForLessAndNeverForMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.tokens("docs", w.open("login", "documents.read", "documents.write"), "scope", "openid documents.read documents.write")
	token := r.text("refresh_token")
	for _, tc := range []struct{ scope, want string }{
		{"", "openid documents.read documents.write"},
		{"documents.read", "documents.read"},
		{"openid documents.read documents.read", "openid documents.read"},
		{"documents.read settings.write email billing.read documents.delete * Documents.write", "documents.read"},
		{"", "openid documents.read documents.write"},
	} {
		for _, more := range []string{"settings.write", "email settings.write", "offline_access", "billing.read", "*", "Documents.read"} {
			if got := w.refresh("docs", token, "scope", more); got.Code != http.StatusBadRequest || got.text("error") != "invalid_scope" {
				t.Errorf("asked for %q: %d %s", more, got.Code, got.Body)
			}
		}
		got := w.refresh("docs", token, "scope", tc.scope)
		if got.text("scope") != tc.want || w.claims(got.text("access_token"), keys.ForAccess, keys.TypAccess)["scope"] != tc.want {
			t.Fatalf("asked for %q: %d %s", tc.scope, got.Code, got.Body)
		}
		if has := got.text("id_token") != ""; has != strings.Contains(tc.scope, "openid") {
			t.Errorf("asked for %q: an ID token: %v", tc.scope, has)
		}
		if got.text("refresh_token") == token {
			t.Error("the refresh token did not rotate")
		}
		token = got.text("refresh_token")
	}
}

// TestARefreshTokenIsOfItsClient: at another it is unknown and nothing ends.
func TestARefreshTokenIsOfItsClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	token := w.tokens("docs", s).text("refresh_token")
	w.p.Clients["notes"].Grants = append(w.p.Clients["notes"].Grants, "refresh_token")
	for _, other := range []string{"spa", "notes"} {
		if r := w.refresh(other, token); r.text("error") != "invalid_grant" {
			t.Errorf("at %s: %d %s", other, r.Code, r.Body)
		}
		if got := w.introspect("notes", token); got != inactive {
			t.Errorf("introspected by another client: %s", got)
		}
	}
	for _, bad := range []string{token[:len(token)-1], token + "A", token + "=", " " + token, strings.ToLower(token)} {
		if r := w.refresh("docs", bad); r.text("error") != "invalid_grant" {
			t.Errorf("%q: %d %s", bad, r.Code, r.Body)
		}
	}
	if r := w.refresh("docs", token); r.Code != http.StatusOK {
		t.Errorf("at its own: %d %s", r.Code, r.Body)
	}
}

// TestALostReplyDoesNotEndTheSessionAndReuseDoes.
func TestALostReplyDoesNotEndTheSessionAndReuseDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	first := w.tokens("docs", s).text("refresh_token")
	_ = w.refresh("docs", first) // its reply is lost
	w.pass(20 * time.Second)
	second := w.refresh("docs", first)
	if second.Code != http.StatusOK || !w.alive(s.ID) {
		t.Fatalf("again within 30 s: %d %s", second.Code, second.Body)
	}
	third := w.refresh("docs", second.text("refresh_token"))
	if third.Code != http.StatusOK {
		t.Fatalf("its successor: %d %s", third.Code, third.Body)
	}
	if r := w.refresh("docs", first); r.text("error") != "invalid_grant" {
		t.Errorf("reuse: %d %s", r.Code, r.Body)
	}
	w.allDead(third, s.ID)
}

// TestAReplacedTokenThatIsTakenBackEndsTheSession: within its grace it could
// still be used, so taking it back must not leave it alive.
func TestAReplacedTokenThatIsTakenBackEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.tokens("docs", w.open("login")).text("refresh_token")
	second := w.refresh("docs", first).text("refresh_token")
	if got := w.introspect("docs", first); got != inactive {
		t.Errorf("a replaced token is introspected as %s", got)
	}
	if r := w.post("/revoke", "docs", form("token", first)); r.Code != http.StatusOK {
		t.Fatalf("taken back: %d %s", r.Code, r.Body)
	}
	for _, token := range []string{first, second} {
		if r := w.refresh("docs", token); r.text("error") != "invalid_grant" {
			t.Errorf("after it was taken back: %d %s", r.Code, r.Body)
		}
	}
}

// TestNothingOutlivesTheSessionsEnd: exp and expires_in are cut at it, and where it
// is to be idle sooner, at that; in its last second nothing is issued.
func TestNothingOutlivesTheSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("pin", "documents.read") // half an hour
	w.p.Access = time.Hour
	first := w.tokens("docs", s)
	if n := first.body["expires_in"].(float64); n > 600 || n < 590 {
		t.Errorf("expires_in at first is %v", n)
	}
	refresh := first.text("refresh_token")
	for _, before := range []time.Duration{21 * time.Minute, 12 * time.Minute, 4 * time.Minute, 5 * time.Second} {
		w.freeze(s.EndsAt.Add(-before))
		r := w.refresh("docs", refresh, "scope", "openid documents.read")
		refresh = r.text("refresh_token")
		n, _ := r.body["expires_in"].(float64)
		exp := w.claims(r.text("access_token"), keys.ForAccess, keys.TypAccess)["exp"].(float64)
		id := w.claims(r.text("id_token"), keys.ForID, keys.TypID)["exp"].(float64)
		if r.Code != http.StatusOK || n < 1 || n > before.Seconds()+1 || exp > float64(s.EndsAt.Unix()) || id != exp {
			t.Fatalf("%v before the end: %d, expires_in %v, exp %v and %v, end %d", before, r.Code, n, exp, id, s.EndsAt.Unix())
		}
	}
	w.freeze(s.EndsAt)
	if r := w.refresh("docs", refresh); r.text("error") != "invalid_grant" {
		t.Errorf("at the end: %d %s", r.Code, r.Body)
	}
}

// TestInTheLastSecondOfASessionNothingIsIssued: a token would be expired, or
// its expires_in below one.
func TestInTheLastSecondOfASessionNothingIsIssued(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.freeze(time.Now().Truncate(time.Second).Add(900 * time.Millisecond))
	s := w.open("pin", "documents.read")
	refresh := w.tokens("docs", s).text("refresh_token")
	for _, before := range []time.Duration{25 * time.Minute, 16 * time.Minute, 8 * time.Minute, time.Second} {
		w.freeze(s.EndsAt.Add(-before))
		r := w.refresh("docs", refresh)
		if refresh = r.text("refresh_token"); r.Code != http.StatusOK {
			t.Fatalf("%v before: %d %s", before, r.Code, r.Body)
		}
	}
	code := w.code("docs", s)
	w.freeze(s.EndsAt.Add(-800 * time.Millisecond))
	for name, r := range map[string]reply{"refresh": w.refresh("docs", refresh), "code": w.post("/token", "docs", w.exchange("docs", code))} {
		if r.Code != http.StatusBadRequest || r.text("error") != "invalid_grant" {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
}

// TestWhatTheConfigurationTakesAwayIsNotIssued for a code or refresh token of
// before.
func TestWhatTheConfigurationTakesAwayIsNotIssued(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login", "documents.read", "documents.write")
	const both = "openid documents.read documents.write"
	code, refresh := w.code("docs", s, "scope", both), w.tokens("docs", s, "scope", both).text("refresh_token")
	w.p.Clients["docs"].Scopes = []string{"*.read"}
	for name, r := range map[string]reply{"code": w.post("/token", "docs", w.exchange("docs", code)), "refresh": w.refresh("docs", refresh)} {
		if r.text("scope") != "openid documents.read" || w.claims(r.text("access_token"), keys.ForAccess, keys.TypAccess)["scope"] != "openid documents.read" {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
}

// TestAnIDTokenIsMadeOnlyForOpenIDAndWithTheNonce, and at_hash.
func TestAnIDTokenIsMadeOnlyForOpenIDAndWithTheNonce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	if r := w.tokens("docs", s, "scope", "documents.read"); r.text("id_token") != "" {
		t.Error("an ID token without openid")
	}
	less := w.tokens("docs", s, "scope", "documents.read").text("refresh_token")
	if r := w.refresh("docs", less, "scope", "openid documents.read"); r.Code != http.StatusOK || r.text("id_token") != "" || r.text("scope") != "documents.read" {
		t.Errorf("a refresh adds openid: %d %s", r.Code, r.Body)
	}
	r := w.tokens("docs", s, "nonce", "N<&>\"é")
	id := w.claims(r.text("id_token"), keys.ForID, keys.TypID)
	if id["nonce"] != "N<&>\"é" || id["aud"] != "docs" || id["sid"] != s.ID || id["auth_time"].(float64) != float64(s.AuthTime.Unix()) {
		t.Errorf("claims %v", id)
	}
	if id["at_hash"] != atHash(r.text("access_token")) {
		t.Errorf("at_hash %v", id["at_hash"])
	}
	again := w.claims(w.refresh("docs", r.text("refresh_token"), "scope", "openid").text("id_token"), keys.ForID, keys.TypID)
	if again["sub"] != id["sub"] || again["auth_time"] != id["auth_time"] || again["nonce"] != nil {
		t.Errorf("after a refresh: %v", again)
	}
}

// TestACRSaysWhatStandsBehindTheSession.
func TestACRSaysWhatStandsBehindTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for policy, want := range map[string]string{"pin": "urn:valetkey:acr:agent+pin", "login": "urn:valetkey:acr:agent+password", "holder": "urn:valetkey:acr:holder"} {
		s := w.open(policy)
		c := w.claims(w.tokens("docs", s).text("access_token"), keys.ForAccess, keys.TypAccess)
		if c["acr"] != want || (c["act"] == nil) != (policy == "holder") || s.Kind == credentials.PIN != (policy == "pin") {
			t.Errorf("%s: acr %v, act %v", policy, c["acr"], c["act"])
		}
	}
}
