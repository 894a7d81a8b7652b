package guard_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// access is longer than an access token lives.
const access = 5*time.Minute + time.Second

// TestARefreshTokenRenewsUnseen: whatever is sent is served, and the session goes
// on.
func TestARefreshTokenRenewsUnseen(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		b := s.enter()
		for range 5 {
			time.Sleep(access)
			before := b.cookie(supportCookie)
			b.do("POST", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
			b.do("GET", "/documents", "Accept", "application/json", "Sec-Fetch-Mode", "cors").want(s.t, http.StatusOK)
			if b.cookie(supportCookie) == before {
				s.t.Error("the browser has the old tokens")
			}
		}
		if n := len(s.broker.Authorizations()); n != 1 {
			s.t.Errorf("the browser was sent to the broker %d times", n)
		}
	})
}

// tabs sends the same cookie from so many tabs at once.
func (b *browser) tabs(n int) []page {
	value := b.cookie(supportCookie)
	pages := make([]page, n)
	var all sync.WaitGroup
	for i := range pages {
		jar, _ := cookiejar.New(nil)
		tab := &browser{s: b.s, jar: jar, client: &http.Client{Transport: b.s, Jar: jar, CheckRedirect: b.client.CheckRedirect}}
		tab.put(supportCookie, value)
		all.Go(func() { pages[i] = tab.do("GET", "/documents") })
	}
	all.Wait()
	return pages
}

// TestTokensOfSomebodyElse: an answer of the token endpoint with another access
// token is no answer, at the sign-in and at each renewal.
func TestTokensOfSomebodyElse(t *testing.T) {
	for name, change := range map[string]func(*site) string{
		"of another session": func(s *site) string {
			return s.broker.Mint(guardtest.Session{ID: "sid-2", Scopes: []string{"documents.read"}})
		},
		"of another client": func(s *site) string {
			claims := s.broker.Claims(guardtest.Session{ID: "sid-1", Scopes: []string{"documents.read"}})
			claims["client_id"] = "other"
			return s.broker.Sign("at+jwt", claims)
		},
		"an ID token": func(s *site) string {
			return s.broker.Sign("JWT", s.broker.Claims(guardtest.Session{ID: "sid-1", Scopes: []string{"documents.read"}}))
		},
		"bound to a key": func(s *site) string {
			return s.broker.Mint(guardtest.Session{ID: "sid-1", Scopes: []string{"documents.read"}, Thumbprint: "x"})
		},
	} {
		inSiteNamed(t, name, func(s *site) {
			s.broker.GiveRefreshTokens(true)
			b := s.enter()
			before := b.cookie(supportCookie)
			time.Sleep(access)
			swap := func(said map[string]any) { said["access_token"] = change(s) }
			s.swap.Store(&swap)
			if p := b.do("GET", "/documents"); p.status < 400 || b.cookie(supportCookie) != before {
				s.t.Errorf("renewed: %d %s", p.status, p.body)
			}
			other := s.browser()
			s.broker.TamperIDTokens(func(c map[string]any) { delete(c, "at_hash") })
			if p := other.open("/support"); p.status < 400 || other.cookie(supportCookie) != "" {
				s.t.Errorf("signed in: %d %s", p.status, p.body)
			}
		})
	}
}

// TestTabsRenewOnce: a refresh token that each tab used would be a stolen one.
func TestTabsRenewOnce(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		b := s.enter()
		old := b.cookie(supportCookie)
		time.Sleep(access)
		s.broker.ForgetRequests()
		for _, p := range b.tabs(20) {
			p.want(s.t, http.StatusOK, "documents for sid-1")
		}
		if n := s.broker.Requests("/token"); n != 1 {
			s.t.Errorf("the broker was asked %d times", n)
		}
		// A tab that has not seen the new cookie gets the same tokens.
		time.Sleep(29 * time.Second)
		b.do("GET", "/documents").want(s.t, http.StatusOK)
		if n := s.broker.Requests("/token"); n != 1 {
			s.t.Errorf("the broker was asked %d times", n)
		}
		// Long after, it is taken for what it looks like.
		time.Sleep(2 * time.Second)
		thief := s.browser()
		thief.put(supportCookie, old)
		thief.do("GET", "/documents").want(s.t, http.StatusUnauthorized, "Your support session is over")
		synctest.Wait()
		b.do("GET", "/documents").want(s.t, http.StatusUnauthorized, "Your support session is over")
	})
}

// TestWhyIsToldAfterTheTokenToo: whose token has expired since the session ended, of
// which the app knows, is told why as everybody is.
func TestWhyIsToldAfterTheTokenToo(t *testing.T) {
	var last guard.Notice
	page := func(w http.ResponseWriter, _ *http.Request, n guard.Notice) {
		last = n
		w.WriteHeader(n.Status)
	}
	inSite(t, func(l *guard.LoginConfig) { l.Page = page }, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		b := s.enter()
		s.broker.End("sid-1", "revoked")
		synctest.Wait()
		time.Sleep(access)
		b.do("GET", "/documents").want(s.t, http.StatusUnauthorized)
		if last.Refusal == nil || last.Refusal.Ending == nil || last.Refusal.Ending.Cause != "revoked" {
			s.t.Errorf("it is told %+v", last.Refusal)
		}
	})
}

// TestALostReply: the broker repeats itself for a while, so the session lives.
func TestALostReply(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		b := s.enter()
		time.Sleep(access)
		s.lose.Store(1)
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		time.Sleep(access)
		s.lose.Store(2)
		b.do("GET", "/documents").want(s.t, http.StatusServiceUnavailable, "so nothing was done", "Try again")
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
	})
}

// TestABrokerThatDoesNotRenew: nothing is let in on an old token, and nothing is
// lost.
func TestABrokerThatDoesNotRenew(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		b := s.enter()
		b.put("own", "1")
		time.Sleep(access)
		s.broker.Fail("/token", http.StatusServiceUnavailable)
		b.do("GET", "/documents").want(s.t, http.StatusServiceUnavailable, "so nothing was done")
		b.do("POST", "/documents", "Accept", "*/*").want(s.t, http.StatusServiceUnavailable, `"unknown_freshness"`)
		s.broker.Fail("/token", 0)
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		if s.own != 0 {
			s.t.Error("a support request was tried with the app's own login")
		}
	})
}

// TestRenewalByTheBroker: without a refresh token, a page that is opened goes to
// the broker and comes back; nothing else is sent away.
func TestRenewalByTheBroker(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		time.Sleep(access)
		b.do("POST", "/documents").want(s.t, http.StatusUnauthorized, "must be renewed first", "reload this page", `href="/support" target="_blank"`)
		for _, header := range [][]string{
			{"Accept", "application/json", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
			{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
			{"Accept", "image/png", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		} {
			b.do("GET", "/documents", header...).want(s.t, http.StatusUnauthorized)
		}
		b.do("HEAD", "/documents").want(s.t, http.StatusUnauthorized)
		p := b.open("/documents?page=2")
		p.want(s.t, http.StatusOK, "documents for sid-1")
		if p.at.RequestURI() != "/documents?page=2" {
			s.t.Errorf("the agent is at %s", p.at)
		}
		all := s.broker.Authorizations()
		if len(all) != 2 || all[1].Get("prompt") != "none" || all[1].Get("login_hint") != "" {
			s.t.Errorf("the broker was asked %v", all)
		}
		b.do("POST", "/documents").want(s.t, http.StatusOK)
	})
}

// TestRenewalOfAnOlderBrowser, which does not say what it fetches a page for.
func TestRenewalOfAnOlderBrowser(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		time.Sleep(access)
		old := []string{"Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "Sec-Fetch-Site", ""}
		b.do("GET", "/documents", append(old, "Accept", "*/*")...).want(s.t, http.StatusUnauthorized, `"expired"`)
		if p := b.do("GET", "/documents", old...); !strings.Contains(p.to(), "prompt=none") {
			s.t.Errorf("%d, to %q", p.status, p.to())
		}
	})
}

// TestRenewalMeetsAnotherSession: the account never changes under an agent's
// hands.
func TestRenewalMeetsAnotherSession(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		before := b.cookie(supportCookie)
		time.Sleep(access)
		s.broker.Enter(guardtest.Session{ID: "sid-2", Account: "globex", Scopes: []string{"documents.read"}})
		b.open("/documents").want(s.t, http.StatusConflict, "another support session", `href="/support?return_to=%2Fdocuments"`)
		if b.cookie(supportCookie) != before {
			s.t.Error("the browser is in the other session")
		}
		b.open("/support?return_to=/documents").want(s.t, http.StatusOK, "documents for sid-2")
	})
}

// TestRenewalAfterTheEnd: the broker lets nobody on, and nothing goes in a circle.
func TestRenewalAfterTheEnd(t *testing.T) {
	for _, refresh := range []bool{false, true} {
		inSiteNamed(t, map[bool]string{false: "by the broker", true: "by refresh token"}[refresh], func(s *site) {
			s.broker.GiveRefreshTokens(refresh)
			b := s.enter()
			b.put("own", "1")
			time.Sleep(access)
			s.broker.StopFresh() // and guard learns of it from nobody else
			s.broker.End("sid-1", "revoked")
			b.open("/documents").want(s.t, http.StatusUnauthorized, "Your support session is over", "Leave support mode")
			if s.own != 0 {
				s.t.Error("the request was tried with the app's own login")
			}
		})
	}
}

func inSiteNamed(t *testing.T, name string, test func(*site)) {
	t.Run(name, func(t *testing.T) { inSite(t, nil, test) })
}

// TestTheTimeIsOver: a session is not renewed beyond its end, nor is anybody
// asked.
func TestTheTimeIsOver(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		s.broker.Enter(guardtest.Session{ID: "sid-1", EndsIn: 6 * time.Minute, Scopes: []string{"documents.read"}})
		b := s.enter()
		time.Sleep(access)
		b.do("GET", "/documents").want(s.t, http.StatusOK, "less than a minute left")
		time.Sleep(time.Minute)
		s.broker.ForgetRequests()
		b.do("GET", "/documents").want(s.t, http.StatusUnauthorized, "Your support session is over")
		if n := s.broker.Requests("/token"); n != 0 {
			s.t.Errorf("the broker was asked %d times", n)
		}
		// There is nothing to end any more, so nobody is needed for it.
		s.broker.Down()
		b.do("POST", "/support/end").want(s.t, http.StatusOK, "You have left support mode")
	})
}

// TestAnEndedSessionIsNotPassedOver: what was meant for a customer's account is
// never done by the agent's own login, not even in the second tab.
func TestAnEndedSessionIsNotPassedOver(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		b.put("own", "1")
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1") // both, and support it is
		s.broker.End("sid-1", "revoked")
		synctest.Wait()
		for range 3 {
			b.do("POST", "/documents").want(s.t, http.StatusUnauthorized, "Your support session is over")
			b.do("POST", "/documents", "Accept", "application/json").want(s.t, http.StatusUnauthorized, `"session_ended"`)
			b.do("GET", "/private").want(s.t, http.StatusUnauthorized)
		}
		time.Sleep(2 * time.Hour) // and whatever has been forgotten since
		b.do("POST", "/documents").want(s.t, http.StatusUnauthorized)
		if s.own != 0 {
			s.t.Fatalf("%d requests of an ended session were served by the app's own login", s.own)
		}
		b.do("POST", "/support/end").want(s.t, http.StatusOK, "You have left support mode")
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for own")
	})
}

// TestWhoseRequestItIs where it carries more than one login.
func TestWhoseRequestItIs(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		b.put("own", "1")
		header := s.broker.Mint(guardtest.Session{ID: "sid-9", Scopes: []string{"documents.read"}})
		for authorization, want := range map[string]string{
			"":                       "documents for sid-1",
			"Bearer " + header:       "documents for sid-9",
			"Bearer opaque":          "documents for sid-1", // the app's own
			"Bearer a.eyJ9.c":        "documents for sid-1",
			"Basic b3duOnBhc3N3b3Jk": "documents for sid-1",
		} {
			b.do("GET", "/documents", "Authorization", authorization).want(s.t, http.StatusOK, want)
		}
		if s.own != 0 {
			s.t.Errorf("%d requests went to the app's own login", s.own)
		}
	})
}

// TestAnAppThatForgotTheLogin wraps some of its pages with the guard alone: they
// are closed to a browser with a support cookie rather than its own user's.
func TestAnAppThatForgotTheLogin(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		b.put("own", "1")
		bare := s.guard.Wrap(s.guard.Require("documents.read", http.HandlerFunc(s.documents)), s.ownAuth)
		s.app = bare
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		time.Sleep(access)
		b.do("GET", "/documents").want(s.t, http.StatusUnauthorized, `"expired"`)
		b.put(supportCookie, "spoilt")
		b.do("GET", "/documents").want(s.t, http.StatusUnauthorized, `"malformed"`)
		if s.own != 0 {
			s.t.Errorf("%d requests went to the app's own login", s.own)
		}
	})
}

// TestCookiesThatDoNotOpen are refused once, and keep nobody from their own login.
func TestCookiesThatDoNotOpen(t *testing.T) {
	inSite(t, nil, func(s *site) {
		good := s.enter().cookie(supportCookie)
		other := s.browser()
		other.do("GET", "/support")
		trip := s.cookies(other)[0]
		for name, value := range map[string]string{
			"cut": good[:len(good)-10], "cut to little": good[:20], "changed": good[:40] + "A" + good[41:], "lengthened": good + "AAAA",
			"empty": "", "not sealed": "eyJhbGciOiJub25lIn0", "a trip's": trip.Value,
		} {
			b := s.browser()
			b.put("own", "1")
			b.put(supportCookie, value)
			s.own = 0
			b.do("GET", "/documents").want(s.t, http.StatusUnauthorized, "cannot be used")
			if s.own != 0 {
				s.t.Errorf("%s: the same request went to the app's own login", name)
			}
			b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for own")
		}
		// Nor does a support cookie begin a trip.
		b := s.browser()
		b.put(trip.Name, good)
		b.do("GET", "/support/callback?code=x&iss="+url.QueryEscape(s.broker.URL)+"&state="+strings.TrimSuffix(strings.TrimPrefix(trip.Name, "__Host-valetkey-trip-"), cookieTag)).want(s.t, http.StatusBadRequest)
	})
}

// TestInstancesAndKeys: each instance opens what another has sealed, and a key
// can be changed under running sessions.
func TestInstancesAndKeys(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		config := guard.LoginConfig{RedirectURI: siteURL + "/support/callback", Scopes: []string{"documents.read"}}
		for name, c := range map[string]struct {
			keys [][]byte
			want int
		}{
			"the same key":           {[][]byte{cookieKey}, 200},
			"a newer one before it":  {[][]byte{[]byte(strings.Repeat("n", 32)), cookieKey}, 200},
			"the newer one alone":    {[][]byte{[]byte(strings.Repeat("n", 32))}, 401},
			"the key cut to its end": {[][]byte{append([]byte("xxxx"), cookieKey...)}, 401},
		} {
			config.Keys = c.keys
			second, err := guard.New(s.t.Context(), s.broker.Config())
			if err != nil {
				s.t.Fatal(err)
			}
			login, err := guard.NewLogin(second, config)
			if err != nil {
				s.t.Fatal(err)
			}
			s.app = login.Wrap(second.Require("documents.read", http.HandlerFunc(s.documents)), s.ownAuth)
			synctest.Wait()
			value := b.cookie(supportCookie)
			if p := b.do("GET", "/documents"); p.status != c.want {
				s.t.Errorf("%s: %d, want %d", name, p.status, c.want)
			}
			b.put(supportCookie, value)
			_ = second.Close()
		}
	})
}

// TestTokensThatFitInNoCookie: the agent is told, and is not half signed in.
func TestTokensThatFitInNoCookie(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.Enter(guardtest.Session{ID: "sid-1", Ticket: strings.Repeat("T", 3000), Scopes: []string{"documents.read"}})
		b := s.browser()
		b.open("/support").want(s.t, http.StatusInternalServerError, "too large for a cookie")
		if b.cookie(supportCookie) != "" {
			s.t.Error("the browser has a support cookie")
		}
	})
}
