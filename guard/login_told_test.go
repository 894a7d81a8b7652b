package guard_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// TestTheLogSaysWhatToSetRight: of two mistakes in a configuration the page can
// tell the agent nothing of use, so the log tells the engineer.
func TestTheLogSaysWhatToSetRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &logs{}
		s := newSite(t, nil, func(_ *guardtest.Broker, c *guard.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })

		// The support page was opened at another name of the app, which has other cookies.
		elsewhere := s.browser().callback("/support")
		s.browser().do("GET", elsewhere).want(t, http.StatusBadRequest)
		if said := log.String(); !strings.Contains(said, "host=docs.example") || !strings.Contains(said, "redirect_uri="+siteURL+"/support/callback") {
			t.Errorf("another host: the log has %q", said)
		}

		s.broker.Enter(guardtest.Session{ID: "sid-2", Audience: "https://other.example/api"})
		s.browser().open("/support").want(t, http.StatusBadRequest)
		if said := log.String(); !strings.Contains(said, "Config.Audience") || !strings.Contains(said, guardtest.Audience) {
			t.Errorf("another audience: the log has %q", said)
		}
	})
}
