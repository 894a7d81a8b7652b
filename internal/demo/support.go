package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// session is one support session in one browser, as the app holds it.
type session struct {
	mu      sync.Mutex // one click at a time: a refresh token is used once
	access  string
	refresh string
	lent    lent
}

// support lets one click of an agent through to the product when the broker
// says so, and says why where it does not. No record, no action.
func (d *Docs) support(what deed) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := d.session(r)
		if !ok {
			d.tell(w, http.StatusUnauthorized, "You are not in support mode", messagePage{
				Text: "There is no support session in this browser.", Links: []link{{"/support", "Sign in for support"}, {"/", "Start page"}}})
			return
		}
		// Whoever closes the tab now must not lose a token that is being renewed.
		may, err := d.admit(context.WithoutCancel(r.Context()), s, what, d.target(s, r))
		v := visit{Base: "/support", Account: may.Account, Name: may.Name, Who: may.Agent, Support: true}
		r = r.WithContext(withBanner(r.Context(), d.banner(may)))
		if err != nil {
			d.refuse(w, r, v, what, err)
			return
		}
		what.do(d, w, r, v)
	}
}

// target is what a click is about, as the record names it. It is looked up in
// the session's own account: another one's titles never show there.
func (d *Docs) target(s *session, r *http.Request) string {
	s.mu.Lock()
	account := s.lent.Account
	s.mu.Unlock()
	doc, _ := d.Library.Document(account, r.PathValue("id"))
	return doc.Title
}

// admit decides one click, and has it recorded first. The token says which
// scopes were lent; whether the session still lives, only the broker can say.
func (d *Docs) admit(ctx context.Context, s *session, what deed, target string) (lent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	live, err := d.renewed(ctx, s)
	if err != nil {
		return s.lent, err
	}
	allowed := slices.Contains(s.lent.Scopes, what.scope)
	if live && !allowed {
		// A refused action is recorded without a word about the session, so
		// that is asked first: an agent whose session is over is told so.
		if live, err = d.Broker.active(ctx, s.access); err != nil {
			return s.lent, err
		}
	}
	outcome := "started"
	if live && !allowed {
		outcome = "refused"
	}
	err = d.Broker.report(ctx, action{ID: rand.Text(), SID: s.lent.SID, Action: what.action, Target: target, Scope: what.scope, Outcome: outcome})
	switch {
	case err != nil:
		return s.lent, err // of a session that is over, with the cause
	case !live:
		return s.lent, errNoRenewal
	case !allowed:
		return s.lent, errNotLent
	}
	return s.lent, nil
}

// renewed exchanges a token that has expired for a new one. It reports whether
// there is a token to be trusted; an error means that this is not known now.
func (d *Docs) renewed(ctx context.Context, s *session) (bool, error) {
	if d.Now().Before(s.lent.Expires) {
		return true, nil
	}
	tokens, err := d.Broker.renew(ctx, s.refresh)
	if errors.Is(err, errNoRenewal) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.refresh = tokens.RefreshToken // the one before is used up, whatever the new token says
	what, err := d.Broker.verify(ctx, tokens.AccessToken)
	switch {
	case err != nil:
		return false, err
	case what.SID != s.lent.SID || what.Subject != s.lent.Subject || what.Account != s.lent.Account:
		return false, nil
	}
	s.access, s.lent = tokens.AccessToken, what
	return true, nil
}

// refuse says why a click did nothing.
func (d *Docs) refuse(w http.ResponseWriter, r *http.Request, v visit, what deed, err error) {
	var over *ended
	switch {
	case errors.As(err, &over):
		d.drop(w, r)
		d.tell(w, http.StatusForbidden, over.sentence(), messagePage{Text: "Nothing was done, and nothing of " + v.Name + " can be seen any more.",
			Advice: over.advice(), Links: []link{{"/support", "Sign in for support"}, {"/", "Start page"}}})
	case errors.Is(err, errNoRenewal), errors.Is(err, errToken):
		d.Log.WarnContext(r.Context(), "a support session is not renewed", "error", err)
		d.drop(w, r)
		d.tell(w, http.StatusForbidden, "Your support session is over", messagePage{Text: "The broker did not renew it. Nothing was done.",
			Links: []link{{"/support", "Sign in for support"}, {"/", "Start page"}}})
	case errors.Is(err, errNotLent):
		title, why := what.whyNot()
		d.show(w, http.StatusForbidden, "message", title, view{Visit: v, Banner: bannerOf(r.Context()), Page: messagePage{Text: why,
			Advice: "Nothing was done. The attempt is in the record that " + v.Name + " can read.", Links: []link{{"/support/documents", "Back to the documents"}}}})
	default:
		d.Log.ErrorContext(r.Context(), "a support click could not be recorded", "action", what.action, "error", err)
		d.show(w, http.StatusServiceUnavailable, "message", "This cannot be done now", view{Visit: v, Banner: bannerOf(r.Context()), Page: messagePage{
			Text:   "What support does is recorded first, and the record cannot be reached at this moment. So nothing was done.",
			Advice: "Try again in a moment.", Links: []link{{"/support/documents", "Documents"}}}})
	}
}

// never are the parts of the product that no credential lends.
var never = map[string]string{"documents.delete": "Deleting", "billing.read": "Billing"}

// whyNot says in words what was refused.
func (what deed) whyNot() (title, why string) {
	if part := never[what.scope]; part != "" {
		return part + " is never lent to support", "Customers alone can do this, whatever they have lent."
	}
	return "This was not lent to you", "«" + what.action + "» is not among what the customer has lent for this session. They can lend it with a new PIN."
}

// enter goes on with the session in this browser, or begins a new one.
func (d *Docs) enter(w http.ResponseWriter, r *http.Request) {
	if _, ok := d.session(r); ok {
		http.Redirect(w, r, "/support/documents", http.StatusSeeOther)
		return
	}
	d.begin(w, r)
}

// end gives access back. Only the broker can say that it has ended.
func (d *Docs) end(w http.ResponseWriter, r *http.Request) {
	s, ok := d.session(r)
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.mu.Lock()
	token, name := s.access, s.lent.Name
	s.mu.Unlock()
	if err := d.Broker.end(r.Context(), token); err != nil {
		d.Log.ErrorContext(r.Context(), "a support session could not be ended", "error", err)
		d.tell(w, http.StatusServiceUnavailable, "Access has not ended yet", messagePage{Text: "The broker cannot be reached. You are still in support mode.",
			Advice: "Press End again in a moment.", Links: []link{{"/support/documents", "Documents"}}})
		return
	}
	d.drop(w, r)
	d.tell(w, http.StatusOK, "Your support session has ended", messagePage{Text: "You have left " + name + " at " + clock(d.Now()) + ".",
		Links: []link{{"/support", "Help another customer"}, {"/", "Start page"}}})
}

// The cookie of support mode is not sent to the customers' pages.
const (
	sessionCookie = "northwind-support"
	flowCookie    = "northwind-support-begun"
	supportPath   = "/support"
)

func (d *Docs) session(r *http.Request) (*session, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil, false
	}
	return d.sessions.get(cookie.Value)
}

// drop forgets the session of this browser, and nothing else of it.
func (d *Docs) drop(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		d.sessions.take(cookie.Value)
	}
	setCookie(w, sessionCookie, "", -1)
}

func setCookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: supportPath, MaxAge: age, //nolint:gosec // loopback has no TLS
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// sentence says why a session is over, and since when.
func (e *ended) sentence() string {
	at := clock(e.At)
	if e.At.IsZero() {
		return "Support access has ended"
	}
	said, ok := map[string]string{
		"revoked":    "The customer ended access at %",
		"signed_out": "You signed out of this session at %",
		"cancelled":  "This access was cancelled at %",
		"idle":       "Access ended at %, because nothing was done for a while",
		"time":       "Access ended at %: its time was over",
		"reuse":      "Access ended at %, because a token was used twice",
		"operator":   "An administrator ended access at %",
	}[e.Cause]
	if !ok {
		said = "Access ended at %"
	}
	return strings.Replace(said, "%", at, 1)
}

func (e *ended) advice() string {
	if e.Cause == "operator" || e.Cause == "reuse" {
		return "Ask whoever runs your support tools what to do."
	}
	return "If there is more to do, ask the customer for a new PIN."
}
