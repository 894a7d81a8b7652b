package provider_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestProofsThatNeedANonce of the provider's: it is given, good on every node
// for a while, and made of nothing that is kept.
func TestProofsThatNeedANonce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.Nonces = w.secrets.Sealer("DPoP nonce")
	s := w.open("login")
	ask := func(path, proof string) reply {
		switch path {
		case "/token":
			return w.prove(path, "settings", proof, form("grant_type", "client_credentials"))
		case "/par":
			return w.prove(path, "bank", proof, w.request("bank"))
		}
		panic(path)
	}
	for path, status := range map[string]int{"/token": http.StatusOK, "/par": http.StatusCreated} {
		r := ask(path, w.proof(appKey, "POST", path))
		nonce := r.Header().Get("DPoP-Nonce")
		if r.Code != http.StatusBadRequest || r.text("error") != "use_dpop_nonce" || nonce == "" {
			t.Fatalf("%s: %d %s", path, r.Code, r.Body)
		}
		if r := ask(path, w.proof(appKey, "POST", path, "nonce", nonce)); r.Code != status || r.Header().Get("DPoP-Nonce") == "" {
			t.Errorf("%s with the nonce: %d %s", path, r.Code, r.Body)
		}
		for name, bad := range map[string]any{"made up": "x", "changed": changed(nonce), "cut": nonce[1:], "another type": 1, "a code": w.code("docs", s)} {
			if r := ask(path, w.proof(appKey, "POST", path, "nonce", bad)); r.Code != http.StatusBadRequest {
				t.Errorf("%s, a nonce that is %s: %d", path, name, r.Code)
			}
		}
		w.pass(5*time.Minute + time.Second)
		if r := ask(path, w.proof(appKey, "POST", path, "nonce", nonce)); r.text("error") != "use_dpop_nonce" {
			t.Errorf("%s, an old nonce: %d %s", path, r.Code, r.Body)
		}
	}
	nonce := ask("/token", w.proof(appKey, "POST", "/token")).Header().Get("DPoP-Nonce")
	r := w.prove("/token", "docs", w.proof(appKey, "POST", "/token", "nonce", nonce), w.exchange("docs", w.code("docs", s)))
	token := r.text("access_token")
	r = w.see("DPoP", token, w.seeing(appKey, token))
	if r.Code != http.StatusUnauthorized || !strings.Contains(r.Header().Get("WWW-Authenticate"), `DPoP realm="valetkey", error="use_dpop_nonce"`) {
		t.Errorf("userinfo: %d %v", r.Code, r.Header())
	}
	if r := w.see("DPoP", token, w.seeing(appKey, token, "nonce", r.Header().Get("DPoP-Nonce"))); r.Code != http.StatusOK {
		t.Errorf("userinfo with the nonce: %d %s", r.Code, r.Body)
	}
	if r := w.post("/token", "settings", form("grant_type", "client_credentials")); r.Code != http.StatusOK || r.Header().Get("DPoP-Nonce") != "" {
		t.Errorf("without a proof: %d %v", r.Code, r.Header())
	}
}
