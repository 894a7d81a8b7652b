package provider_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/provider"
)

// present sends an assertion to revocation, which needs nothing else.
func (w *world) present(assertion string, more ...string) reply {
	f := form(append([]string{"token", "x", "client_assertion", assertion, "client_assertion_type", assertionType}, more...)...)
	return w.serve(plainPost("/revoke", f))
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// TestWhichAssertionsProveAClient: claims, times, and what signs it.
func TestWhichAssertionsProveAClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.freeze(time.Now().Truncate(time.Second))
	now := w.now().Unix()
	for name, tc := range map[string]struct {
		assertion string
		good      bool
	}{
		"as it should be":                {w.assertion("bank"), true},
		"five minutes ahead":             {w.assertion("bank", "exp", now+300), true},
		"more than five minutes ahead":   {w.assertion("bank", "exp", now+311), false},
		"an hour ahead":                  {w.assertion("bank", "exp", now+3600), false},
		"for ever":                       {w.assertion("bank", "exp", 1e300), false},
		"expiring in a second":           {w.assertion("bank", "exp", now+1), true},
		"expired now":                    {w.assertion("bank", "exp", now), false},
		"expired long ago":               {w.assertion("bank", "exp", now-300), false},
		"expired before all time":        {w.assertion("bank", "exp", -1e300), false},
		"no exp":                         {w.assertion("bank", "exp", nil), false},
		"exp as text":                    {w.assertion("bank", "exp", fmt.Sprint(now+60)), false},
		"parts of a second":              {w.assertion("bank", "exp", float64(now)+60.5, "iat", float64(now)+0.25), true},
		"no iat":                         {w.assertion("bank", "iat", nil), true},
		"iat and nbf 8 seconds ahead":    {w.assertion("bank", "iat", now+8, "nbf", now+8), true},
		"iat 10 seconds ahead":           {w.assertion("bank", "iat", now+10), true},
		"iat 11 seconds ahead":           {w.assertion("bank", "iat", now+11), false},
		"nbf 11 seconds ahead":           {w.assertion("bank", "nbf", now+11), false},
		"iat a minute ahead":             {w.assertion("bank", "iat", now+61, "nbf", now+61, "exp", now+121), false},
		"no sub":                         {w.assertion("bank", "sub", nil), false},
		"another sub":                    {w.assertion("bank", "sub", "vault"), false},
		"an unknown sub":                 {w.assertion("bank", "sub", "nobody"), false},
		"a client with a secret as sub":  {w.assertion("bank", "sub", "docs", "iss", "docs"), false},
		"a public client as sub":         {w.assertion("bank", "sub", "spa", "iss", "spa"), false},
		"no iss":                         {w.assertion("bank", "iss", nil), false},
		"another iss":                    {w.assertion("bank", "iss", "vault"), false},
		"no aud":                         {w.assertion("bank", "aud", nil), false},
		"another aud":                    {w.assertion("bank", "aud", "https://other.example"), false},
		"the token endpoint as aud":      {w.assertion("bank", "aud", issuer+"/token"), false},
		"the PAR endpoint as aud":        {w.assertion("bank", "aud", issuer+"/par"), false},
		"the issuer with a slash as aud": {w.assertion("bank", "aud", issuer+"/"), false},
		"a list as aud":                  {w.assertion("bank", "aud", []string{issuer}), false},
		"a list of two as aud":           {w.assertion("bank", "aud", []string{issuer, "https://other.example"}), false},
		"a number in a list as aud":      {w.assertion("bank", "aud", []int{1}), false},
		"an object as aud":               {w.assertion("bank", "aud", map[string]any{}), false},
		"no jti":                         {w.assertion("bank", "jti", nil), false},
		"an empty jti":                   {w.assertion("bank", "jti", ""), false},
		"a number as jti":                {w.assertion("bank", "jti", 1), false},
		"a long jti":                     {w.assertion("bank", "jti", strings.Repeat("j", 2000)), true},
		"too long":                       {w.assertion("bank", "jti", strings.Repeat("j", 8192)), false},
		"an unknown claim":               {w.assertion("bank", "x", []int{1}), true},
		"its other key":                  {bankOther.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"kid": "bank-2"}), true},
		"its other key without a kid":    {bankOther.sign(w.assertionClaims("bank"), nil), true},
		"another key's kid":              {bankOther.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"kid": "bank-1"}), false},
		"an unknown kid":                 {bankKey.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"kid": "bank-3"}), false},
		"another algorithm than its key": {pair{jose.RS256, "", bankOther.private}.sign(w.assertionClaims("bank"), nil), false},
		"another app's key":              {vaultKey.sign(w.assertionClaims("bank"), nil), false},
		"nobody's key":                   {otherKey.sign(w.assertionClaims("bank"), nil), false},
		"a key that it brings":           {otherKey.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: otherKey.private.Public()}}), false},
		"typ JWT":                        {bankKey.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"typ": "JWT"}), true},
		"its typ of RFC 7523bis":         {bankKey.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"typ": "client-authentication+jwt"}), true},
		"typ of a DPoP proof":            {bankKey.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"typ": "dpop+jwt"}), false},
		"typ of an access token":         {bankKey.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"typ": "at+jwt"}), false},
		"something critical":             {bankKey.sign(w.assertionClaims("bank"), map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}), false},
		"not signed":                     {segment(`{"alg":"none"}`) + "." + strings.Split(w.assertion("bank"), ".")[1] + ".", false},
		"a signature of zeros":           {unsigned(w.assertion("bank")) + "." + segment(strings.Repeat("\x00", 64)), false},
		"a cut signature":                {w.assertion("bank")[:100], false},
		"a million dots":                 {strings.Repeat(".", 60000), false},
		"nothing":                        {"", false},
		"one line too many":              {w.assertion("bank") + "\n", false},
		"claims that are a list":         {bankKey.sign([]int{1}, nil), false},
		"claims that are null":           {bankKey.sign(nil, nil), false},
	} {
		r := w.present(tc.assertion)
		if (r.Code == http.StatusOK) != tc.good {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
		if !tc.good && (r.Code != http.StatusUnauthorized || r.text("error") != "invalid_client" || r.Header().Get("WWW-Authenticate") == "") {
			t.Errorf("%s: %d %s, WWW-Authenticate %q", name, r.Code, r.Body, r.Header().Get("WWW-Authenticate"))
		}
	}
}

// unsigned is a JWT without its signature.
func unsigned(jwt string) string { return jwt[:strings.LastIndex(jwt, ".")] }

// TestAnAssertionWorksWhereverAClientProvesItself, and no other way does for a
// client that has keys.
func TestAnAssertionWorksWhereverAClientProvesItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	got := w.bound("bank", appKey, s)
	if r := w.post("/introspect", "bank", form("token", got.text("access_token"))); r.body["active"] != true {
		t.Errorf("introspection: %d %s", r.Code, r.Body)
	}
	if r := w.prove("/token", "bank", w.proof(appKey, "POST", "/token"), form("grant_type", "refresh_token", "refresh_token", got.text("refresh_token"))); r.Code != http.StatusOK {
		t.Errorf("refresh: %d %s", r.Code, r.Body)
	}
	if r := w.post("/token", "vault", form("grant_type", "client_credentials")); r.Code != http.StatusOK || r.text("token_type") != "Bearer" {
		t.Errorf("client_credentials: %d %s", r.Code, r.Body)
	}
	if r := w.present(w.assertion("bank"), "client_id", "bank"); r.Code != http.StatusOK {
		t.Errorf("with its client_id: %d %s", r.Code, r.Body)
	}
	for name, f := range map[string]url.Values{
		"another client_id":     form("client_id", "vault", "client_assertion", w.assertion("bank"), "client_assertion_type", assertionType),
		"an empty client_id":    form("client_id", "", "client_assertion", w.assertion("bank"), "client_assertion_type", assertionType),
		"no type":               form("client_assertion", w.assertion("bank")),
		"another type":          form("client_assertion", w.assertion("bank"), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
		"a type alone":          form("client_id", "bank", "client_assertion_type", assertionType),
		"nothing but its id":    form("client_id", "bank"),
		"an empty secret":       form("client_id", "bank", "client_secret", ""),
		"a secret, of a client": form("client_id", "bank", "client_secret", "x"),
	} {
		for _, path := range []string{"/token", "/introspect", "/revoke", "/par"} {
			f.Set("token", "x")
			f.Set("grant_type", "authorization_code")
			if r := w.serve(plainPost(path, f)); r.Code != http.StatusUnauthorized || r.text("error") != "invalid_client" {
				t.Errorf("%s at %s: %d %s", name, path, r.Code, r.Body)
			}
		}
	}
	for _, path := range []string{"/token", "/introspect", "/revoke", "/par"} {
		f := w.asserted("bank", form("token", "x", "grant_type", "authorization_code"))
		inHeader := plainPost(path, f)
		inHeader.Header.Set("Authorization", basic("docs", w.p.Clients["docs"].Secret))
		f.Set("client_secret", w.p.Clients["docs"].Secret)
		f.Set("client_id", "docs")
		for _, r := range []*http.Request{inHeader, plainPost(path, f)} {
			if got := w.serve(r); got.Code != http.StatusBadRequest || got.text("error") != "invalid_request" {
				t.Errorf("an assertion and a secret at %s: %d %s", path, got.Code, got.Body)
			}
		}
	}
	if r := w.post("/revoke", "bank", form("token", got.text("access_token"))); r.Code != http.StatusOK || w.alive(s.ID) {
		t.Errorf("revocation: %d %s", r.Code, r.Body)
	}
}

// TestAnAssertionIsGoodOnce: of fifty uses at the same time, on two nodes, one
// has it; nobody else's use of the same jti is in its way.
func TestAnAssertionIsGoodOnce(t *testing.T) {
	t.Parallel()
	one, two := twoNodes(t)
	assertion := one.assertion("bank", "jti", "the same")
	var good, refused atomic.Int64
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			r := []*world{one, two}[i%2].present(assertion)
			if r.Code == http.StatusOK {
				good.Add(1)
			} else if r.Code == http.StatusUnauthorized && r.text("error") == "invalid_client" {
				refused.Add(1)
			}
		})
	}
	wait.Wait()
	if good.Load() != 1 || refused.Load() != 49 {
		t.Errorf("%d uses were good, %d refused", good.Load(), refused.Load())
	}
	if r := two.present(one.assertion("bank", "jti", "the same", "exp", one.now().Unix()+90)); r.Code != http.StatusUnauthorized {
		t.Errorf("another assertion with its jti: %d", r.Code)
	}
	if r := two.present(one.assertion("vault", "jti", "the same")); r.Code != http.StatusOK {
		t.Errorf("another client's: %d %s", r.Code, r.Body)
	}
	must(t, one.store.SweepOnce(t.Context()))
	if r := two.present(assertion); r.Code != http.StatusUnauthorized {
		t.Errorf("after the job has forgotten what it may: %d", r.Code)
	}
	one.pass(61 * time.Second)
	must(t, one.store.SweepOnce(t.Context()))
	if r := one.present(assertion); r.Code != http.StatusUnauthorized {
		t.Errorf("after it expired: %d", r.Code)
	}
}

// TestAVisitorWritesNothing: what is not signed by a key of the client uses up
// nothing, and neither does a proof beside a request that is not good (I9).
func TestAVisitorWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	counting := &writes{Store: w.store}
	w.through(counting)
	s := w.open("login")
	token := w.bound("bank", appKey, s).text("access_token")
	counting.n.Store(0)
	forged := otherKey.sign(w.assertionClaims("bank"), nil)
	proof := func(path string) string { return w.proof(otherKey, "POST", path) }
	spa := w.request("spa")
	for name, call := range map[string]func() reply{
		"a forged assertion":  func() reply { return w.present(forged) },
		"a wrong assertion":   func() reply { return w.present(w.assertion("bank", "aud", "x")) },
		"a proof and no code": func() reply { return w.prove("/token", "spa", proof("/token"), w.exchange("spa", "x")) },
		"a proof and a forged client": func() reply {
			return w.serve(withProof(plainPost("/token", form("client_assertion", forged, "client_assertion_type", assertionType, "grant_type", "client_credentials")), proof("/token")))
		},
		"a proof and no refresh token": func() reply {
			return w.prove("/token", "spa", proof("/token"), form("grant_type", "refresh_token", "refresh_token", "x"))
		},
		"a pushed request":         func() reply { return w.prove("/par", "spa", proof("/par"), spa) },
		"a proof and no token":     func() reply { return w.see("DPoP", "x.y.z", w.seeing(otherKey, "x.y.z")) },
		"a proof by another key":   func() reply { return w.see("DPoP", token, w.seeing(otherKey, token)) },
		"a bound token as bearer":  func() reply { return w.see("Bearer", token, "") },
		"a request_uri of nobody":  func() reply { return w.visit("spa", requestURI+"x") },
		"a request_uri, looked at": func() reply { return w.visit("spa", w.pushes("spa")) },
	} {
		if r := call(); counting.n.Load() != 0 {
			t.Errorf("%s: %d writes (%d %s)", name, counting.n.Swap(0), r.Code, r.Body)
		}
	}
	if r := w.see("DPoP", token, w.seeing(appKey, token)); r.Code != http.StatusOK || counting.n.Load() != 1 {
		t.Errorf("a good proof: %d, %d writes", r.Code, counting.n.Load())
	}
}

func withProof(r *http.Request, proof string) *http.Request {
	r.Header.Set("DPoP", proof)
	return r
}

// TestWithoutKeysNothingIsSaidOfThem: discovery names what some client has.
func TestWithoutKeysNothingIsSaidOfThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) {
		delete(p.Clients, "bank")
		delete(p.Clients, "vault")
	})
	d := w.get("/.well-known/openid-configuration", nil)
	if strings.Contains(d.Body.String(), "private_key_jwt") || d.body["token_endpoint_auth_signing_alg_values_supported"] != nil {
		t.Errorf("%s", d.Body)
	}
}

// algorithmsAreTrue compares the signing algorithms that are listed with those
// that are taken.
func (w *world) algorithmsAreTrue(d reply) {
	w.Helper()
	listed := strings.Join(w.list(d, "token_endpoint_auth_signing_alg_values_supported"), " ")
	for _, name := range []string{"introspection_endpoint_auth_signing_alg_values_supported", "revocation_endpoint_auth_signing_alg_values_supported", "dpop_signing_alg_values_supported"} {
		if got := strings.Join(w.list(d, name), " "); got != listed {
			w.Errorf("%s: %s, want %s", name, got, listed)
		}
	}
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA, jose.RS512, jose.PS384} {
		k := newPair(alg, "")
		w.p.Clients["bank"].Keys = []jose.JSONWebKey{{Key: k.private.Public()}}
		works := w.present(k.sign(w.assertionClaims("bank"), nil)).Code == http.StatusOK
		proof := w.proof(k, "POST", "/token")
		proves := w.prove("/token", "settings", proof, form("grant_type", "client_credentials")).Code == http.StatusOK
		if isListed := strings.Contains(" "+listed+" ", " "+string(alg)+" "); works != isListed || proves != isListed {
			w.Errorf("%s signs assertions: %v, proofs: %v, listed: %v", alg, works, proves, isListed)
		}
	}
	if d.body["require_pushed_authorization_requests"] != false {
		w.Error("requests need not be pushed, and it is said that they must")
	}
}
