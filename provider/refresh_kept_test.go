package provider_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestRefreshTokensThatAreKept: of clients that prove themselves by a key, and
// of public ones whose tokens are bound. Others are replaced at each use.
func TestRefreshTokensThatAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	use := func(client, token, proof string) reply {
		return w.prove("/token", client, proof, form("grant_type", "refresh_token", "refresh_token", token))
	}
	proof := func(k pair) string { return w.proof(k, "POST", "/token") }
	s := w.open("login")
	bank, spa := w.bound("bank", appKey, s).text("refresh_token"), w.bound("spa", appKey, s).text("refresh_token")
	for i := range 4 {
		w.pass(10 * time.Minute) // long beyond the grace of a token that is replaced
		for client, token := range map[string]string{"bank": bank, "spa": spa} {
			r := use(client, token, proof(appKey))
			if r.Code != http.StatusOK || r.body["refresh_token"] != nil || r.text("token_type") != "DPoP" {
				t.Errorf("%s, use %d: %d %s", client, i, r.Code, r.Body)
			}
		}
	}
	if r := use("bank", bank, proof(otherKey)); r.Code != http.StatusOK { // it has proven itself by its own key
		t.Errorf("a confidential client's new key: %d %s", r.Code, r.Body)
	}
	for name, r := range map[string]reply{
		"a public client's other key": use("spa", spa, proof(otherKey)),
		"no key":                      use("spa", spa, ""),
		"no key, confidential":        use("bank", bank, ""),
	} {
		if r.Code != http.StatusBadRequest || r.text("error") != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
	if r := use("spa", bank, proof(appKey)); r.text("error") != "invalid_grant" {
		t.Errorf("another client's: %d %s", r.Code, r.Body)
	}
	docs := w.bound("docs", appKey, s).text("refresh_token")
	r := use("docs", docs, proof(appKey))
	if r.Code != http.StatusOK || r.text("refresh_token") == "" || r.text("refresh_token") == docs {
		t.Errorf("a client with a secret: %d %s", r.Code, r.Body)
	}
	if r := use("docs", r.text("refresh_token"), ""); r.text("error") != "invalid_dpop_proof" {
		t.Errorf("its next one, as bearer: %d %s", r.Code, r.Body)
	}
	free := w.tokens("spa", s).text("refresh_token")
	first := use("spa", free, "")
	if first.text("refresh_token") == "" || !w.alive(s.ID) {
		t.Fatalf("a public client's that is not bound: %d %s", first.Code, first.Body)
	}
	second := use("spa", first.text("refresh_token"), proof(appKey)) // from here on it is bound
	if second.text("token_type") != "DPoP" || second.text("refresh_token") == "" {
		t.Fatalf("%d %s", second.Code, second.Body)
	}
	if r := use("spa", second.text("refresh_token"), ""); r.text("error") != "invalid_dpop_proof" {
		t.Errorf("and back: %d %s", r.Code, r.Body)
	}
	if err := w.p.Sessions.End(t.Context(), s.ID, credentials.CauseSignedOut, credentials.Mark{Who: "client", ID: "bank"}); err != nil {
		t.Fatal(err)
	}
	for client, token := range map[string]string{"bank": bank, "spa": spa} {
		if r := use(client, token, proof(appKey)); r.text("error") != "invalid_grant" {
			t.Errorf("%s after the session ended: %d %s", client, r.Code, r.Body)
		}
	}
}
