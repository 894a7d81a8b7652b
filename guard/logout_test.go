package guard_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// TestEnd ends the session at the broker, so for every app, and here at once.
func TestEnd(t *testing.T) {
	for _, refresh := range []bool{false, true} {
		inSiteNamed(t, map[bool]string{false: "by access token", true: "by refresh token"}[refresh], func(s *site) {
			s.broker.GiveRefreshTokens(refresh)
			b := s.enter()
			copied := s.browser()
			copied.put(supportCookie, b.cookie(supportCookie))
			b.do("POST", "/support/end").want(s.t, http.StatusOK, "You have left support mode", "at every app")
			if b.cookie(supportCookie) != "" {
				s.t.Error("the browser has its support cookie still")
			}
			copied.do("GET", "/documents").want(s.t, http.StatusUnauthorized, "Your support session is over")
			b.do("GET", "/documents").want(s.t, http.StatusForbidden, "your own login, please")
			if p := b.open("/support?return_to=/documents"); p.status != http.StatusForbidden {
				s.t.Errorf("the broker lets the session go on: %d", p.status)
			}
			b.do("POST", "/support/end").want(s.t, http.StatusOK, "no support session")
		})
	}
}

// TestEndIsKnownHereAtOnce, whatever has become of the feed: nobody is asked.
func TestEndIsKnownHereAtOnce(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.Fail("/api/v1/endings", http.StatusInternalServerError)
		s.broker.Down() // and with it the stream
		synctest.Wait()
		s.broker.Up()
		time.Sleep(time.Minute)
		b := s.enter()
		copied := s.browser()
		copied.put(supportCookie, b.cookie(supportCookie))
		b.do("POST", "/support/end").want(s.t, http.StatusOK)
		s.broker.ForgetRequests()
		copied.do("GET", "/documents").want(s.t, http.StatusUnauthorized, "Your support session is over")
		if n := s.broker.Requests("/introspect"); n != 0 {
			s.t.Errorf("the broker was asked %d times whether the session lives", n)
		}
	})
}

// TestEndOfAnExpiredToken: hours later there is still a session to end.
func TestEndOfAnExpiredToken(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		time.Sleep(20 * time.Minute)
		b.do("POST", "/support/end").want(s.t, http.StatusOK, "You have left support mode")
		b.open("/support").want(s.t, http.StatusForbidden)
	})
}

// TestEndWithoutTheBroker: nothing has ended, and nothing else is said.
func TestEndWithoutTheBroker(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		for status, advice := range map[int]string{
			http.StatusServiceUnavailable: "Press End again",
			http.StatusTooManyRequests:    "Press End again",
			http.StatusUnauthorized:       "Tell whoever runs this app", // and pressing again would not help
			http.StatusBadRequest:         "Tell whoever runs this app",
		} {
			s.broker.Fail("/revoke", status)
			p := b.do("POST", "/support/end")
			p.want(s.t, http.StatusServiceUnavailable, "has not ended yet", advice, `action="/support/end"`)
			b.do("POST", "/support/end", "Accept", "*/*").want(s.t, http.StatusServiceUnavailable, `"not_yet_ended"`)
			b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		}
		s.broker.Fail("/revoke", 0)
		s.broker.Down()
		b.do("POST", "/support/end").want(s.t, http.StatusServiceUnavailable, "has not ended yet")
		s.broker.Up()
		b.do("POST", "/support/end", "Accept", "*/*").want(s.t, http.StatusNoContent)
	})
}

// TestLeavingAnEndedSession needs no broker.
func TestLeavingAnEndedSession(t *testing.T) {
	inSite(t, func(l *guard.LoginConfig) { l.AfterEnd = "/bye" }, func(s *site) {
		b := s.enter()
		s.broker.End("sid-1", "revoked")
		synctest.Wait()
		s.broker.Down()
		if p := b.do("POST", "/support/end"); p.status != http.StatusSeeOther || p.to() != "/bye" || b.cookie(supportCookie) != "" {
			s.t.Errorf("%d to %q", p.status, p.to())
		}
	})
}

// receiver is where a site takes logout tokens.
func (s *site) receiver(config guard.LogoutConfig) {
	h, err := s.guard.LogoutReceiver(config)
	if err != nil {
		s.t.Fatal(err)
	}
	app := s.app
	s.app = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/backchannel-logout" {
			h.ServeHTTP(w, r)
			return
		}
		app.ServeHTTP(w, r)
	})
}

// post sends a form as the broker does.
func (s *site) post(body string, kind ...string) page {
	s.t.Helper()
	if kind == nil {
		kind = []string{"application/x-www-form-urlencoded"}
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, siteURL+"/backchannel-logout", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind[0])
	answer, err := s.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if answer.Header.Get("Cache-Control") != "no-store" {
		s.t.Error("the answer may be kept")
	}
	return page{status: answer.StatusCode, header: answer.Header, at: r.URL}
}

// TestALogoutToken ends a session before it is answered.
func TestALogoutToken(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.receiver(guard.LogoutConfig{})
		b := s.enter()
		token := s.broker.SignRS256("logout+jwt", s.broker.LogoutClaims("sid-1"))
		s.post("logout_token="+token).want(s.t, http.StatusOK)
		b.do("GET", "/documents").want(s.t, http.StatusUnauthorized, "Your support session is over")
		s.post("logout_token="+token).want(s.t, http.StatusBadRequest) // once
		other := s.broker.LogoutClaims("unknown")
		s.post("logout_token="+s.broker.SignRS256("application/logout+jwt", other)).want(s.t, http.StatusOK)
	})
}

// TestLogoutTokensThatAreRefused: each is one change to a good one. None ends
// anything.
func TestLogoutTokensThatAreRefused(t *testing.T) {
	const event = "http://schemas.openid.net/event/backchannel-logout"
	for name, change := range map[string]func(map[string]any){
		"of another issuer":            func(c map[string]any) { c["iss"] = "https://evil.example" },
		"for another client":           func(c map[string]any) { c["aud"] = "other" },
		"for the API":                  func(c map[string]any) { c["aud"] = "https://app.example/api" },
		"with an aud of numbers":       func(c map[string]any) { c["aud"] = []int{1} },
		"without aud":                  func(c map[string]any) { delete(c, "aud") },
		"without iat":                  func(c map[string]any) { delete(c, "iat") },
		"from the future":              func(c map[string]any) { c["iat"] = c["iat"].(int64) + 60 },
		"without exp":                  func(c map[string]any) { delete(c, "exp") },
		"that has expired":             func(c map[string]any) { c["exp"] = c["iat"] },
		"that is good for a day":       func(c map[string]any) { c["exp"] = c["iat"].(int64) + 86400 },
		"without jti":                  func(c map[string]any) { delete(c, "jti") },
		"with a jti of a megabyte":     func(c map[string]any) { c["jti"] = strings.Repeat("j", 300) },
		"without events":               func(c map[string]any) { delete(c, "events") },
		"with another event":           func(c map[string]any) { c["events"] = map[string]any{event + "/": map[string]any{}} },
		"with two events":              func(c map[string]any) { c["events"].(map[string]any)["other"] = map[string]any{} },
		"with an event that is null":   func(c map[string]any) { c["events"] = map[string]any{event: nil} },
		"with an event that is a list": func(c map[string]any) { c["events"] = map[string]any{event: []int{}} },
		"with events as a list":        func(c map[string]any) { c["events"] = []string{event} },
		"with a nonce":                 func(c map[string]any) { c["nonce"] = "n" },
		"with a nonce that is null":    func(c map[string]any) { c["nonce"] = nil },
		"of a subject only":            func(c map[string]any) { delete(c, "sid"); c["sub"] = "guest:sid-1" },
	} {
		t.Run(name, func(t *testing.T) {
			inSite(t, nil, func(s *site) {
				s.receiver(guard.LogoutConfig{})
				b := s.enter()
				claims := s.broker.LogoutClaims("sid-1")
				change(claims)
				s.post("logout_token="+s.broker.SignRS256("logout+jwt", claims)).want(s.t, http.StatusBadRequest)
				b.do("GET", "/documents").want(s.t, http.StatusOK)
			})
		})
	}
}

// TestTokensOfOtherTypes are no logout tokens, and a logout token is nothing else.
func TestTokensOfOtherTypes(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.receiver(guard.LogoutConfig{})
		b := s.enter()
		claims := s.broker.LogoutClaims("sid-1")
		good := s.broker.SignRS256("logout+jwt", claims)
		for name, body := range map[string]string{
			"an ID token":            "logout_token=" + s.broker.SignRS256("JWT", claims),
			"an access token":        "logout_token=" + s.broker.SignRS256("at+jwt", claims),
			"without a type":         "logout_token=" + s.broker.SignRS256("", claims),
			"by another algorithm":   "logout_token=" + s.broker.Sign("logout+jwt", claims),
			"changed":                "logout_token=" + good[:len(good)-6] + "AAAAAA",
			"twice":                  "logout_token=" + good + "&logout_token=" + good,
			"of no parts":            "logout_token=" + strings.Repeat(".", 10000),
			"empty":                  "logout_token=",
			"missing":                "token=" + good,
			"longer than any":        "logout_token=" + strings.Repeat("a", 1<<20),
			"in a form of no syntax": "logout_token=%zz",
		} {
			if p := s.post(body); p.status != http.StatusBadRequest {
				s.t.Errorf("%s: %d", name, p.status)
			}
		}
		s.post("logout_token="+good, "text/plain").want(s.t, http.StatusBadRequest)
		b.do("POST", "/backchannel-logout?logout_token="+good).want(s.t, http.StatusBadRequest)
		b.do("POST", "/backchannel-logout?logout_token="+good, "Content-Type", "application/x-www-form-urlencoded").want(s.t, http.StatusBadRequest)
		b.do("GET", "/backchannel-logout").want(s.t, http.StatusMethodNotAllowed)
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		asAccess := s.browser()
		asAccess.do("GET", "/documents", "Authorization", "Bearer "+s.broker.Sign("logout+jwt", claims)).want(s.t, http.StatusUnauthorized, `"wrong_type"`)
	})
}

// TestLogoutWhileTheKeysAreUnknown: it was not judged, so it is sent again.
func TestLogoutWhileTheKeysAreUnknown(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.receiver(guard.LogoutConfig{})
		token := s.broker.SignRS256("logout+jwt", s.broker.LogoutClaims("sid-1"))
		s.broker.Fail("/jwks", http.StatusInternalServerError)
		s.broker.RotateKeys() // so that those that are known are good no more
		synctest.Wait()
		s.post("logout_token="+token).want(s.t, http.StatusServiceUnavailable)
		s.broker.Fail("/jwks", 0)
		time.Sleep(time.Second)
		s.post("logout_token="+token).want(s.t, http.StatusOK)
	})
}

func TestLogoutConfig(t *testing.T) {
	inSite(t, nil, func(s *site) {
		if _, err := s.guard.LogoutReceiver(guard.LogoutConfig{IDTokenAlg: "none"}); err == nil {
			s.t.Error("tokens without a signature are taken")
		}
		s.receiver(guard.LogoutConfig{ClientID: "other", IDTokenAlg: "ES256"})
		claims := s.broker.LogoutClaims("sid-1")
		s.post("logout_token="+s.broker.Sign("logout+jwt", claims)).want(s.t, http.StatusBadRequest)
		claims["aud"] = "other"
		s.post("logout_token="+s.broker.SignRS256("logout+jwt", claims)).want(s.t, http.StatusBadRequest)
		s.post("logout_token="+s.broker.Sign("logout+jwt", claims)).want(s.t, http.StatusOK)
	})
}
