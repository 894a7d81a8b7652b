package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/api"
	"github.com/valetkey/valetkey/provider"
)

// TestATokenThatIsBoundToAKey comes by the scheme DPoP, and who does not show the
// key is told what to send.
func TestATokenThatIsBoundToAKey(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.api.Authenticate = func(r *http.Request, token string, dpop bool) (api.Caller, error) {
		switch {
		case token == "undecided":
			return api.Caller{}, errors.Join(api.ErrUndecided, errors.New("MARKER: no database"))
		case token != "bound":
			return w.authenticate(r, token, dpop)
		case dpop && r.Header.Get("DPoP") == "proof" && r.Method == http.MethodGet:
			return w.callers["settings"], nil
		}
		return api.Caller{}, &provider.HolderError{Text: "the access token is bound to a key", Challenge: `DPoP error="use_dpop_nonce"`, Nonce: "n-1"}
	}
	w.want(w.call("", "GET", creds, nil, "Authorization", "DPoP bound", "DPoP", "proof"), 404)
	w.want(w.call("", "GET", creds, nil, "Authorization", "dpop bound", "DPoP", "proof"), 404)
	for name, header := range map[string][]string{
		"as bearer token": {"Authorization", "Bearer bound", "DPoP", "proof"},
		"without a proof": {"Authorization", "DPoP bound"},
	} {
		r := w.want(w.call("", "GET", creds, nil, header...), 401)
		if r.Header().Get("WWW-Authenticate") != `DPoP error="use_dpop_nonce"` || r.Header().Get("DPoP-Nonce") != "n-1" || !strings.Contains(r.Body.String(), "bound to a key") {
			t.Errorf("%s: %v %s", name, r.Header(), r.Body)
		}
	}
	r := w.want(w.call("", "GET", creds, nil, "Authorization", "Bearer undecided"), 503)
	if strings.Contains(r.Body.String(), "MARKER") {
		t.Errorf("%s", r.Body)
	}
	for _, scheme := range []string{"DPoPbound", "DPoP", "DPoP a b", "DPoPx bound"} {
		w.want(w.call("", "GET", creds, nil, "Authorization", scheme), 401)
	}
}
