package provider_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// everywhere asks each endpoint about a token that each has accepted before.
func (w *world) everywhere(name, token string, good bool) {
	w.Helper()
	for range 2 { // a token that was refused is refused again
		if got := w.introspect("docs-api", token); strings.Contains(got, `"active":true`) != good {
			w.Errorf("%s: introspection says %s", name, got)
		}
		if got := w.userinfo(token); (got.Code == http.StatusOK) != good {
			w.Errorf("%s: userinfo is answered with %d", name, got.Code)
		}
	}
}

// TestATokenThatIsRememberedIsJudgedEachTime: that a signature was verified before
// says nothing of time, of the session, of the keys, or of another token that is
// nearly the same.
func TestATokenThatIsRememberedIsJudgedEachTime(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, credentials.Session){
		"its time is over": func(w *world, _ credentials.Session) { w.pass(5 * time.Minute) },
		"its session ended": func(w *world, s credentials.Session) {
			must(w, w.store.Revoke(t.Context(), "acme", s.Credential, credentials.Mark{Who: "owner"}))
		},
		"its key is gone":     func(w *world, _ credentials.Session) { must(w, w.p.Ring.Replace(otherKeys(t))) },
		"its client is gone":  func(w *world, _ credentials.Session) { delete(w.p.Clients, "docs") },
		"its time is to come": func(w *world, _ credentials.Session) { w.pass(-time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.open("login")
			token := w.tokens("docs", s, "scope", "openid documents.read").text("access_token")
			w.everywhere("it is good", token, true)
			for i := range token {
				if i%97 == 0 || i == len(token)-1 {
					other := []byte(token)
					if other[i] ^= 1; other[i] == '.' || token[i] == '.' {
						continue
					}
					w.everywhere("another letter", string(other), false)
				}
			}
			w.everywhere("it is good", token, true)
			end(w, s)
			w.everywhere(name, token, false)
		})
	}
}

// TestAnAPITokenThatIsRememberedIsJudgedEachTime: also what it may do.
func TestAnAPITokenThatIsRememberedIsJudgedEachTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.post("/token", "settings", form("grant_type", "client_credentials")).text("access_token")
	for range 2 {
		if _, scope, _, ok := w.p.OpenAPI(token); !ok || len(scope) != 2 {
			t.Fatalf("%v, with %q", ok, scope)
		}
	}
	w.p.Clients["settings"].API = []string{"credentials.read"}
	if _, scope, _, ok := w.p.OpenAPI(token); !ok || len(scope) != 1 {
		t.Errorf("%v, with %q", ok, scope)
	}
	w.pass(5 * time.Minute)
	if _, _, _, ok := w.p.OpenAPI(token); ok {
		t.Error("it has expired and is good")
	}
}
