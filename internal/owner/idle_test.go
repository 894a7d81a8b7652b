package owner

import (
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/templates"
)

// TestLookingKeepsSignedIn: whoever opens the page from time to time is not
// signed out for idleness.
func TestLookingKeepsSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	b := w.signIn("olivia")
	for range 4 {
		w.clock.Add(14 * time.Minute)
		if b.Get(templates.OwnerPath); !b.Shows(templates.OwnerPath + "/sign-out") {
			t.Fatalf("signed out while looking: %s", b.Page.Text())
		}
	}
}
