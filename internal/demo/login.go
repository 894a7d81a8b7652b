package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// flow is what the app remembers of an agent whom it has sent to the broker.
type flow struct{ state, nonce, verifier string }

const (
	flowLife    = 10 * time.Minute
	sessionLife = 24 * time.Hour // a bound for memory; the broker ends sessions long before
)

// begin sends an agent to the broker: code flow with PKCE, state and nonce.
func (d *Docs) begin(w http.ResponseWriter, r *http.Request) {
	e, err := d.Broker.endpoints(r.Context())
	if err != nil {
		d.unreachable(w, r, err)
		return
	}
	f := flow{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	setCookie(w, flowCookie, d.flows.put(f, flowLife), int(flowLife.Seconds()))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, e.signIn.AuthCodeURL(f.state, oidc.Nonce(f.nonce), oauth2.S256ChallengeOption(f.verifier)), http.StatusSeeOther)
}

// callback takes the agent back, if this browser has begun it and the broker
// has sent it: state against another's code, iss against another issuer's (RFC
// 9207).
func (d *Docs) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var f flow
	begun := false
	if cookie, err := r.Cookie(flowCookie); err == nil {
		f, begun = d.flows.take(cookie.Value)
	}
	setCookie(w, flowCookie, "", -1)
	switch {
	case !begun || q.Get("state") != f.state || len(q["state"]) > 1 || len(q["code"]) > 1:
		d.failed(w, "This sign-in was not begun in this browser, or it took too long.")
		return
	case q.Get("iss") != d.Broker.Issuer:
		d.failed(w, "This answer does not come from the broker that was asked.")
		return
	case q.Get("error") == "access_denied":
		d.failed(w, "It was cancelled, or nothing was lent that this app can use.")
		return
	case q.Get("code") == "":
		d.failed(w, "The broker let nobody in.")
		return
	}
	tokens, what, err := d.Broker.exchange(r.Context(), q.Get("code"), f.verifier, f.nonce)
	var said *oauth2.RetrieveError
	switch {
	case errors.Is(err, errToken), errors.As(err, &said) && said.ErrorCode == "invalid_grant":
		d.Log.WarnContext(r.Context(), "a support sign-in is refused", "error", err)
		d.failed(w, "What the broker has sent cannot be used here.")
	case err != nil:
		d.unreachable(w, r, err)
	default:
		s := &session{access: tokens.AccessToken, refresh: tokens.RefreshToken, lent: what}
		setCookie(w, sessionCookie, d.sessions.put(s, sessionLife), 0)
		http.Redirect(w, r, "/support/documents", http.StatusSeeOther)
	}
}

func (d *Docs) failed(w http.ResponseWriter, text string) {
	d.tell(w, http.StatusBadRequest, "The support sign-in did not finish", messagePage{Text: text,
		Links: []link{{"/support", "Begin again"}, {"/", "Start page"}}})
}

func (d *Docs) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, context.Canceled) {
		d.Log.ErrorContext(r.Context(), "a support sign-in could not go on", "error", err)
	}
	d.tell(w, http.StatusServiceUnavailable, "Support cannot sign in now", messagePage{
		Text: "The broker cannot be reached. Customers are not affected: their own login is apart.", Advice: "Try again in a moment.",
		Links: []link{{"/support", "Try again"}, {"/", "Start page"}}})
}
