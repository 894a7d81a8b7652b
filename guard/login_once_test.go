package guard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/guard"
)

// TestOneGuardHasOneLogin: a second one would take the first one's place unseen.
func TestOneGuardHasOneLogin(t *testing.T) {
	inSite(t, nil, func(s *site) {
		_, err := guard.NewLogin(s.guard, guard.LoginConfig{
			RedirectURI: "https://other.example/callback", Keys: [][]byte{[]byte(strings.Repeat("o", 32))}, Scopes: []string{"documents.read"},
		})
		if err == nil || !strings.Contains(err.Error(), "one guard has one login") {
			s.t.Errorf("a second login: %v", err)
		}
		s.enter().do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
	})
}
