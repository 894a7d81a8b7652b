package guard_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

func based(c *guard.Config) { c.BaseURL = "https://Docs.example:443" }

// holder holds the key that a token is bound to.
type holder struct {
	*world
	key   any
	alg   jose.SignatureAlgorithm
	token string
}

func newHolder(w *world, key any, alg jose.SignatureAlgorithm) *holder {
	w.Helper()
	public := (&jose.JSONWebKey{Key: key}).Public()
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		w.Fatal(err)
	}
	return &holder{w, key, alg, w.broker.Mint(guardtest.Session{
		ID: rand.Text(), Scopes: []string{"documents.read"}, Thumbprint: base64.RawURLEncoding.EncodeToString(sum)})}
}

func (h *holder) claims() map[string]any {
	sum := sha256.Sum256([]byte(h.token))
	return map[string]any{
		"jti": rand.Text(), "htm": "GET", "htu": "https://docs.example" + document, "iat": time.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
}

func (h *holder) proof(typ string, claims map[string]any) string {
	h.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: h.alg, Key: h.key}, (&jose.SignerOptions{EmbedJWK: true}).WithType(jose.ContentType(typ)))
	if err != nil {
		h.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		h.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		h.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		h.Fatal(err)
	}
	return raw
}

func (h *holder) send(scheme string, proofs ...string) reply {
	r := httptest.NewRequestWithContext(h.Context(), "GET", document+"?page=2", nil)
	r.Host = "attacker.example"
	r.Header.Set("X-Forwarded-Host", "attacker.example")
	r.Header.Set("Authorization", scheme+" "+h.token)
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return h.serve(r)
}

func ecKey(w *world) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.Fatal(err)
	}
	return key
}

func TestBoundTokenNeedsAProof(t *testing.T) {
	bubble(t, func(w *world) {
		h := newHolder(w, ecKey(w), jose.ES256)
		good := h.proof("dpop+jwt", h.claims())
		w.want(h.send("DPoP", good), 200, "")
		w.want(h.send("DPoP", good), 401, "dpop_invalid") // a proof is used once
		w.want(h.send("dpop", h.proof("dpop+jwt", h.claims())), 200, "")
		r := h.send("Bearer", h.proof("dpop+jwt", h.claims()))
		w.want(r, 401, "dpop_required")
		if got := r.Header().Get("WWW-Authenticate"); !has(got, "DPoP ", `error="invalid_token"`, `algs="ES256 EdDSA"`) {
			w.Fatal(got)
		}
		w.want(h.send("DPoP"), 401, "dpop_required")
		w.want(h.send("DPoP", h.proof("dpop+jwt", h.claims()), h.proof("dpop+jwt", h.claims())), 401, "dpop_required")
		if _, err := w.g.Verify(w.Context(), h.token, nil); err == nil {
			w.Fatal("a bound token without a request")
		}
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			w.Fatal(err)
		}
		ed := newHolder(w, private, jose.EdDSA)
		w.want(ed.send("DPoP", ed.proof("dpop+jwt", ed.claims())), 200, "")
	}, based)
}

func TestProofsThatProveNothing(t *testing.T) {
	bubble(t, func(w *world) {
		h := newHolder(w, ecKey(w), jose.ES256)
		other := &holder{w, ecKey(w), jose.ES256, h.token}
		with := func(name string, value any) string {
			c := maps.Clone(h.claims())
			c[name] = value
			return h.proof("dpop+jwt", c)
		}
		rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			w.Fatal(err)
		}
		good := h.proof("dpop+jwt", h.claims())
		head, rest, _ := strings.Cut(good, ".")
		var header map[string]any
		text, err := base64.RawURLEncoding.DecodeString(head)
		if err != nil || json.Unmarshal(text, &header) != nil {
			w.Fatal(err)
		}
		changed := func(name string, value any) string {
			c := maps.Clone(header)
			if c[name] = value; value == nil {
				delete(c, name)
			}
			text, err := json.Marshal(c)
			if err != nil {
				w.Fatal(err)
			}
			return base64.RawURLEncoding.EncodeToString(text) + "." + rest
		}
		private, err := json.Marshal(jose.JSONWebKey{Key: h.key})
		if err != nil {
			w.Fatal(err)
		}
		for name, proof := range map[string]string{
			"another key":               other.proof("dpop+jwt", h.claims()),
			"an algorithm that is none": changed("alg", "none"),
			"RSA":                       (&holder{w, rsaKey, jose.RS256, h.token}).proof("dpop+jwt", h.claims()),
			"HMAC":                      changed("alg", "HS256"),
			"no key":                    changed("jwk", nil),
			"a private key":             changed("jwk", json.RawMessage(private)),
			"typ JWT":                   h.proof("JWT", h.claims()),
			"another method":            with("htm", "POST"),
			"a method in small letters": with("htm", "get"),
			"another host":              with("htu", "https://attacker.example"+document),
			"another scheme":            with("htu", "http://docs.example"+document),
			"another path":              with("htu", "https://docs.example/accounts/acme/documents/2"),
			"a path alone":              with("htu", document),
			"no URL":                    with("htu", ""),
			"made too early":            with("iat", time.Now().Add(-time.Minute).Unix()),
			"made too late":             with("iat", time.Now().Add(12*time.Second).Unix()),
			"no iat":                    with("iat", 0),
			"an iat that overflows":     with("iat", int64(1)<<62),
			"no jti":                    with("jti", ""),
			"another token":             with("ath", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
			"no ath":                    with("ath", ""),
			"no JWT":                    "abc",
			"a long one":                with("jti", strings.Repeat("a", 9<<10)),
			"a wrong signature":         good[:len(good)-4] + "AAAA",
		} {
			if r := h.send("DPoP", proof); r.Code != "dpop_invalid" {
				w.Errorf("%s: answered %d %q", name, r.ResponseRecorder.Code, r.Code)
			}
		}
		if w.ran.Load() != 0 {
			w.Fatal("it ran")
		}
		w.want(h.send("DPoP", with("htu", "HTTPS://DOCS.example:443"+document+"?page=3#top")), 200, "")
		w.want(h.send("DPoP", with("iat", time.Now().Add(-59*time.Second).Unix())), 200, "")
	}, based)
}

func TestUnboundTokenTakesNoProof(t *testing.T) {
	bubble(t, func(w *world) {
		h := newHolder(w, ecKey(w), jose.ES256)
		h.token = w.broker.Mint(reader("s1"))
		w.want(h.send("DPoP", h.proof("dpop+jwt", h.claims())), 401, "dpop_invalid")
		w.want(h.send("DPoP"), 401, "dpop_invalid")
		w.want(h.send("Bearer", h.proof("dpop+jwt", h.claims())), 401, "dpop_invalid")
		w.want(h.send("Bearer"), 200, "")
	}, based)
}

func TestWhereTheAppIsMustBeConfigured(t *testing.T) {
	bubble(t, func(w *world) {
		h := newHolder(w, ecKey(w), jose.ES256)
		w.want(h.send("DPoP", h.proof("dpop+jwt", h.claims())), 401, "dpop_invalid")
		c := h.claims()
		c["htu"] = "http://attacker.example" + document
		w.want(h.send("DPoP", h.proof("dpop+jwt", c)), 401, "dpop_invalid")
		if !has(w.log.String(), "Config.BaseURL") {
			w.Fatal("nobody is told what is missing")
		}
	})
}

// TestProofsAreRememberedWithinABound: when there is no room, none is accepted.
func TestProofsAreRememberedWithinABound(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range guard.MaxProofs {
			if err := w.g.UseProof(i); err != nil {
				w.Fatal(i, err)
			}
		}
		h := newHolder(w, ecKey(w), jose.ES256)
		w.want(h.send("DPoP", h.proof("dpop+jwt", h.claims())), 503, "unknown_freshness")
		time.Sleep(time.Minute)
		w.want(h.send("DPoP", h.proof("dpop+jwt", h.claims())), 200, "")
	}, based)
}
