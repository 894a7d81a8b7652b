package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Refusal is why a request was refused: what its caller is told. Codes are
// no_token, malformed, wrong_type, wrong_issuer, wrong_audience, bad_signature,
// expired, not_yet, session_ended, dpop_required and dpop_invalid (401);
// insufficient_scope, wrong_account, undeclared_route, record_refused and
// cross_origin (403);
// unknown_freshness and record_failed (503).
type Refusal struct {
	Status      int    // 401, 403 or 503
	Code        string // for machines
	Description string // for people
	Scope       string // the scope that was missing, with insufficient_scope

	// Ending is how and when the session ended, with session_ended, where that is
	// known. It is for the app's own pages: who calls an API is not told.
	Ending *Ending
}

// Refusals that callers of [Guard.Live] and causes of ended contexts are compared
// with, by errors.Is.
var (
	// ErrEnded: the session has ended.
	ErrEnded = &Refusal{http.StatusUnauthorized, "session_ended", "the support session has ended", "", nil}
	// ErrUnknown: whether the session lives cannot be known now.
	ErrUnknown = &Refusal{http.StatusServiceUnavailable, "unknown_freshness", "whether the support session lives cannot be known at this moment", "", nil}
)

var (
	errNoToken     = &Refusal{http.StatusUnauthorized, "no_token", "a support session is needed here", "", nil}
	errMalformed   = &Refusal{http.StatusUnauthorized, "malformed", "the token is malformed", "", nil}
	errType        = &Refusal{http.StatusUnauthorized, "wrong_type", "the token is no access token", "", nil}
	errIssuer      = &Refusal{http.StatusUnauthorized, "wrong_issuer", "the token is of another issuer", "", nil}
	errAudience    = &Refusal{http.StatusUnauthorized, "wrong_audience", "the token is for another app", "", nil}
	errSignature   = &Refusal{http.StatusUnauthorized, "bad_signature", "the token's signature is not the issuer's", "", nil}
	errExpired     = &Refusal{http.StatusUnauthorized, "expired", "the token has expired", "", nil}
	errNotYet      = &Refusal{http.StatusUnauthorized, "not_yet", "the token is not valid yet", "", nil}
	errDPoPMissing = &Refusal{http.StatusUnauthorized, "dpop_required", "the token is bound to a key: send it with the DPoP scheme and a proof", "", nil}
	errDPoP        = &Refusal{http.StatusUnauthorized, "dpop_invalid", "the DPoP proof does not prove this request", "", nil}
	errAccount     = &Refusal{http.StatusForbidden, "wrong_account", "the support session is for another account", "", nil}
	errUndeclared  = &Refusal{http.StatusForbidden, "undeclared_route", "this is closed to support sessions", "", nil}
	errNoRecord    = &Refusal{http.StatusServiceUnavailable, "record_failed", "the action could not be recorded, so it was not done", "", nil}
	errRefusedThen = &Refusal{http.StatusForbidden, "record_refused", "the record does not allow this action", "", nil}
)

func errScope(scope string) *Refusal {
	return &Refusal{http.StatusForbidden, "insufficient_scope", fmt.Sprintf("the support session was not lent %s", scope), scope, nil}
}

// Error is what people are told.
func (f *Refusal) Error() string { return f.Description }

// Is makes refusals of the same code equal.
func (f *Refusal) Is(other error) bool {
	var o *Refusal
	return errors.As(other, &o) && o.Code == f.Code
}

// oauth is the error code of RFC 6750 section 3.1, which knows less.
func (f *Refusal) oauth() string {
	switch {
	case f.Status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case f.Status == http.StatusForbidden:
		return "insufficient_scope"
	case f.Code == "dpop_invalid":
		return "invalid_dpop_proof"
	}
	return "invalid_token"
}

// challenge is the WWW-Authenticate header (RFC 6750 section 3, RFC 9449 section
// 7.1). A request without a token is told no error.
func (f *Refusal) challenge() string {
	scheme, rest := "Bearer", ""
	if strings.HasPrefix(f.Code, "dpop") {
		scheme, rest = "DPoP", `, algs="`+strings.Join(proofAlgorithms(), " ")+`"`
	}
	if f.Code == errNoToken.Code {
		return scheme + ` realm="valetkey"`
	}
	if f.Scope != "" {
		rest += ", scope=" + strconv.Quote(f.Scope)
	}
	return fmt.Sprintf("%s realm=%q, error=%q, error_description=%q%s", scheme, "valetkey", f.oauth(), f.Description, rest)
}

// ServeHTTP answers as RFC 6750 section 3 says, with the code in a JSON body.
func (f *Refusal) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	if f.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "2")
	} else {
		h.Set("WWW-Authenticate", f.challenge())
	}
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(struct {
		Error       string `json:"error"`
		Code        string `json:"code"`
		Description string `json:"error_description"`
	}{f.oauth(), f.Code, f.Description}) // nobody to tell, if not there
}

// refuse answers a request that is refused, through Config.Refuse.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		g.log.ErrorContext(r.Context(), "guard: an error that is no refusal", "error", err)
		refusal = ErrUnknown
	}
	g.log.DebugContext(r.Context(), "guard: refused", "code", refusal.Code, "path", r.URL.Path)
	g.cfg.Refuse(w, r, refusal)
}
