package guard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

func TestAnAgentSignsIn(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.browser()
		b.do("GET", "/documents").want(s.t, http.StatusForbidden, "your own login, please")
		p := b.open("/support?login_hint=4821&return_to=/documents?page=2")
		p.want(s.t, http.StatusOK, "documents for sid-1", "Acme Inc", "Dana Reed", "View documents", "minutes left", `action="/support/end"`)
		if p.at.RequestURI() != "/documents?page=2" {
			s.t.Errorf("the agent is at %s", p.at)
		}
		if got := p.header.Get("Cache-Control"); got != "no-store" {
			s.t.Errorf("a customer's page may be kept: %q", got)
		}
		asked := s.broker.Authorizations()[0]
		for name, want := range map[string]string{"response_type": "code", "client_id": guardtest.ClientID, "redirect_uri": siteURL + "/support/callback",
			"scope": "openid documents.read documents.write", "code_challenge_method": "S256", "login_hint": "4821", "prompt": ""} {
			if got := asked.Get(name); got != want {
				s.t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if done := s.broker.Actions(); len(done) != 1 || done[0].SID != "sid-1" {
			s.t.Errorf("the record has %+v", done)
		}
		// The trip's cookie is gone; what is left says nothing to who reads it.
		value := b.cookie(supportCookie)
		if all := b.s.cookies(b); len(all) != 1 || len(all[0].Name+value) > 4096 || strings.Contains(value, "eyJ") {
			s.t.Errorf("the browser has %v", all)
		}
		b.do("GET", "/private").want(s.t, http.StatusForbidden, "Support cannot do this here")
		b.do("POST", "/documents/new").want(s.t, http.StatusForbidden, "This was not lent to you")
		b.do("POST", "/documents/new", "Accept", "application/json").want(s.t, http.StatusForbidden, `"insufficient_scope"`)
		if s.own != 0 {
			s.t.Errorf("%d requests went to the app's own login", s.own)
		}
	})
}

// cookies are all that a browser has for the app.
func (s *site) cookies(b *browser) []*http.Cookie {
	at, _ := url.Parse(siteURL)
	return b.jar.Cookies(at)
}

// TestIDTokenAlgorithm: the one that the client is registered with, and no other.
func TestIDTokenAlgorithm(t *testing.T) {
	for name, c := range map[string]struct {
		signs, expects string
		ok             bool
	}{
		"RS256, the default": {"RS256", "", true},
		"ES256":              {"ES256", "ES256", true},
		"ES256 for RS256":    {"ES256", "RS256", false},
		"RS256 for ES256":    {"RS256", "ES256", false},
	} {
		t.Run(name, func(t *testing.T) {
			inSite(t, func(l *guard.LoginConfig) { l.IDTokenAlg = c.expects }, func(s *site) {
				s.broker.SignIDTokens(c.signs)
				b := s.browser()
				if p := b.open("/support?return_to=/documents"); (p.status == http.StatusOK) != c.ok {
					s.t.Errorf("%d %s", p.status, p.body)
				}
				if (b.cookie(supportCookie) != "") != c.ok {
					s.t.Error("the support cookie does not fit the answer")
				}
			})
		})
	}
}

// TestABrowserThatDidNotBegin: what one browser began, another cannot finish.
func TestABrowserThatDidNotBegin(t *testing.T) {
	inSite(t, nil, func(s *site) {
		victim, attacker := s.browser(), s.browser()
		begun := attacker.callback("/support")
		p := victim.do("GET", begun)
		p.want(s.t, http.StatusBadRequest, "not begun in this browser")
		// Nor with a trip of its own that the answer does not belong to.
		own := victim.callback("/support")
		mixed, _ := url.Parse(own)
		injected, _ := url.Parse(begun)
		query := mixed.Query()
		query.Set("code", injected.Query().Get("code"))
		mixed.RawQuery = query.Encode()
		victim.do("GET", mixed.String()).want(s.t, http.StatusBadRequest)
		if victim.cookie(supportCookie) != "" {
			s.t.Error("the victim is signed in with the attacker's code")
		}
	})
}

// TestAnswersThatAreRefused: each is one change to a good answer.
func TestAnswersThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(url.Values){
		"an iss of somebody else":   func(q url.Values) { q.Set("iss", "https://evil.example") },
		"an iss with a slash":       func(q url.Values) { q.Set("iss", q.Get("iss")+"/") },
		"no iss":                    func(q url.Values) { q.Del("iss") },
		"two iss":                   func(q url.Values) { q.Add("iss", q.Get("iss")) },
		"another state":             func(q url.Values) { q.Set("state", strings.Repeat("A", 43)) },
		"the beginning of a state":  func(q url.Values) { q.Set("state", q.Get("state")[:8]) },
		"a state that goes on":      func(q url.Values) { q.Set("state", q.Get("state")+"A") },
		"no state":                  func(q url.Values) { q.Del("state") },
		"no code":                   func(q url.Values) { q.Del("code") },
		"an unknown code":           func(q url.Values) { q.Set("code", "made up") },
		"two codes":                 func(q url.Values) { q.Add("code", "another") },
		"an error beside a code":    func(q url.Values) { q.Set("error", "access_denied") },
		"somebody else's error":     func(q url.Values) { q.Set("iss", "https://evil.example"); q.Set("error", "login_required") },
		"a state that is no base64": func(q url.Values) { q.Set("state", "../../../x") },
	} {
		t.Run(name, func(t *testing.T) {
			inSite(t, nil, func(s *site) {
				b := s.browser()
				to, _ := url.Parse(b.callback("/support"))
				query := to.Query()
				change(query)
				to.RawQuery = query.Encode()
				p := b.do("GET", to.String())
				if p.status < 400 || b.cookie(supportCookie) != "" {
					s.t.Errorf("%d %s", p.status, p.body)
				}
			})
		})
	}
}

// TestIDTokensThatAreRefused: each is one change to a good ID token.
func TestIDTokensThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"of another issuer":         func(c map[string]any) { c["iss"] = "https://evil.example" },
		"for another client":        func(c map[string]any) { c["aud"] = "other" },
		"for two clients":           func(c map[string]any) { c["aud"] = []string{guardtest.ClientID, "other"} },
		"with an aud of numbers":    func(c map[string]any) { c["aud"] = []int{1} },
		"without an aud":            func(c map[string]any) { delete(c, "aud") },
		"with another nonce":        func(c map[string]any) { c["nonce"] = "other" },
		"without a nonce":           func(c map[string]any) { delete(c, "nonce") },
		"that has expired":          func(c map[string]any) { c["exp"] = c["iat"] },
		"without exp":               func(c map[string]any) { delete(c, "exp") },
		"with exp as text":          func(c map[string]any) { c["exp"] = "soon" },
		"from the future":           func(c map[string]any) { c["iat"] = c["iat"].(int64) + 60 },
		"without iat":               func(c map[string]any) { delete(c, "iat") },
		"of another session":        func(c map[string]any) { c["sid"] = "sid-2" },
		"of no session":             func(c map[string]any) { delete(c, "sid") },
		"of somebody else":          func(c map[string]any) { c["sub"] = "guest:other" },
		"of another access token":   func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" },
		"that is a logout token":    func(c map[string]any) { c["events"] = map[string]any{} },
		"that would be issued to 1": func(c map[string]any) { c["aud"] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			inSite(t, nil, func(s *site) {
				s.broker.TamperIDTokens(change)
				b := s.browser()
				b.open("/support?return_to=/documents").want(s.t, http.StatusBadRequest, "cannot be used here")
				if b.cookie(supportCookie) != "" {
					s.t.Error("the agent is signed in")
				}
			})
		})
	}
}

// TestACallbackIsMadeOnce: going back in the browser repeats nothing.
func TestACallbackIsMadeOnce(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.browser()
		to := b.callback("/support?return_to=/documents")
		if p := b.do("GET", to); p.to() != "/documents" {
			s.t.Fatalf("%d %s", p.status, p.body)
		}
		before := b.cookie(supportCookie)
		b.do("GET", to).want(s.t, http.StatusBadRequest, "not begun in this browser")
		if b.cookie(supportCookie) != before {
			s.t.Error("the support cookie has changed")
		}
	})
}

// TestReturnTo: an agent comes back to the app, whatever a link says.
func TestReturnTo(t *testing.T) {
	for to, want := range map[string]string{
		"/documents?page=2#top":         "/documents?page=2#top",
		"/a b":                          "/a%20b",
		"/a//b":                         "/a//b",
		"":                              "/home",
		"//evil.example":                "/home",
		`/\evil.example`:                "/home",
		`\\evil.example`:                "/home",
		"/\t/evil.example":              "/home",
		"/\n/evil.example":              "/home",
		"https://evil.example/":         "/home",
		"https:evil.example":            "/home",
		"javascript:alert(1)":           "/home",
		"documents":                     "/home",
		" //evil.example":               "/home",
		"/%zz":                          "/home",
		"/support?return_to=/support":   "/home", // in a circle
		"/support/end":                  "/home",
		"/support/callback?code=x":      "/home",
		"/" + strings.Repeat("a", 3000): "/home",
	} {
		t.Run(to, func(t *testing.T) {
			inSite(t, func(l *guard.LoginConfig) { l.Home = "/home" }, func(s *site) {
				b := s.browser()
				p := b.do("GET", b.callback("/support?"+url.Values{"return_to": {to}}.Encode()))
				if p.status != http.StatusSeeOther || p.to() != want {
					s.t.Errorf("the agent is sent to %q (%d)", p.to(), p.status)
				}
				// Its address has the code: nobody is to be told it, and nothing keeps it.
				if p.header.Get("Referrer-Policy") != "no-referrer" || p.header.Get("Cache-Control") != "no-store" {
					s.t.Errorf("the callback's headers are %v", p.header)
				}
			})
		})
	}
}

// TestALongWayBack: where an address to come back to does not fit beside all else,
// the agent signs in and comes to the start page.
func TestALongWayBack(t *testing.T) {
	inSite(t, nil, func(s *site) {
		to := "/documents?" + strings.Repeat("a=b&", 500)
		b := s.browser()
		p := b.do("GET", b.callback("/support?"+url.Values{"return_to": {to}}.Encode()))
		if p.status != http.StatusSeeOther || p.to() != "/" || b.cookie(supportCookie) == "" {
			s.t.Errorf("the agent is sent to %q (%d) %s", p.to(), p.status, p.body)
		}
	})
}

// TestAProxyThatChangesTheHost: a form of the app's own page is taken by its origin,
// which the RedirectURI says; of an older browser, that does not say where it is from.
func TestAProxyThatChangesTheHost(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		app := s.app
		s.app = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Host = "127.0.0.1:8500"
			app.ServeHTTP(w, r)
		})
		for origin, want := range map[string]int{siteURL: 200, "https://evil.example": 403, "http://docs.example": 403, "null": 403} {
			b.do("POST", "/documents", "Origin", origin, "Sec-Fetch-Site", "").want(s.t, want)
		}
		b.do("POST", "/documents", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").want(s.t, http.StatusForbidden)
		b.do("POST", "/support/end", "Origin", siteURL, "Sec-Fetch-Site", "").want(s.t, http.StatusOK, "You have left support mode")
	})
}

// TestTripsOfOneBrowser: each tab can finish what it began, and old ones make
// room.
func TestTripsOfOneBrowser(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.browser()
		var tabs []string
		for range 6 {
			tabs = append(tabs, b.callback("/support?return_to=/documents"))
		}
		if n := len(s.cookies(b)); n != 4 {
			s.t.Errorf("the browser has %d cookies", n)
		}
		for i, tab := range tabs[3:] {
			if p := b.do("GET", tab); p.to() != "/documents" {
				s.t.Errorf("tab %d: %d %s", i, p.status, p.body)
			}
		}
	})
}

// TestATripTakesTenMinutes, whatever the browser keeps.
func TestATripTakesTenMinutes(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.browser()
		to := b.callback("/support")
		kept := s.cookies(b)[0]
		time.Sleep(10*time.Minute + time.Second)
		b.put(kept.Name, kept.Value)
		b.do("GET", to).want(s.t, http.StatusBadRequest, "longer than ten minutes")
	})
}

func TestTheBrokerDeclines(t *testing.T) {
	for code, want := range map[string]int{"access_denied": 403, "login_required": 401, "invalid_scope": 400, "temporarily_unavailable": 503, "<script>": 400} {
		t.Run(code, func(t *testing.T) {
			inSite(t, nil, func(s *site) {
				s.broker.Decline(code)
				p := s.browser().open("/support")
				p.want(s.t, want, `href="/support"`)
				if strings.Contains(p.body, "<script>") || !strings.Contains(p.header.Get("Content-Security-Policy"), "default-src 'none'") {
					s.t.Errorf("%s", p.body)
				}
			})
		})
	}
}

// TestABrokerThatIsDown: support cannot sign in, and everybody else can.
func TestABrokerThatIsDown(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.Down()
		b := s.browser()
		b.put("own", "1")
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for own")
		begun := b.do("GET", "/support")
		if begun.status == http.StatusOK {
			s.t.Errorf("%d", begun.status)
		}
		s.broker.Up()
		to := b.callback("/support")
		s.broker.Fail("/token", http.StatusInternalServerError)
		b.do("GET", to).want(s.t, http.StatusServiceUnavailable, "Customers are not affected")
	})
}

// TestMethods: nothing happens by a link, an image, or a form of another site.
func TestMethods(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		b.do("GET", "/support/end").want(s.t, http.StatusMethodNotAllowed)
		b.do("POST", "/support").want(s.t, http.StatusMethodNotAllowed)
		b.do("POST", "/support/callback").want(s.t, http.StatusMethodNotAllowed)
		for _, from := range []string{"cross-site", "same-site"} {
			b.do("POST", "/support/end", "Sec-Fetch-Site", from).want(s.t, http.StatusForbidden)
			b.do("POST", "/documents", "Sec-Fetch-Site", from).want(s.t, http.StatusForbidden, "Support cannot do this here")
		}
		b.do("POST", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
	})
}

func TestLoginConfig(t *testing.T) {
	t.Parallel()
	broker := guardtest.New(t, guardtest.InMemory())
	g, err := guard.New(t.Context(), broker.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	good := func() guard.LoginConfig {
		return guard.LoginConfig{RedirectURI: siteURL + "/support/callback", Keys: [][]byte{cookieKey}, Scopes: []string{"documents.read"}}
	}
	for name, change := range map[string]func(*guard.LoginConfig){
		"nothing at all":            func(c *guard.LoginConfig) { *c = guard.LoginConfig{} },
		"http beyond loopback":      func(c *guard.LoginConfig) { c.RedirectURI = "http://docs.example/support/callback" },
		"a path only":               func(c *guard.LoginConfig) { c.RedirectURI = "/support/callback" },
		"a RedirectURI with query":  func(c *guard.LoginConfig) { c.RedirectURI += "?a=b" },
		"no key":                    func(c *guard.LoginConfig) { c.Keys = nil },
		"a short key":               func(c *guard.LoginConfig) { c.Keys = [][]byte{[]byte("secret")} },
		"no scopes":                 func(c *guard.LoginConfig) { c.Scopes = nil },
		"an algorithm of secrets":   func(c *guard.LoginConfig) { c.IDTokenAlg = "HS256" },
		"no algorithm":              func(c *guard.LoginConfig) { c.IDTokenAlg = "none" },
		"the same path twice":       func(c *guard.LoginConfig) { c.EndPath = "/support/callback" },
		"an end at another host":    func(c *guard.LoginConfig) { c.EndPath = "//evil.example/" },
		"a home at another host":    func(c *guard.LoginConfig) { c.Home = "https://evil.example/" },
		"an after at another host":  func(c *guard.LoginConfig) { c.AfterEnd = `/\evil.example` },
		"a start that is no path":   func(c *guard.LoginConfig) { c.StartPath = "support" },
		"a start with a query":      func(c *guard.LoginConfig) { c.StartPath = "/support?x" },
		"an unreadable RedirectURI": func(c *guard.LoginConfig) { c.RedirectURI = "https://[::1" },
	} {
		config := good()
		change(&config)
		if _, err := guard.NewLogin(g, config); err == nil || !strings.HasPrefix(err.Error(), "guard: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, to := range []string{"http://127.0.0.1:8500/cb", "http://localhost/cb", "http://[::1]:80/cb", "https://docs.example/"} {
		config := good()
		config.RedirectURI = to
		another, err := guard.New(t.Context(), broker.Config())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := guard.NewLogin(another, config); err != nil {
			t.Errorf("%s: %v", to, err)
		}
		_ = another.Close()
	}
}
