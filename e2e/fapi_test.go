package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// bankKey is by what the bank's app proves who it is.
var bankKey = sync.OnceValue(func() jose.JSONWebKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: "bank-1", Algorithm: "ES256", Use: "sig"}
})

// bankKeys is the file of its public part.
func bankKeys() []byte {
	private := bankKey()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	if err != nil {
		panic(err)
	}
	return text
}

// bankAssertion is by what the bank's app proves who it is, once.
func (b *broker) bankAssertion() string {
	b.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: bankKey()}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	now := time.Now().Unix()
	payload, err := json.Marshal(map[string]any{"iss": "bank", "sub": "bank", "aud": b.issuer, "jti": rand.Text(), "iat": now, "exp": now + 60})
	if err != nil {
		b.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		b.t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// failed is how a request of the bank's app failed.
type failed struct {
	OK      bool   `json:"ok"`
	Status  int    `json:"status"`
	Error   string `json:"error"`
	Scheme  string `json:"scheme"`
	Message string `json:"message"`
}

// bankSays is the app's line.
type bankSays struct {
	URL           string         `json:"authorization_url"`
	Claims        claims         `json:"claims"`
	Type          string         `json:"token_type"`
	Access        string         `json:"access_token"`
	Userinfo      map[string]any `json:"userinfo"`
	Introspection map[string]any `json:"introspection"`
	Metadata      map[string]any `json:"metadata"`
	Renewed       struct {
		Type    string `json:"token_type"`
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	} `json:"renewed_again"`
	AsBearer        failed            `json:"as_bearer"`
	ByAnotherKey    failed            `json:"by_another_key"`
	RefreshAsBearer failed            `json:"refresh_as_bearer"`
	PushedAgain     map[string]string `json:"pushed_again"`
	NotPushed       map[string]string `json:"not_pushed"`
	API             struct {
		Type         string `json:"token_type"`
		Bound        int    `json:"bound"`
		AsBearer     failed `json:"as_bearer"`
		WithoutProof failed `json:"without_proof"`
	} `json:"api"`
	After        failed `json:"after"`
	RefreshAfter failed `json:"refresh_after"`
}

// TestABankSignsIn: an app that nobody here wrote pushes its request, proves who
// it is by a key and holds tokens that are bound to one, as FAPI 2.0 wants it.
func TestABankSignsIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		said := b.asBank(t)
		checkBank(t, b, said)
	})
}

// TestABankSignsInWithNonces of the broker's in its proofs.
func TestABankSignsInWithNonces(t *testing.T) {
	t.Parallel()
	b := prepare(t, storetest.SQLite(t))
	b.configure("code: 60s}", "code: 60s, dpop_nonce: true}")
	b.serve()
	checkBank(t, b, b.asBank(t))
}

func (b *broker) asBank(t *testing.T) bankSays {
	t.Helper()
	minted, who := b.mint(mint{account: acme, policy: "support-pin"}), agent(3)
	n := runNode(t, "fapi.mjs", map[string]any{
		"issuer": b.issuer, "client_id": "bank", "key": bankKey(), "redirect_uri": b.nodeCallback(), "scope": "openid documents.read documents.write",
		"api_client_id": "bank-api", "api_path": "/api/v1/accounts/" + acme.id + "/sessions",
		"username": who.username, "password": staffPassword, "account": minted.Handle, "pin": minted.PIN, "reason": "ticket 4711",
	})
	var said bankSays
	n.read(t, &said)
	n.end(t)
	return said
}

func checkBank(t *testing.T, b *broker, said bankSays) {
	t.Helper()
	access := b.access(tokens{Access: said.Access})
	if said.Type != "dpop" || said.Claims.SID != access.SID || access.Client != "bank" || said.Userinfo["sub"] != access.Subject {
		t.Errorf("the app has a token of type %q, %+v and %+v", said.Type, said.Claims, access)
	}
	cnf, _ := said.Introspection["cnf"].(map[string]any)
	if thumb, _ := cnf["jkt"].(string); said.Introspection["token_type"] != "DPoP" || len(thumb) != 43 {
		t.Errorf("introspection: %v", said.Introspection)
	}
	if at, err := url.Parse(said.URL); err != nil || len(at.Query()) != 2 || !at.Query().Has("request_uri") || at.Query().Get("client_id") != "bank" {
		t.Errorf("the browser is sent to %s", said.URL)
	}
	if said.Renewed.Type != "dpop" || said.Renewed.Access == "" || said.Renewed.Refresh != "" {
		t.Errorf("the second refresh gives %+v", said.Renewed)
	}
	for name, tc := range map[string]struct {
		got    failed
		status int
		error  string
	}{
		"userinfo as bearer":       {said.AsBearer, 401, "invalid_token"},
		"userinfo by another key":  {said.ByAnotherKey, 401, "invalid_token"},
		"refresh without a proof":  {said.RefreshAsBearer, 400, "invalid_dpop_proof"},
		"the API as bearer":        {said.API.AsBearer, 401, "invalid_token"},
		"an API token unbound":     {said.API.WithoutProof, 400, "invalid_dpop_proof"},
		"userinfo after revoking":  {said.After, 401, "invalid_token"},
		"a refresh after revoking": {said.RefreshAfter, 400, "invalid_grant"},
	} {
		if tc.got.OK || tc.got.Status != tc.status || tc.got.Error != tc.error || tc.status == 401 && tc.got.Scheme != "dpop" {
			t.Errorf("%s: %+v, want %d %s", name, tc.got, tc.status, tc.error)
		}
	}
	if said.PushedAgain["error"] != "invalid_request_uri" || said.PushedAgain["iss"] != b.issuer || said.PushedAgain["state"] == "" {
		t.Errorf("the same request_uri again: %v", said.PushedAgain)
	}
	if said.NotPushed["error"] != "invalid_request" || said.NotPushed["iss"] != b.issuer {
		t.Errorf("a request that was not pushed: %v", said.NotPushed)
	}
	if said.API.Type != "dpop" || said.API.Bound != 200 {
		t.Errorf("the API: %+v", said.API)
	}
	for _, name := range []string{"pushed_authorization_request_endpoint", "dpop_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported"} {
		if said.Metadata[name] == nil {
			t.Errorf("discovery has no %s", name)
		}
	}
}
