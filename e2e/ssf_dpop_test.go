package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// holder has a key, and proves it (RFC 9449).
type holder struct {
	t      testing.TB
	signer jose.Signer
}

func newHolder(t testing.TB) *holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{t, signer}
}

// prove makes the proof of one request.
func (h *holder) prove(method, target, token string) string {
	h.t.Helper()
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": target, "iat": time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		h.t.Fatal(err)
	}
	signed, err := h.signer.Sign(payload)
	if err != nil {
		h.t.Fatal(err)
	}
	proof, err := signed.CompactSerialize()
	if err != nil {
		h.t.Fatal(err)
	}
	return proof
}

// TestABoundTokenManagesStreams: with a proof by its key, and in no other way, as
// at the management API.
func TestABoundTokenManagesStreams(t *testing.T) {
	t.Parallel()
	b, h := start(t, storetest.SQLite(t)), newHolder(t)
	client := b.docsAPI()
	request := b.request(http.MethodPost, b.metadata().Token, strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("DPoP", h.prove(http.MethodPost, b.metadata().Token, ""))
	request.SetBasicAuth(client.id, client.secret)
	answer := b.send(request)
	token := answer.field("access_token")
	if answer.status != http.StatusOK || answer.field("token_type") != "DPoP" {
		t.Fatalf("a bound token: %d %s", answer.status, answer.body)
	}
	used := h.prove(http.MethodGet, b.issuer+"/ssf/streams", token)
	for _, tc := range []struct {
		what, scheme, proof string
		status              int
	}{
		{"with its proof", "DPoP", used, http.StatusOK},
		{"with a proof that was used", "DPoP", used, http.StatusUnauthorized},
		{"without a proof", "DPoP", "", http.StatusUnauthorized},
		{"as a bearer token", "Bearer", h.prove(http.MethodGet, b.issuer+"/ssf/streams", token), http.StatusUnauthorized},
		{"with a proof for another address", "DPoP", h.prove(http.MethodGet, b.issuer+"/ssf/status", token), http.StatusUnauthorized},
		{"with a proof by another key", "DPoP", newHolder(t).prove(http.MethodGet, b.issuer+"/ssf/streams", token), http.StatusUnauthorized},
	} {
		request := b.request(http.MethodGet, "/ssf/streams", nil)
		request.Header.Set("Authorization", tc.scheme+" "+token)
		if tc.proof != "" {
			request.Header.Set("DPoP", tc.proof)
		}
		answer := b.send(request)
		if answer.status != tc.status || tc.status == http.StatusUnauthorized && !strings.HasPrefix(answer.header.Get("WWW-Authenticate"), "DPoP") {
			t.Errorf("%s: %d %v %s", tc.what, answer.status, answer.header, answer.body)
		}
	}
}
