package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

var (
	private = []string{"/token", "/introspect", "/userinfo", "/revoke", "/par"}
	public  = []string{"/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"}
)

// TestOnlyTheMethodsOfAnEndpointWork.
func TestOnlyTheMethodsOfAnEndpointWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	allowed := map[string]string{"/userinfo": "GET POST"}
	for _, path := range private[:2] {
		allowed[path] = "POST"
	}
	allowed["/revoke"] = "POST"
	for _, path := range public {
		allowed[path] = "GET HEAD"
	}
	for path, methods := range allowed {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "BREW"} {
			r := w.serve(httptest.NewRequest(method, path, nil))
			may := strings.Contains(" "+methods+" ", " "+method+" ")
			if (r.Code == http.StatusMethodNotAllowed) == may {
				t.Errorf("%s %s: %d", method, path, r.Code)
			}
			if !may && strings.ReplaceAll(r.Header().Get("Allow"), ",", "") != methods {
				t.Errorf("%s %s: Allow %q", method, path, r.Header().Get("Allow"))
			}
			if !may && (r.Header().Get("Cache-Control") != "no-store" || r.text("error") == "") {
				t.Errorf("%s %s: %v %s", method, path, r.Header(), r.Body)
			}
		}
	}
}

// TestNothingIsTakenFromAQuery: neither credentials nor tokens nor the rest.
func TestNothingIsTakenFromAQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	token := w.tokens("docs", s).text("access_token")
	docs := w.p.Clients["docs"]
	code := w.code("docs", s)
	whole := w.exchange("docs", code)
	whole.Set("client_id", docs.ID)
	whole.Set("client_secret", docs.Secret)
	for name, r := range map[string]*http.Request{
		"everything at token":        plainPost("/token?"+whole.Encode(), nil),
		"the secret at token":        plainPost("/token?client_secret="+docs.Secret, w.exchange("docs", code)),
		"an ignored one at token":    plainPost("/token?x=1", whole),
		"the token at introspect":    plainPost("/introspect?token="+token, form("client_id", docs.ID, "client_secret", docs.Secret)),
		"the token at revoke":        plainPost("/revoke?token="+token, form("client_id", docs.ID, "client_secret", docs.Secret)),
		"a token at userinfo":        httptestGet("/userinfo?access_token=" + token),
		"a POST with it":             plainPost("/userinfo?access_token="+token, nil),
		"a token in another case":    httptestGet("/userinfo?Access_Token=" + token),
		"a token with a long s":      httptestGet("/userinfo?acce%C5%BFs_token=" + token),
		"a token behind a semicolon": httptestGet("/userinfo?x=1;access_token=" + token),
		"an encoded name":            httptestGet("/userinfo?%61ccess_token=" + token),
	} {
		if got := w.serve(r); got.Code != http.StatusBadRequest && got.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if r := w.post("/token", "docs", w.exchange("docs", code)); r.Code != http.StatusOK || !w.alive(s.ID) {
		t.Errorf("something of it worked: %d %s", r.Code, r.Body)
	}
}

// TestADuplicateParameterOrHeaderIsRefusedEverywhere.
func TestADuplicateParameterOrHeaderIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	token := w.tokens("docs", s).text("access_token")
	docs := w.p.Clients["docs"]
	for _, path := range private {
		base := w.exchange("docs", w.code("docs", s))
		base.Set("client_id", docs.ID)
		base.Set("client_secret", docs.Secret)
		base.Set("token", token)
		base.Set("access_token", token)
		for name := range base {
			f := url.Values{}
			for k, v := range base {
				f[k] = v
			}
			f[name] = []string{base.Get(name), base.Get(name)}
			if r := w.serve(plainPost(path, f)); r.Code != http.StatusBadRequest || r.text("error") != "invalid_request" {
				t.Errorf("%s twice at %s: %d %s", name, path, r.Code, r.Body)
			}
		}
		for _, name := range []string{"Authorization", "Content-Type"} {
			r := plainPost(path, base)
			r.Header[name] = append(r.Header[name], "Bearer "+token, "Bearer "+token)
			if got := w.serve(r); got.Code != http.StatusBadRequest {
				t.Errorf("%s twice at %s: %d %s", name, path, got.Code, got.Body)
			}
		}
	}
	both := plainPost("/userinfo", form("access_token", token))
	both.Header.Set("Authorization", "Bearer "+token)
	if r := w.serve(both); r.Code != http.StatusBadRequest || !strings.Contains(r.Header().Get("WWW-Authenticate"), `error="invalid_request"`) {
		t.Errorf("a token in header and body: %d %v", r.Code, r.Header())
	}
	if !w.alive(s.ID) {
		t.Error("something of it worked")
	}
}

// TestBodiesAreFormsOf64KBAtMost.
func TestBodiesAreFormsOf64KBAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	docs := w.p.Clients["docs"]
	for _, path := range private {
		f := form("client_id", docs.ID, "client_secret", docs.Secret, "grant_type", "client_credentials", "token", "x", "access_token", "x")
		for kind, fine := range map[string]bool{
			"application/x-www-form-urlencoded": true, "application/x-www-form-urlencoded; charset=UTF-8": true, "Application/X-WWW-Form-Urlencoded": true,
			"": false, "application/json": false, "text/plain": false, "multipart/form-data; boundary=x": false, "application/x-www-form-urlencoded, text/plain": false, "x/": false,
		} {
			r := plainPost(path, f)
			if r.Header.Set("Content-Type", kind); kind == "" {
				r.Header.Del("Content-Type")
			}
			if got := w.serve(r); (got.text("error_description") == "send application/x-www-form-urlencoded") == fine {
				t.Errorf("%q at %s: %d %s", kind, path, got.Code, got.Body)
			}
		}
		f.Set("padding", strings.Repeat("x", 65<<10))
		for _, length := range []int64{int64(len(f.Encode())), -1} {
			r := plainPost(path, f)
			r.ContentLength = length
			if got := w.serve(r); got.Code != http.StatusBadRequest || got.text("error") != "invalid_request" {
				t.Errorf("65 KB at %s: %d %s", path, got.Code, got.Body)
			}
		}
		for _, body := range []string{"a=%zz", "%", "a;b"} {
			r := plainPost(path, nil)
			r.Body = http.NoBody
			r = httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if got := w.serve(r); got.Code != http.StatusBadRequest {
				t.Errorf("%s at %s: %d %s", body, path, got.Code, got.Body)
			}
		}
	}
}

// TestAnswersAreNotKept but for discovery and keys.
func TestAnswersAreNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.tokens("docs", w.open("login"))
	for name, r := range map[string]reply{
		"token": got, "userinfo": w.userinfo(got.text("access_token")), "introspection": w.post("/introspect", "docs", form("token", got.text("access_token"))),
		"refusal": w.userinfo("x"), "revocation": w.post("/revoke", "docs", form("token", "x")), "API token": w.post("/token", "settings", form("grant_type", "client_credentials")),
	} {
		if r.Header().Get("Cache-Control") != "no-store" || r.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, r.Header())
		}
		if r.Body.Len() > 0 && !strings.HasPrefix(r.Header().Get("Content-Type"), "application/json") {
			t.Errorf("%s: Content-Type %q", name, r.Header().Get("Content-Type"))
		}
	}
	for _, path := range public {
		if r := w.get(path, nil); r.Code != http.StatusOK || r.Header().Get("Cache-Control") != "public, max-age=300" || !strings.HasPrefix(r.Header().Get("Content-Type"), "application/json") {
			t.Errorf("%s: %d %v", path, r.Code, r.Header())
		}
	}
}

// TestCORSIsForListedOriginsAtTokenAndUserinfo, without credentials.
func TestCORSIsForListedOriginsAtTokenAndUserinfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range append([]string{"/authorize"}, private...) {
		for _, origin := range []string{"https://spa.example", "https://evil.example", "null", "https://spa.example.evil.example", "https://SPA.example", "http://spa.example", "https://spa.example:443", "*", ""} {
			for _, method := range []string{http.MethodOptions, http.MethodPost, http.MethodGet} {
				r := httptest.NewRequest(method, path, nil)
				r.Header.Set("Origin", origin)
				r.Header.Set("Access-Control-Request-Method", "POST")
				got := w.serve(r)
				want := ""
				if origin == "https://spa.example" && (path == "/token" || path == "/userinfo") {
					want = origin
				}
				if have := got.Header().Get("Access-Control-Allow-Origin"); have != want || got.Header().Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s %s from %q: allowed %q", method, path, origin, have)
				}
				if (path == "/token" || path == "/userinfo") && !strings.Contains(got.Header().Get("Vary"), "Origin") {
					t.Errorf("%s %s from %q: no Vary", method, path, origin)
				}
				if method == http.MethodOptions && want != "" && got.Code != http.StatusNoContent {
					t.Errorf("preflight of %s: %d", path, got.Code)
				}
			}
		}
	}
	for _, path := range public {
		if r := w.get(path, nil); r.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: a single-page app cannot read it", path)
		}
	}
}

// TestOtherSpellingsOfAPathAreNotAnEndpoint that the checks would not know.
func TestOtherSpellingsOfAPathAreNotAnEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := form("grant_type", "client_credentials", "client_id", "settings", "client_secret", w.p.Clients["settings"].Secret)
	for _, path := range []string{"/Token", "/token/", "//token", "/%74oken", "/./token", "/x/../token", "/token%2f", "/token;x", "/device_authorization", "/oauth/token", "/end_session", "/PAR", "/par/", "/healthz", "/ready"} {
		if r := w.serve(plainPost(path, f)); r.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, r.Code, r.Body)
		}
	}
}
