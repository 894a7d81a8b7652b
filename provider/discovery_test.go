package provider_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/provider"
)

func (w *world) list(r reply, name string) []string {
	w.Helper()
	items, is := r.body[name].([]any)
	if !is {
		w.Fatalf("%s is %v", name, r.body[name])
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, item.(string))
	}
	return out
}

// TestDiscoverySaysWhatIsTrue: each member is compared with what happens.
func TestDiscoverySaysWhatIsTrue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.get("/.well-known/openid-configuration", nil)
	if d.text("issuer") != issuer {
		t.Errorf("issuer %q", d.text("issuer"))
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "introspection_endpoint", "userinfo_endpoint", "revocation_endpoint", "jwks_uri", "end_session_endpoint", "pushed_authorization_request_endpoint"} {
		path, ok := strings.CutPrefix(d.text(name), issuer)
		if r := w.serve(plainPost(path, nil)); !ok || r.Code == http.StatusNotFound {
			t.Errorf("%s %q: %d", name, d.text(name), r.Code)
		}
	}
	for _, absent := range []string{"registration_endpoint", "device_authorization_endpoint", "check_session_iframe"} {
		if d.body[absent] != nil {
			t.Errorf("%s is %v", absent, d.body[absent])
		}
	}
	for _, yes := range []string{"backchannel_logout_supported", "backchannel_logout_session_supported"} {
		if d.body[yes] != true {
			t.Errorf("%s is %v", yes, d.body[yes])
		}
	}
	w.grantsAreTrue(d)
	w.authorizationIsTrue(d)
	w.scopesAndClaimsAreTrue(d)
	w.algorithmsAreTrue(d)
	for _, no := range []string{"request_parameter_supported", "request_uri_parameter_supported", "require_request_uri_registration"} {
		if d.body[no] != false {
			t.Errorf("%s is %v", no, d.body[no])
		}
	}
}

func (w *world) grantsAreTrue(d reply) {
	w.Helper()
	grants := w.list(d, "grant_types_supported")
	for _, g := range []string{"authorization_code", "refresh_token", "client_credentials", "implicit", "password", "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code"} {
		r := w.post("/token", "docs", form("grant_type", g))
		if known := r.text("error") != "unsupported_grant_type"; known != slices.Contains(grants, g) {
			w.Errorf("%s is listed: %v, and answers %s", g, !known, r.Body)
		}
	}
	methods := map[string]reply{}
	for _, path := range []string{"token", "introspection", "revocation"} {
		at := map[string]string{"token": "/token", "introspection": "/introspect", "revocation": "/revoke"}[path]
		f := func(pairs ...string) reply { return w.serve(plainPost(at, form(append(pairs, "token", "x")...))) }
		methods["client_secret_basic"] = w.post(at, "docs", form("token", "x"))
		methods["client_secret_post"] = f("client_id", "docs", "client_secret", w.p.Clients["docs"].Secret)
		methods["none"] = f("client_id", "spa")
		methods["private_key_jwt"] = f("client_assertion", w.assertion("bank"), "client_assertion_type", assertionType)
		listed := w.list(d, path+"_endpoint_auth_methods_supported")
		for method, r := range methods {
			if works := r.Code != http.StatusUnauthorized; works != slices.Contains(listed, method) {
				w.Errorf("%s at %s works: %v, listed: %v", method, at, works, listed)
			}
		}
	}
}

func (w *world) authorizationIsTrue(d reply) {
	w.Helper()
	s := w.open("login")
	w.session = &s
	try := func(name, value string) string {
		q := w.answered(w.get("/authorize", w.request("docs", name, value)))
		if q.Get("code") != "" && q.Get("iss") == "" {
			w.Error("iss is announced and missing")
		}
		return q.Get("error")
	}
	for member, tc := range map[string]struct {
		parameter string
		values    []string
	}{
		"response_types_supported":         {"response_type", []string{"code", "token", "id_token", "code id_token", "code token", "none"}},
		"response_modes_supported":         {"response_mode", []string{"query", "fragment", "form_post", "query.jwt", "web_message"}},
		"code_challenge_methods_supported": {"code_challenge_method", []string{"S256", "plain"}},
	} {
		listed := w.list(d, member)
		for _, value := range tc.values {
			if works := try(tc.parameter, value) == ""; works != slices.Contains(listed, value) {
				w.Errorf("%s=%s works: %v, listed: %v", tc.parameter, value, works, listed)
			}
		}
	}
	for _, prompt := range []string{"none", "login", "consent", "select_account", "create"} {
		if works := try("prompt", prompt) == ""; works != slices.Contains(w.list(d, "prompt_values_supported"), prompt) {
			w.Errorf("prompt=%s works: %v", prompt, works)
		}
	}
	for parameter, member := range map[string]string{"request": "request_parameter_supported", "request_uri": "request_uri_parameter_supported"} {
		if e := try(parameter, "https://docs.example/r"); e != parameter+"_not_supported" || d.body[member] != false {
			w.Errorf("%s is answered %q and announced as %v", parameter, e, d.body[member])
		}
	}
	named := w.tokens("docs", s, "scope", "openid", "claims", `{"id_token":{"name":{"essential":true}}}`).text("id_token")
	if w.membersOf(named)["name"] != "Sam Rivera" || d.body["claims_parameter_supported"] != true {
		w.Errorf("the claims parameter is announced as %v and answered with %s", d.body["claims_parameter_supported"], w.membersOf(named))
	}
	w.session = &s
	for _, acr := range w.list(d, "acr_values_supported") {
		essential := `{"id_token":{"acr":{"essential":true,"value":"` + acr + `"}}}`
		if e, is := try("claims", essential), acr == w.membersOf(named)["acr"]; (e == "") != is {
			w.Errorf("essential %s is answered %q", acr, e)
		}
	}
	if d.body["authorization_response_iss_parameter_supported"] != true {
		w.Error("iss comes and is not announced")
	}
}

func (w *world) scopesAndClaimsAreTrue(d reply) {
	w.Helper()
	s := w.open("login", "documents.read", "documents.write", "settings.write")
	listed := append(w.list(d, "scopes_supported"), "documents.delete", "billing.read", "documents.export", "keys.write")
	granted := strings.Fields(w.tokens("docs", s, "scope", strings.Join(listed, " ")).text("scope"))
	granted = append(granted, strings.Fields(w.tokens("spa", s, "scope", strings.Join(listed, " ")).text("scope"))...)
	for _, name := range listed[:len(listed)-4] {
		if !slices.Contains(granted, name) {
			w.Errorf("%s is listed and nobody gets it", name)
		}
	}
	for _, name := range granted {
		if !slices.Contains(w.list(d, "scopes_supported"), name) {
			w.Errorf("%s is granted and not listed", name)
		}
	}
	got := w.tokens("docs", s, "scope", "openid profile email phone address")
	claims := map[string]any{}
	for _, raw := range []string{got.text("id_token"), w.userinfo(got.text("access_token")).Body.String()} {
		for name := range w.membersOf(raw) {
			claims[name] = true
		}
	}
	announced := w.list(d, "claims_supported")
	for _, name := range announced {
		if claims[name] == nil {
			w.Errorf("claim %s is announced and in neither ID token nor userinfo", name)
		}
	}
	for name := range claims {
		if !slices.Contains(announced, name) {
			w.Errorf("claim %s comes and is not announced", name)
		}
	}
	if acr := w.list(d, "acr_values_supported"); !slices.Contains(acr, w.membersOf(got.text("id_token"))["acr"].(string)) {
		w.Errorf("acr is not announced: %v", acr)
	}
}

func (w *world) membersOf(raw string) (out map[string]any) {
	w.Helper()
	if !strings.HasPrefix(raw, "{") {
		signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
		must(w, err)
		raw = string(signed.UnsafePayloadWithoutVerification())
	}
	must(w, json.Unmarshal([]byte(raw), &out))
	return out
}

// TestTheDocumentOfRFC8414IsTheSame.
func TestTheDocumentOfRFC8414IsTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.get("/.well-known/openid-configuration", nil), w.get("/.well-known/oauth-authorization-server", nil)
	if a.Body.String() != b.Body.String() || a.Code != http.StatusOK || b.Code != http.StatusOK {
		t.Errorf("%s\n%s", a.Body, b.Body)
	}
	for name, values := range a.Header() {
		if !slices.Equal(values, b.Header()[name]) {
			t.Errorf("%s: %v and %v", name, values, b.Header()[name])
		}
	}
}

// TestWhatNoClientHasIsNotAnnounced.
func TestWhatNoClientHasIsNotAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) {
		p.Clients = map[string]*provider.Client{"notes": p.Clients["notes"]}
	})
	d := w.get("/.well-known/openid-configuration", nil)
	if g := w.list(d, "grant_types_supported"); !slices.Equal(g, []string{"authorization_code"}) {
		t.Errorf("grants %v", g)
	}
	if s := w.list(d, "scopes_supported"); slices.Contains(s, "offline_access") || slices.Contains(s, "documents.write") {
		t.Errorf("scopes %v", s)
	}
	if m := w.list(d, "token_endpoint_auth_methods_supported"); slices.Contains(m, "none") {
		t.Errorf("methods %v", m)
	}
}

// TestEveryTokenVerifiesByTheJWKS with the algorithm that its client asks for,
// and no key is private.
func TestEveryTokenVerifiesByTheJWKS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) {
		p.Clients["notes"].IDTokenAlg = "RS256"
		for _, alg := range []string{"PS256", "EdDSA"} {
			c := *p.Clients["notes"]
			c.ID, c.IDTokenAlg = "notes-"+strings.ToLower(alg), alg
			p.Clients[c.ID] = &c
		}
	})
	r := w.get("/jwks", nil)
	if got := r.Header().Get("Cache-Control"); got != "public, max-age=300" {
		t.Errorf("the JWKS may be kept: %q", got)
	}
	var set jose.JSONWebKeySet
	must(t, json.Unmarshal(r.Body.Bytes(), &set))
	for _, private := range []string{`"d"`, `"p"`, `"q"`, `"k"`} {
		if strings.Contains(r.Body.String(), private) {
			t.Errorf("%s in %s", private, r.Body)
		}
	}
	s := w.open("login")
	algs := w.list(w.get("/.well-known/openid-configuration", nil), "id_token_signing_alg_values_supported")
	for client, alg := range map[string]jose.SignatureAlgorithm{"docs": jose.ES256, "notes": jose.RS256, "notes-ps256": jose.PS256, "notes-eddsa": jose.EdDSA} {
		got := w.tokens(client, s)
		half := sha256.Sum256([]byte(got.text("access_token")))
		want := half[:16]
		if alg == jose.EdDSA { // Ed25519 hashes with SHA-512
			half := sha512.Sum512([]byte(got.text("access_token")))
			want = half[:32]
		}
		if hash := w.claims(got.text("id_token"), keys.ForID, keys.TypID)["at_hash"]; hash != base64.RawURLEncoding.EncodeToString(want) {
			t.Errorf("at_hash by %s is %v", alg, hash)
		}
		for name, want := range map[string]jose.SignatureAlgorithm{"access_token": jose.ES256, "id_token": alg} {
			signed, err := jose.ParseSignedCompact(got.text(name), []jose.SignatureAlgorithm{want})
			must(t, err)
			key := set.Key(signed.Signatures[0].Header.KeyID)
			if len(key) != 1 || key[0].Use != "sig" || key[0].Algorithm != string(want) {
				t.Fatalf("key of %s: %v", name, key)
			}
			if _, err := signed.Verify(key[0]); err != nil {
				t.Errorf("%s of %s: %v", name, client, err)
			}
			if typ := signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType]; name == "access_token" && typ != "at+jwt" {
				t.Errorf("typ %v", typ)
			}
		}
		if !slices.Contains(algs, string(alg)) {
			t.Errorf("%s is not in %v", alg, algs)
		}
	}
}
