package provider_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/valetkey/valetkey/internal/keys"
)

// exchanged sends an exchange of the console with a proof of the key; nil: without one.
func (d *desk) exchanged(k *pair, f url.Values) reply {
	proof := ""
	if k != nil {
		proof = d.proof(*k, "POST", "/token")
	}
	return d.prove("/token", "console", proof, f)
}

func (d *desk) boundTo(r reply) any {
	d.Helper()
	cnf, _ := d.claims(r.text("access_token"), keys.ForAccess, keys.TypAccess)["cnf"].(map[string]any)
	return cnf["jkt"]
}

// TestExchangedTokensAreBound to the key that the client proves, by every kind of
// exchange.
func TestExchangedTokensAreBound(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pin := d.mint("pin")
	d.p.Clients["console"].RequireDPoP = true
	if r := d.exchanged(nil, d.byPIN(pin)); r.text("error") != "invalid_dpop_proof" {
		t.Errorf("without a proof: %d %s", r.Code, r.Body)
	}
	f, proof := d.byPIN(pin), d.proof(appKey, "POST", "/token")
	first := d.prove("/token", "console", proof, f)
	if first.Code != http.StatusOK || first.text("token_type") != "DPoP" || d.boundTo(first) != appKey.thumbprint() {
		t.Fatalf("with a proof: %d %s", first.Code, first.Body)
	}
	if r := d.prove("/token", "console", proof, f); r.text("error") != "invalid_dpop_proof" || r.text("access_token") != "" {
		t.Errorf("with the same proof again: %d %s", r.Code, r.Body)
	}
	if r := d.exchanged(&appKey, f); r.Code != http.StatusOK {
		t.Errorf("sent again with a proof of its own: %d %s", r.Code, r.Body)
	}
	if n := len(d.sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
	onward := d.byToken(first.text("access_token"))
	for what, k := range map[string]*pair{"without a proof": nil, "with another key": &otherKey} {
		d.p.Clients["console"].RequireDPoP = false
		if r := d.exchanged(k, onward); r.text("error") != "invalid_request" || r.text("access_token") != "" {
			t.Errorf("a bound token %s: %d %s", what, r.Code, r.Body)
		}
	}
	if r := d.exchanged(&appKey, onward); r.Code != http.StatusOK || d.boundTo(r) != appKey.thumbprint() {
		t.Errorf("a bound token with its key: %d %s", r.Code, r.Body)
	}
	// One that is bound to nothing may become one that is.
	free := d.granted("console", d.byPIN(d.mint("pin")))
	if r := d.exchanged(&otherKey, d.byToken(free.text("access_token"))); r.Code != http.StatusOK || d.boundTo(r) != otherKey.thumbprint() {
		t.Errorf("a free token with a key: %d %s", r.Code, r.Body)
	}
}
