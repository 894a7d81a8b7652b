package guard_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard/guardtest"
)

// TestTokensThatLiveShort are renewed each time: a refresh token that is not replaced
// (as those of clients with keys) comes again within the time for which an answer is
// kept.
func TestTokensThatLiveShort(t *testing.T) {
	inSite(t, nil, func(s *site) {
		s.broker.GiveRefreshTokens(true)
		s.broker.Enter(guardtest.Session{ID: "sid-1", Life: 8 * time.Second, Scopes: []string{"documents.read"}})
		b := s.enter()
		same := func(said map[string]any) {
			if said["id_token"] == nil {
				delete(said, "refresh_token")
			}
		}
		s.swap.Store(&same)
		for range 3 {
			time.Sleep(9 * time.Second)
			b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		}
	})
}

// TestTheLastSecondsOfAToken that only a page load can replace are good: what is sent
// then is not refused, and no page goes in a circle.
func TestTheLastSecondsOfAToken(t *testing.T) {
	inSite(t, nil, func(s *site) {
		b := s.enter()
		time.Sleep(5*time.Minute - time.Second)
		b.do("POST", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		b.do("GET", "/documents").want(s.t, http.StatusOK, "documents for sid-1")
		time.Sleep(time.Second)
		b.do("POST", "/documents").want(s.t, http.StatusUnauthorized, "must be renewed first")
		s.broker.Enter(guardtest.Session{ID: "sid-1", Life: 2 * time.Second, Scopes: []string{"documents.read"}})
		b.open("/documents").want(s.t, http.StatusOK, "documents for sid-1")
	})
}
