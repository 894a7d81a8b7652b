package provider_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/provider"
)

// TestWhichProofsBind: claims, times, key and signature of a proof at the token
// endpoint.
func TestWhichProofsBind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.freeze(time.Now().Truncate(time.Second))
	now := w.now().Unix()
	at := func(changes ...any) string { return w.proof(appKey, "POST", "/token", changes...) }
	claims := func() map[string]any {
		return map[string]any{"jti": fmt.Sprint(time.Now().UnixNano()), "htm": "POST", "htu": issuer + "/token", "iat": now}
	}
	private := jose.JSONWebKey{Key: appKey.private}
	symmetric := map[string]any{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
	small := map[string]any{"kty": "RSA", "e": "AQAB", "n": strings.Repeat("A", 10) + strings.Repeat("w", 150)}
	for name, tc := range map[string]struct {
		proof string
		good  bool
	}{
		"as it should be":            {at(), true},
		"with a query":               {at("htu", issuer+"/token?x=1"), true},
		"with a fragment":            {at("htu", issuer+"/token#x"), true},
		"with its port":              {at("htu", "https://access.example:443/token"), true},
		"a host in capitals":         {at("htu", "HTTPS://ACCESS.example/token"), true},
		"a minute old":               {at("iat", now-60), true},
		"10 seconds ahead":           {at("iat", now+10), true},
		"nbf and exp around now":     {at("nbf", now-5, "exp", now+60), true},
		"a nonce nobody asked for":   {at("nonce", "x"), true},
		"typ in capitals":            {appKey.sign(claims(), with2(proofHeaders(appKey), "typ", "DPoP+JWT")), true},
		"more than a minute old":     {at("iat", now-61), false},
		"11 seconds ahead":           {at("iat", now+11), false},
		"at the end of time":         {at("iat", 1e300), false},
		"before all time":            {at("iat", -1e300), false},
		"expired":                    {at("exp", now-1), false},
		"nbf ahead":                  {at("nbf", now+11), false},
		"no iat":                     {at("iat", nil), false},
		"iat as text":                {at("iat", fmt.Sprint(now)), false},
		"no jti":                     {at("jti", nil), false},
		"an empty jti":               {at("jti", ""), false},
		"no htm":                     {at("htm", nil), false},
		"another method":             {at("htm", "GET"), false},
		"a method in lower case":     {at("htm", "post"), false},
		"no htu":                     {at("htu", nil), false},
		"another path":               {at("htu", issuer+"/par"), false},
		"a path with a slash":        {at("htu", issuer+"/token/"), false},
		"another host":               {at("htu", "https://other.example/token"), false},
		"another scheme":             {at("htu", "http://access.example/token"), false},
		"another port":               {at("htu", "https://access.example:8443/token"), false},
		"with a user":                {at("htu", "https://x@access.example/token"), false},
		"a path alone":               {at("htu", "/token"), false},
		"htu that is no address":     {at("htu", "https://%zz"), false},
		"htu as a list":              {at("htu", []string{issuer + "/token"}), false},
		"another typ":                {appKey.sign(claims(), with2(proofHeaders(appKey), "typ", "JWT")), false},
		"no typ":                     {appKey.sign(claims(), with2(proofHeaders(appKey), "typ", nil)), false},
		"no jwk":                     {appKey.sign(claims(), with2(proofHeaders(appKey), "jwk", nil)), false},
		"another jwk":                {appKey.sign(claims(), proofHeaders(otherKey)), false},
		"a private jwk":              {appKey.sign(claims(), with2(proofHeaders(appKey), "jwk", private)), false},
		"a symmetric jwk":            {appKey.sign(claims(), with2(proofHeaders(appKey), "jwk", symmetric)), false},
		"a jwk of few bits":          {appKey.sign(claims(), with2(proofHeaders(appKey), "jwk", small)), false},
		"a jwk that is text":         {appKey.sign(claims(), with2(proofHeaders(appKey), "jwk", "x")), false},
		"a jwk for encryption":       {appKey.sign(claims(), with2(proofHeaders(appKey), "jwk", jose.JSONWebKey{Key: appKey.private.Public(), Use: "enc"})), false},
		"another algorithm":          {rs512().sign(claims(), proofHeaders(rs512())), false},
		"something critical":         {appKey.sign(claims(), with2(with2(proofHeaders(appKey), "crit", []string{"x"}), "x", 1)), false},
		"signed by a shared secret":  {hmacProof(claims()), false},
		"not signed":                 {segment(`{"typ":"dpop+jwt","alg":"none"}`) + "." + strings.Split(at(), ".")[1] + ".", false},
		"a signature of zeros":       {unsigned(at()) + "." + segment(strings.Repeat("\x00", 64)), false},
		"a client assertion":         {w.assertion("bank"), false},
		"too long":                   {at("jti", strings.Repeat("j", 8192)), false},
		"nothing at all":             {"x", false},
		"a million dots":             {strings.Repeat(".", 60000), false},
		"two in one":                 {at() + "," + at(), false},
		"claims that are a list":     {appKey.sign([]int{1}, proofHeaders(appKey)), false},
		"an access token's claim":    {at("ath", "x"), true}, // of no meaning here
		"an unknown claim as object": {at("x", map[string]any{"y": 1}), true},
	} {
		r := w.prove("/token", "settings", tc.proof, form("grant_type", "client_credentials"))
		if tc.good && (r.Code != http.StatusOK || r.text("token_type") != "DPoP") {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
		if !tc.good && (r.Code != http.StatusBadRequest || r.text("error") != "invalid_dpop_proof") {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
		if strings.ContainsAny(r.text("error_description"), `"\`) || strings.ContainsFunc(r.text("error_description"), func(c rune) bool { return c > 126 }) {
			t.Errorf("%s: error_description has characters that RFC 6749 section 5.2 forbids: %s", name, r.Body)
		}
	}
	r := plainPost("/token", form("grant_type", "client_credentials"))
	r.SetBasicAuth("settings", w.p.Clients["settings"].Secret)
	r.Header["Dpop"] = []string{at(), at()}
	if got := w.serve(r); got.Code != http.StatusBadRequest || got.text("error") != "invalid_dpop_proof" {
		t.Errorf("two proofs: %d %s", got.Code, got.Body)
	}
}

func with2(headers map[jose.HeaderKey]any, name jose.HeaderKey, value any) map[jose.HeaderKey]any {
	if headers[name] = value; value == nil {
		delete(headers, name)
	}
	return headers
}

var rs512 = sync.OnceValue(func() pair { return newPair(jose.RS512, "") })

// hmacProof is signed by a secret that is in the proof itself.
func hmacProof(claims map[string]any) string {
	secret := []byte("a shared secret of thirty-two bytes")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, &jose.SignerOptions{
		ExtraHeaders: map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": map[string]any{"kty": "oct", "k": "x"}}})
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign([]byte(fmt.Sprintf(`{"jti":"1","htm":"POST","htu":%q,"iat":%v}`, claims["htu"], claims["iat"])))
	if err != nil {
		panic(err)
	}
	out, _ := signed.CompactSerialize()
	return out
}

// TestTheHostOfARequestDoesNotSayWhatAProofIsFor: the issuer does.
func TestTheHostOfARequestDoesNotSayWhatAProofIsFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for htu, want := range map[string]int{issuer + "/token": http.StatusOK, "https://evil.example/token": http.StatusBadRequest} {
		r := plainPost("/token", form("grant_type", "client_credentials"))
		r.SetBasicAuth("settings", w.p.Clients["settings"].Secret)
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("DPoP", w.proof(appKey, "POST", "/token", "htu", htu))
		if got := w.serve(r); got.Code != want {
			t.Errorf("htu %s: %d %s", htu, got.Code, got.Body)
		}
	}
}

// TestABoundTokenIsGoodForWhoHoldsTheKeyOnly: userinfo, introspection, and what
// is told to who is refused.
func TestABoundTokenIsGoodForWhoHoldsTheKeyOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	got := w.bound("bank", appKey, s)
	token := got.text("access_token")
	cnf, _ := w.claims(token, keys.ForAccess, keys.TypAccess)["cnf"].(map[string]any)
	if cnf["jkt"] != appKey.thumbprint() {
		t.Errorf("cnf is %v", cnf)
	}
	seen := w.post("/introspect", "bank", form("token", token))
	if about, _ := seen.body["cnf"].(map[string]any); seen.text("token_type") != "DPoP" || about["jkt"] != appKey.thumbprint() {
		t.Errorf("introspection: %s", seen.Body)
	}
	free := w.tokens("docs", s).text("access_token")
	another := w.bound("bank", appKey, s).text("access_token")
	good := w.seeing(appKey, token)
	for _, tc := range []struct {
		name, scheme, token, proof, error string
	}{
		{"as it should be", "DPoP", token, good, ""},
		{"the same proof again", "DPoP", token, good, "invalid_dpop_proof"},
		{"the scheme in another case", "dpOP", token, w.seeing(appKey, token), ""},
		{"an unbound token as bearer", "Bearer", free, "", ""},
		{"as bearer token", "Bearer", token, "", "invalid_token"},
		{"as bearer token with a proof", "Bearer", token, w.seeing(appKey, token), "invalid_token"},
		{"without a proof", "DPoP", token, "", "invalid_dpop_proof"},
		{"by another key", "DPoP", token, w.seeing(otherKey, token), "invalid_token"},
		{"a proof for another token", "DPoP", token, w.seeing(appKey, another), "invalid_dpop_proof"},
		{"a proof for no token", "DPoP", token, w.proof(appKey, "GET", "/userinfo"), "invalid_dpop_proof"},
		{"a proof for another method", "DPoP", token, w.seeing(appKey, token, "htm", "POST"), "invalid_dpop_proof"},
		{"a proof for another address", "DPoP", token, w.seeing(appKey, token, "htu", issuer+"/token"), "invalid_dpop_proof"},
		{"an old proof", "DPoP", token, w.seeing(appKey, token, "iat", w.now().Unix()-62), "invalid_dpop_proof"},
		{"an unbound token by the scheme", "DPoP", free, w.seeing(appKey, free), "invalid_token"},
		{"no token of ours", "DPoP", "x.y.z", w.seeing(appKey, "x.y.z"), "invalid_token"},
	} {
		r := w.see(tc.scheme, tc.token, tc.proof)
		want := `DPoP realm="valetkey", error="` + tc.error + `", algs="RS256 PS256 ES256 EdDSA"`
		switch {
		case tc.error == "" && (r.Code != http.StatusOK || r.text("sub") == ""):
			t.Errorf("%s: %d %s", tc.name, r.Code, r.Body)
		case tc.error != "" && (r.Code != http.StatusUnauthorized || r.text("error") != tc.error || r.Header().Get("WWW-Authenticate") != want):
			t.Errorf("%s: %d %s, WWW-Authenticate %q", tc.name, r.Code, r.Body, r.Header().Get("WWW-Authenticate"))
		}
	}
	inBody := withProof(plainPost("/userinfo", form("access_token", token)), w.seeing(appKey, token, "htm", "POST"))
	if r := w.serve(inBody); r.Code != http.StatusUnauthorized || !strings.HasPrefix(r.Header().Get("WWW-Authenticate"), "DPoP ") {
		t.Errorf("in the body: %d %s", r.Code, r.Body)
	}
	post := withProof(plainPost("/userinfo", nil), w.seeing(appKey, token, "htm", "POST"))
	post.Header.Set("Authorization", "DPoP "+token)
	if r := w.serve(post); r.Code != http.StatusOK {
		t.Errorf("by POST: %d %s", r.Code, r.Body)
	}
	narrow := w.bound("bank", appKey, s, "scope", "documents.read").text("access_token")
	if r := w.see("DPoP", narrow, w.seeing(appKey, narrow)); r.Code != http.StatusForbidden || !strings.HasPrefix(r.Header().Get("WWW-Authenticate"), `DPoP realm="valetkey", error="insufficient_scope"`) {
		t.Errorf("without openid: %d %v", r.Code, r.Header())
	}
}

// TestAClientThatMustBindGetsNothingElse.
func TestAClientThatMustBindGetsNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) { p.Clients["vault"].RequireDPoP = true })
	s := w.open("login")
	code := w.pushedCode("bank", s)
	refresh := w.bound("bank", appKey, s).text("refresh_token")
	for name, r := range map[string]reply{
		"code":               w.prove("/token", "bank", "", w.exchange("bank", code)),
		"refresh":            w.prove("/token", "bank", "", form("grant_type", "refresh_token", "refresh_token", refresh)),
		"client_credentials": w.prove("/token", "vault", "", form("grant_type", "client_credentials")),
	} {
		if r.Code != http.StatusBadRequest || r.text("error") != "invalid_dpop_proof" {
			t.Errorf("%s without a proof: %d %s", name, r.Code, r.Body)
		}
	}
	if r := w.prove("/token", "bank", w.proof(appKey, "POST", "/token"), w.exchange("bank", code)); r.Code != http.StatusOK {
		t.Errorf("the code afterwards: %d %s", r.Code, r.Body)
	}
}

// TestACodeIsBoundToTheKeyOfItsRequest: by dpop_jkt or by the proof of the
// pushed request (RFC 9449 section 10).
func TestACodeIsBoundToTheKeyOfItsRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	codes := map[string]string{
		"dpop_jkt, pushed": w.pushedCode("bank", s, "dpop_jkt", appKey.thumbprint()),
		"dpop_jkt":         w.code("docs", s, "dpop_jkt", appKey.thumbprint()),
	}
	uri := w.prove("/par", "bank", w.proof(appKey, "POST", "/par"), w.request("bank")).text("request_uri")
	w.session = &s
	_, q := w.visit("bank", uri).location()
	codes["a proof"] = q.Get("code")
	for name, code := range codes {
		client := "bank"
		if name == "dpop_jkt" {
			client = "docs"
			if r := w.prove("/token", client, "", w.exchange(client, code)); r.text("error") != "invalid_grant" {
				t.Errorf("%s, no proof: %d %s", name, r.Code, r.Body)
			}
		}
		if r := w.prove("/token", client, w.proof(otherKey, "POST", "/token"), w.exchange(client, code)); r.Code != http.StatusBadRequest || r.text("error") != "invalid_grant" {
			t.Errorf("%s, another key: %d %s", name, r.Code, r.Body)
		}
		if r := w.prove("/token", client, w.proof(appKey, "POST", "/token"), w.exchange(client, code)); r.Code != http.StatusOK || r.text("token_type") != "DPoP" {
			t.Errorf("%s, its key: %d %s", name, r.Code, r.Body)
		}
	}
	for name, r := range map[string]reply{
		"another key than dpop_jkt": w.prove("/par", "bank", w.proof(otherKey, "POST", "/par"), w.request("bank", "dpop_jkt", appKey.thumbprint())),
		"a proof for elsewhere":     w.prove("/par", "bank", w.proof(appKey, "POST", "/token"), w.request("bank")),
	} {
		if r.Code != http.StatusBadRequest || r.text("error") != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
	if r := w.post("/par", "bank", w.request("bank", "dpop_jkt", "x")); r.text("error") != "invalid_request" {
		t.Errorf("a dpop_jkt that is none: %d %s", r.Code, r.Body)
	}
}

// TestAProofIsGoodOnce: of fifty uses at the same time, on two nodes, one has
// it, and no other code is lost by it.
func TestAProofIsGoodOnce(t *testing.T) {
	t.Parallel()
	one, two := twoNodes(t)
	nodes := []*world{one, two}
	s := one.open("login")
	proof := one.proof(appKey, "POST", "/token")
	codes := make([]string, 50)
	for i := range codes {
		codes[i] = one.code("docs", s)
	}
	var good, refused atomic.Int64
	var wait sync.WaitGroup
	for i, code := range codes {
		wait.Go(func() {
			r := nodes[i%2].prove("/token", "docs", proof, one.exchange("docs", code))
			switch {
			case r.Code == http.StatusOK:
				good.Add(1)
				codes[i] = ""
			case r.text("error") == "invalid_dpop_proof":
				refused.Add(1)
			}
		})
	}
	wait.Wait()
	if good.Load() != 1 || refused.Load() != 49 {
		t.Fatalf("%d uses were good, %d refused", good.Load(), refused.Load())
	}
	for _, code := range codes {
		if code == "" {
			continue
		}
		if r := two.prove("/token", "docs", two.proof(appKey, "POST", "/token"), two.exchange("docs", code)); r.Code != http.StatusOK {
			t.Fatalf("a code whose proof had been used: %d %s", r.Code, r.Body)
		}
		break
	}
	if r := two.prove("/token", "docs", two.proof(otherKey, "POST", "/token", "jti", "one"), two.exchange("docs", two.code("docs", s))); r.Code != http.StatusOK {
		t.Errorf("another key's: %d %s", r.Code, r.Body)
	}
	if r := one.prove("/token", "docs", one.proof(appKey, "POST", "/token", "jti", "one"), one.exchange("docs", one.code("docs", s))); r.Code != http.StatusOK {
		t.Errorf("the jti of another key: %d %s", r.Code, r.Body)
	}
	if r := one.prove("/token", "settings", proof, form("grant_type", "client_credentials")); r.text("error") != "invalid_dpop_proof" {
		t.Errorf("at another grant: %d %s", r.Code, r.Body)
	}
	refresh := form("grant_type", "refresh_token", "refresh_token", one.tokens("docs", s).text("refresh_token"))
	if r := one.prove("/token", "docs", proof, refresh); r.text("error") != "invalid_dpop_proof" {
		t.Errorf("at a refresh: %d %s", r.Code, r.Body)
	}
	must(t, one.store.SweepOnce(t.Context()))
	if r := one.prove("/token", "settings", proof, form("grant_type", "client_credentials")); r.text("error") != "invalid_dpop_proof" {
		t.Errorf("after the job has forgotten what it may: %d %s", r.Code, r.Body)
	}
	pushed := one.proof(appKey, "POST", "/par")
	if r := one.prove("/par", "docs", pushed, one.request("docs")); r.Code != http.StatusCreated {
		t.Errorf("a pushed request: %d %s", r.Code, r.Body)
	}
	if r := two.prove("/par", "docs", pushed, two.request("docs")); r.text("error") != "invalid_dpop_proof" {
		t.Errorf("another pushed request: %d %s", r.Code, r.Body)
	}
}

// TestTokensOfTheAPIAreBoundToo: a request to the API shows that it holds the
// key (RFC 9449 section 7).
func TestTokensOfTheAPIAreBoundToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "/api/v1/accounts/a%2Fb/credentials"
	free := w.post("/token", "settings", form("grant_type", "client_credentials")).text("access_token")
	bound := w.prove("/token", "settings", w.proof(appKey, "POST", "/token"), form("grant_type", "client_credentials")).text("access_token")
	session := w.bound("bank", appKey, w.open("login")).text("access_token")
	proof := func(k pair, token string, changes ...any) string {
		return w.proof(k, "GET", path, append([]any{"ath", ath(token)}, changes...)...)
	}
	used := proof(appKey, bound)
	for _, tc := range []struct {
		name, token string
		dpop        bool
		proof, want string
	}{
		{"bearer", free, false, "", ""},
		{"bound", bound, true, used, ""},
		{"a proof again", bound, true, used, "invalid_dpop_proof"},
		{"bound, with a query", bound, true, proof(appKey, bound, "htu", issuer+path+"?limit=1"), ""},
		{"bound, as bearer", bound, false, "", "invalid_token"},
		{"bound, as bearer with a proof", bound, false, proof(appKey, bound), "invalid_token"},
		{"bound, no proof", bound, true, "", "invalid_dpop_proof"},
		{"bound, another key", bound, true, proof(otherKey, bound), "invalid_token"},
		{"bound, another account", bound, true, proof(appKey, bound, "htu", issuer+"/api/v1/accounts/a/b/credentials"), "invalid_dpop_proof"},
		{"bearer by the scheme", free, true, proof(appKey, free), "invalid_token"},
		{"a session's", session, true, proof(appKey, session), "no API token"},
	} {
		r := httptest.NewRequest(http.MethodGet, path+"?limit=1", nil)
		if tc.proof != "" {
			r.Header.Set("DPoP", tc.proof)
		}
		got, err := w.p.OpenAPIRequest(r, tc.token, tc.dpop)
		if said := holderSays(err); said != tc.want || tc.want == "" && got.Client.ID != "settings" {
			t.Errorf("%s: %q (%v)", tc.name, said, err)
		}
	}
}
