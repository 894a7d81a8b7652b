package guard_test

import (
	"crypto"
	"crypto/elliptic"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// hung is a key in a service that has stopped answering.
type hung struct {
	crypto.Signer
	stop chan struct{} // nil: it answers
}

func (h *hung) Sign(random io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	if h.stop != nil {
		<-h.stop
	}
	return h.Signer.Sign(random, digest, options)
}

// TestAKeyThatDoesNotSign keeps no request, no sign-in and not the end of the app:
// a crypto.Signer knows no context, and what is behind it may have no limit.
func TestAKeyThatDoesNotSign(t *testing.T) {
	t.Parallel()
	key := &hung{Signer: newKey(t, elliptic.P256())}
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(l *guard.LoginConfig) { l.PAR = true }, demanding(key))
		s.broker.GiveRefreshTokens(true)
		b := s.enter()
		to := b.callback("/support")
		key.stop = make(chan struct{})
		began := time.Now()
		s.broker.ForgetAPITokens() // so that an action needs a signature, too
		s.broker.Down()
		synctest.Wait()
		s.broker.Up()
		b.do("GET", "/documents").want(t, http.StatusServiceUnavailable)
		b.do("GET", to).want(t, http.StatusServiceUnavailable)
		b.do("GET", "/support").want(t, http.StatusServiceUnavailable)
		b.do("POST", "/support/end").want(t, http.StatusServiceUnavailable)
		time.Sleep(access)
		for range 100 {
			go s.app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/support", nil))
		}
		b.do("GET", "/documents").want(t, http.StatusServiceUnavailable)
		_ = s.guard.Close()
		if took := time.Since(began) - access; took > 2*time.Minute {
			t.Errorf("it took %s", took)
		}
		close(key.stop)
	})
}

// TestATokenBehindATab goes to nobody but guard: support never falls back to the
// app's own login by the way that a header is written.
func TestATokenBehindATab(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}})
		for _, header := range []string{"Bearer\t" + token, "Bearer \t " + token, "bearer\t" + token + "\t", "DPoP\t" + token} {
			before := w.own.Load()
			r, err := http.NewRequestWithContext(w.Context(), http.MethodGet, document, nil)
			if err != nil {
				w.Fatal(err)
			}
			r.Header.Set("Authorization", header)
			if answer := w.serve(r); w.own.Load() != before {
				w.Errorf("%.10q: the own login was asked, and answered %d", header, answer.ResponseRecorder.Code)
			}
		}
	})
}
