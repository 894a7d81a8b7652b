package guard_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// neighbour is one of several apps of a host, each of them with a login.
type neighbour struct {
	login *guard.Login
	at    string // its address, with a path before which all of its own stand
	path  string
}

// serveNeighbour adds an app to a server.
func serveNeighbour(t *testing.T, broker *guardtest.Broker, server *httptest.Server, path string, key byte) neighbour {
	t.Helper()
	g, err := guard.New(t.Context(), broker.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	login, err := guard.NewLogin(g, guard.LoginConfig{
		RedirectURI: server.URL + path + "/support/callback", StartPath: path + "/support", EndPath: path + "/support/end", Home: path + "/",
		Keys: [][]byte{[]byte(strings.Repeat(string(key), 32))}, Scopes: []string{"documents.read"},
	})
	if err != nil {
		t.Fatal(err)
	}
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := guard.SessionFrom(r.Context())
		_, _ = w.Write([]byte("documents for " + s.ID))
	})
	server.Config.Handler.(*http.ServeMux).Handle(path+"/", login.Wrap(g.Require("documents.read", show), nil))
	return neighbour{login, server.URL + path, path}
}

// TestTwoAppsOfOneHost: cookies know no port, and a path is no border. What one
// app keeps in a browser the other neither takes for its own nor takes away.
func TestTwoAppsOfOneHost(t *testing.T) {
	t.Parallel()
	for name, ports := range map[string]int{"on two ports": 2, "below two paths": 1} {
		for other, key := range map[string]byte{"with a key each": 'b', "with one key": 'a'} {
			t.Run(name+" "+other, func(t *testing.T) {
				t.Parallel()
				broker := guardtest.New(t)
				servers := make([]*httptest.Server, ports)
				for i := range servers {
					servers[i] = httptest.NewServer(http.NewServeMux())
					t.Cleanup(servers[i].Close)
				}
				one := serveNeighbour(t, broker, servers[0], "/one", 'a')
				two := serveNeighbour(t, broker, servers[ports-1], "/two", key)
				testNeighbours(t, broker, one, two)
			})
		}
	}
}

func testNeighbours(t *testing.T, broker *guardtest.Broker, one, two neighbour) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	open := func(method, address, want string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), want) {
			t.Errorf("%s does not say %q: %d %s", address, want, answer.StatusCode, string(body))
		}
	}
	enter := func(n neighbour, sid string) {
		t.Helper()
		broker.Enter(guardtest.Session{ID: sid, Scopes: []string{"documents.read"}})
		open("GET", n.at+"/support?return_to="+n.path+"/documents", "documents for "+sid)
	}
	enter(one, "sid-1")
	enter(two, "sid-2")
	for range 2 {
		open("GET", one.at+"/documents", "documents for sid-1")
		open("GET", two.at+"/documents", "documents for sid-2")
	}
	open("POST", one.at+"/support/end", "You have left support mode")
	open("GET", one.at+"/documents", "no_token")
	open("GET", two.at+"/documents", "documents for sid-2")
	// Nor does a sign-in that is begun at one make room of one at the other.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	step := func(address string) string {
		t.Helper()
		answer, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.Header.Get("Location")
	}
	begun := step(step(two.at + "/support"))
	for range 5 {
		step(one.at + "/support")
	}
	if back := step(begun); back != two.path+"/" {
		t.Errorf("the sign-in that was begun first leads to %q", back)
	}
}

const formerCookie = "__Host-valetkey-support"

// TestACookieOfBeforeNamesHadATag is not passed over: who was in support mode when
// the app was updated stays so, under the new name from the next renewal on.
func TestACookieOfBeforeNamesHadATag(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		former := s.login.Formerly(s.enter().cookie(supportCookie), "")
		b := s.browser()
		b.put("own", "1")
		b.put(formerCookie, former)
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		time.Sleep(access)
		b.do("POST", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		if b.cookie(formerCookie) != "" || b.cookie(supportCookie) == "" {
			s.t.Errorf("the browser has %v", s.cookies(b))
		}
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		// One whose session has ended is refused as every other, until it is left.
		b = s.browser()
		b.put("own", "1")
		b.put(formerCookie, former)
		s.broker.End("sid-1", "revoked")
		synctest.Wait()
		b.do("POST", "/documents").want(s.t, http.StatusUnauthorized, "Your support session is over")
		if s.own != 0 {
			s.t.Errorf("%d requests were served by the app's own login", s.own)
		}
		b.do("POST", "/support/end").want(s.t, http.StatusOK, "You have left support mode")
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for own")
	})
}

// TestACookieOfBeforeThatIsAnothers: neither taken for one's own nor taken away.
func TestACookieOfBeforeThatIsAnothers(t *testing.T) {
	inSite(t, nil, func(s *site) {
		good := s.enter().cookie(supportCookie)
		claims := s.broker.Claims(guardtest.Session{ID: "sid-1", Scopes: []string{"documents.read"}})
		claims["client_id"] = "other"
		for name, value := range map[string]string{
			"of another client": s.login.Formerly(good, s.broker.Sign("at+jwt", claims)), "of another key": good, "spoilt": "AAAA",
		} {
			b := s.browser()
			b.put("own", "1")
			b.put(formerCookie, value)
			b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for own")
			b.do("POST", "/support/end").want(s.t, http.StatusOK, "no support session")
			b.open("/support?return_to=/documents").want(s.t, http.StatusOK, "documents for sid-1")
			if b.cookie(formerCookie) != value {
				s.t.Errorf("%s: it was taken away", name)
			}
			s.broker.Enter(guardtest.Session{ID: "sid-1", Scopes: []string{"documents.read"}})
		}
	})
}
