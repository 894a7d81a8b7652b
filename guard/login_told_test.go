package guard_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
	"github.com/valetkey/valetkey/internal/testkit"
)

// TestTheLogSaysWhatToSetRight: of two mistakes in a configuration the page can
// tell the agent nothing of use, so the log tells the engineer.
func TestTheLogSaysWhatToSetRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &testkit.Log{}
		s := newSite(t, nil, func(_ *guardtest.Broker, c *guard.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })

		// The support page was opened at another name of the app, which has other cookies.
		elsewhere := s.browser().callback("/support")
		s.browser().do("GET", elsewhere).want(t, http.StatusBadRequest)
		if said := log.String(); !strings.Contains(said, "at the host of RedirectURI") || !strings.Contains(said, "redirect_uri="+siteURL+"/support/callback") {
			t.Errorf("another host: the log has %q", said)
		}

		s.broker.Enter(guardtest.Session{ID: "sid-2", Audience: "https://other.example/api"})
		s.browser().open("/support").want(t, http.StatusBadRequest)
		if said := log.String(); !strings.Contains(said, "Config.Audience") || !strings.Contains(said, guardtest.Audience) {
			t.Errorf("another audience: the log has %q", said)
		}
	})
}

// advertises adds to what discovery says.
type advertises struct {
	http.RoundTripper
	scopes []string
}

func (a advertises) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Path != "/.well-known/openid-configuration" {
		return answer, err
	}
	var said map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return nil, err
	}
	said["scopes_supported"] = a.scopes
	body, err := json.Marshal(said)
	_ = answer.Body.Close()
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, err
}

// TestAScopeThatTheBrokerHasNot is a mistake that looks to agents as if the
// customer had lent too little.
func TestAScopeThatTheBrokerHasNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ has, want []string }{
		"it has all":      {[]string{"openid", "documents.read", "documents.write"}, nil},
		"one is mistyped": {[]string{"openid", "document.read", "documents.write"}, []string{"documents.read"}},
		"it does not say": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, log := newSite(t, nil), &testkit.Log{}
				config := s.config
				config.HTTPClient = &http.Client{Transport: advertises{wire{s}, c.has}}
				config.Logger = slog.New(slog.NewTextHandler(log, nil))
				g, err := guard.New(t.Context(), config)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = g.Close() })
				l, err := guard.NewLogin(g, guard.LoginConfig{RedirectURI: siteURL + "/support/callback", Keys: [][]byte{cookieKey},
					Scopes: []string{"documents.read", "documents.write", "offline_access"}})
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // it is said once
					w := httptest.NewRecorder()
					l.Wrap(http.NewServeMux(), s.ownAuth).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/support", nil))
					if w.Code != http.StatusSeeOther {
						t.Fatalf("%d %s", w.Code, w.Body)
					}
				}
				if n := strings.Count(log.String(), "to nobody"); n != len(c.want) || n > 0 && !strings.Contains(log.String(), "scope="+c.want[0]) {
					t.Errorf("the log has %q, want %v", log, c.want)
				}
			})
		})
	}
}
