package guard_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

func newKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// demanding is a broker that wants all of it from the app's client.
func demanding(key crypto.Signer) func(*guardtest.Broker, *guard.Config) {
	return func(b *guardtest.Broker, own *guard.Config) {
		b.ClientKey(key.Public())
		b.RequirePAR(true)
		own.ClientSecret, own.Key, own.KeyID = "", key, "app-1"
	}
}

// inBank runs a test of an app whose broker demands a key, pushed requests and bound
// tokens of the login's client; the guard's is another.
func inBank(t *testing.T, change func(*guard.LoginConfig), test func(*site)) {
	t.Helper()
	t.Parallel()
	key := newKey(t, elliptic.P256())
	demands := func(b *guardtest.Broker, own *guard.Config) {
		demanding(key)(b, own)
		b.RequireDPoP(true)
		*own = b.APIConfig()
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(l *guard.LoginConfig) {
			l.ClientID, l.Key, l.KeyID, l.PAR, l.DPoP = guardtest.ClientID, key, "app-1", true, true
			if change != nil {
				change(l)
			}
		}, demands)
		s.key = key
		test(s)
	})
}

// TestAnAgentSignsInWhereTheBrokerDemandsIt: the client proves itself by a key, the
// browser carries nothing of the request, the tokens are bound, and are renewed and
// given back so.
func TestAnAgentSignsInWhereTheBrokerDemandsIt(t *testing.T) {
	inBank(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		s.broker.ChangeNonce()
		b := s.browser()
		to, err := url.Parse(b.do("GET", "/support?login_hint=4821").to())
		if err != nil || len(to.Query()) != 2 || to.Query().Get("client_id") != guardtest.ClientID || !to.Query().Has("request_uri") {
			s.t.Errorf("the browser is sent to %s", to)
		}
		b = s.enter()
		asked := s.broker.Authorizations()[0]
		if asked.Get("scope") == "" || asked.Get("code_challenge_method") != "S256" || asked.Get("state") == "" || len(asked.Get("dpop_jkt")) != 43 {
			s.t.Errorf("the broker is asked for %v", asked)
		}
		before := b.cookie(supportCookie)
		s.broker.ChangeNonce()
		time.Sleep(6 * time.Minute)
		b.open("/documents").want(s.t, http.StatusOK, "documents for sid-1")
		if b.cookie(supportCookie) == before {
			s.t.Error("the token was not renewed")
		}
		b.do("POST", "/support/end").want(s.t, http.StatusOK, "You have left support mode")
		synctest.Wait()
		if done := s.broker.Actions(); len(done) != 2 {
			s.t.Errorf("the record has %+v", done)
		}
	})
}

// TestABoundTokenIsOfTheLoginAlone: in anybody else's hand it is nothing.
func TestABoundTokenIsOfTheLoginAlone(t *testing.T) {
	inBank(t, nil, func(s *site) {
		s.enter()
		jkt := s.broker.Authorizations()[0].Get("dpop_jkt")
		token := s.broker.Mint(guardtest.Session{ID: "sid-1", Scopes: []string{"documents.read"}, Thumbprint: jkt})
		for _, scheme := range []string{"Bearer", "DPoP"} {
			r := httptest.NewRequest(http.MethodGet, "/documents", nil)
			r.Header.Set("Authorization", scheme+" "+token)
			w := httptest.NewRecorder()
			if s.app.ServeHTTP(w, r); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "dpop_required") {
				s.t.Errorf("as %s: %d %s", scheme, w.Code, w.Body)
			}
		}
	})
}

// TestALoginTakesNoTokenThatIsNotBound where its tokens are to be, nor one that is
// bound to another's key, nor a bound one where they are not.
func TestALoginTakesNoTokenThatIsNotBound(t *testing.T) {
	for name, c := range map[string]struct {
		bind bool
		to   string // the thumbprint; ours: the login's own
		typ  string
		ok   bool
	}{
		"its own":                     {true, "ours", "DPoP", true},
		"its own called bearer":       {true, "ours", "Bearer", false},
		"not bound":                   {true, "", "DPoP", false},
		"another's":                   {true, strings.Repeat("A", 43), "DPoP", false},
		"bound where none are":        {false, strings.Repeat("A", 43), "Bearer", false},
		"bound and said, where none":  {false, strings.Repeat("A", 43), "DPoP", false},
		"not bound, where none ought": {false, "", "Bearer", true},
	} {
		t.Run(name, func(t *testing.T) {
			inSite(t, func(l *guard.LoginConfig) { l.DPoP = c.bind }, func(s *site) {
				swap := func(said map[string]any) {
					session := guardtest.Session{ID: "sid-1", Scopes: []string{"documents.read"}, Thumbprint: c.to}
					if c.to == "ours" {
						session.Thumbprint = s.broker.Authorizations()[0].Get("dpop_jkt")
					}
					said["access_token"], said["token_type"] = s.broker.Mint(session), c.typ
				}
				s.broker.TamperIDTokens(func(claims map[string]any) { delete(claims, "at_hash") })
				s.swap.Store(&swap)
				b := s.browser()
				p := b.open("/support?return_to=/documents")
				if (p.status == http.StatusOK) != c.ok || (b.cookie(supportCookie) != "") != c.ok {
					s.t.Errorf("%d %s", p.status, p.body)
				}
			})
		})
	}
}

// TestWhatIsDemandedMustBeDone: without it nobody is let in, and nothing breaks.
func TestWhatIsDemandedMustBeDone(t *testing.T) {
	for name, change := range map[string]func(*guard.LoginConfig){
		"without pushing":   func(l *guard.LoginConfig) { l.PAR = false },
		"without a binding": func(l *guard.LoginConfig) { l.DPoP = false },
		"by another key":    func(l *guard.LoginConfig) { l.Key = newKey(t, elliptic.P256()) },
		"by a secret":       func(l *guard.LoginConfig) { l.Key, l.KeyID, l.ClientSecret = nil, "", guardtest.ClientSecret },
	} {
		t.Run(name, func(t *testing.T) {
			inBank(t, change, func(s *site) {
				b := s.browser()
				if p := b.open("/support"); p.status < 400 || b.cookie(supportCookie) != "" {
					s.t.Errorf("%d %s", p.status, p.body)
				}
			})
		})
	}
}

// TestSessionsGoOnWhenKeysChange: what was bound to a key before stays so, while
// the app has it.
func TestSessionsGoOnWhenKeysChange(t *testing.T) {
	inBank(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		b := s.enter()
		_ = s.guard.Close() // the app starts again
		var err error
		if s.guard, err = guard.New(s.t.Context(), s.config); err != nil {
			s.t.Fatal(err)
		}
		synctest.Wait()
		if s.login, err = guard.NewLogin(s.guard, guard.LoginConfig{RedirectURI: siteURL + "/support/callback", Scopes: []string{"documents.read"},
			Keys: [][]byte{bytes.Repeat([]byte{8}, 32), cookieKey}, PAR: true, DPoP: true,
			ClientID: guardtest.ClientID, Key: s.key}); err != nil {
			s.t.Fatal(err)
		}
		s.app = s.login.Wrap(s.guard.Require("documents.read", http.HandlerFunc(s.documents)), s.ownAuth)
		var renewed []string
		see := func(said map[string]any) {
			if said["refresh_token"] == nil { // a token for the API
				return
			}
			token, _ := said["access_token"].(string)
			payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token+"..", ".")[1])
			renewed = append(renewed, string(payload))
		}
		s.swap.Store(&see)
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		for range 2 {
			time.Sleep(6 * time.Minute)
			b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
			if n := len(renewed); n == 0 || !strings.Contains(renewed[n-1], s.broker.Authorizations()[0].Get("dpop_jkt")) {
				s.t.Errorf("what was renewed is bound to another key: %q", renewed)
			}
		}
		other := s.browser()
		other.open("/support?return_to=/documents").want(s.t, http.StatusOK, "documents for sid-1")
		asked := s.broker.Authorizations()
		if first, last := asked[0].Get("dpop_jkt"), asked[len(asked)-1].Get("dpop_jkt"); first == last {
			s.t.Error("a new session is bound to the key of before")
		}
	})
}

// TestKeysOfClients: what can prove a client, and what cannot.
func TestKeysOfClients(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"P-256": newKey(t, elliptic.P256()), "Ed25519": ed, "RSA": rs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(l *guard.LoginConfig) { l.PAR = true }, demanding(key))
				s.enter()
			})
		})
	}
	b := guardtest.New(t)
	for name, change := range map[string]func(*guard.Config){
		"a curve that nobody takes": func(c *guard.Config) { c.ClientSecret, c.Key = "", newKey(t, elliptic.P384()) },
		"a secret besides":          func(c *guard.Config) { c.Key = newKey(t, elliptic.P256()) },
		"an id of no key":           func(c *guard.Config) { c.KeyID = "x" },
		"neither":                   func(c *guard.Config) { c.ClientSecret = "" },
		"a key that is nil":         func(c *guard.Config) { c.ClientSecret, c.Key = "", (*ecdsa.PrivateKey)(nil) },
		"an empty key":              func(c *guard.Config) { c.ClientSecret, c.Key = "", &ecdsa.PrivateKey{} },
		"an empty Ed25519 key":      func(c *guard.Config) { c.ClientSecret, c.Key = "", ed25519.PrivateKey(nil) },
		"an RSA key that is nil":    func(c *guard.Config) { c.ClientSecret, c.Key = "", (*rsa.PrivateKey)(nil) },
	} {
		config := b.Config()
		change(&config)
		if g, err := guard.New(t.Context(), config); err == nil {
			_ = g.Close()
			t.Errorf("%s is taken", name)
		}
	}
}
