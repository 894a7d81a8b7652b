package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// End ends the support session of the browser: at the broker, so for every app,
// and then here. It is a POST from a page of this app. Where the broker cannot be
// reached nothing has ended, and that is what is said.
func (l *Login) End(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		l.wrongMethod(w, r, http.MethodPost)
		return
	}
	if err := l.csrf.Check(r); err != nil {
		l.refuse(w, r, &Refusal{Status: http.StatusForbidden, Code: "cross_origin", Description: "the request comes from a page of another site"})
		return
	}
	k, found, err := l.held(r)
	has := found && err == nil
	if has && !l.isOver(k) {
		// Whoever closes the tab now has still asked for it.
		if err := l.revoke(context.WithoutCancel(r.Context()), k); err != nil {
			l.notEnded(w, r, k, err)
			return
		}
		l.guard.end(k.SID)
	}
	l.drop(w, r)
	l.left(w, r, has)
}

// errNotLet says that the broker refuses the app, and not this once: of a session
// that has ended already, and of a token that has expired, it says that all is done.
var errNotLet = errors.New("the broker does not let this app end the session: check ClientID, ClientSecret and Key of LoginConfig")

// notEnded tells an agent that they are still in support mode, and what helps.
func (l *Login) notEnded(w http.ResponseWriter, r *http.Request, k kept, err error) {
	l.guard.log.ErrorContext(r.Context(), "a support session could not be ended", "sid", k.SID, "error", err)
	n := Notice{Status: http.StatusServiceUnavailable, Code: "not_yet_ended", Title: "Your support session has not ended yet",
		Text:    "The broker that lends access could not be told. You are still in support mode.",
		Advice:  "Press End again in a moment. The customer can end it, too.",
		Actions: []NoticeAction{{Label: "End", URL: l.cfg.EndPath, Post: true}}}
	if errors.Is(err, errNotLet) {
		n.Text = "The broker that lends access does not take this from this app, which is set up wrongly. You are still in support mode."
		n.Advice = "Tell whoever runs this app: its log says why. Until then ask the customer to end it; if nobody does, it ends by itself when its time is over."
	}
	l.say(w, r, n)
}

// left tells an agent that they are out of support mode.
func (l *Login) left(w http.ResponseWriter, r *http.Request, ended bool) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case !wantsPage(r):
		w.WriteHeader(http.StatusNoContent)
	case l.cfg.AfterEnd != "":
		http.Redirect(w, r, l.cfg.AfterEnd, http.StatusSeeOther)
	default:
		text := "The session has ended, at every app."
		if !ended {
			text = "This browser has no support session."
		}
		l.say(w, r, Notice{Status: http.StatusOK, Code: "ended", Title: "You have left support mode", Text: text,
			Actions: []NoticeAction{{Label: "Start page", URL: l.cfg.Home}, {Label: "Help another customer", URL: l.cfg.StartPath}}})
	}
}

// isOver reports whether there is nothing left to end.
func (l *Login) isOver(k kept) bool {
	_, err := l.guard.ledger.find(k.SID)
	return errors.Is(err, ErrEnded) || !l.guard.wall().Before(k.EndsAt)
}

// revoke takes a session's token back, and so the session (RFC 7009). The refresh
// token is found whatever has become of the keys since; of an access token even
// an expired one says which session is to end.
func (l *Login) revoke(ctx context.Context, k kept) error {
	at, err := l.guard.broker(ctx)
	if err != nil {
		return err
	}
	form := url.Values{"token": {k.Access}, "token_type_hint": {"access_token"}}
	if k.Refresh != "" {
		form = url.Values{"token": {k.Refresh}, "token_type_hint": {"refresh_token"}}
	}
	status, body, err := l.post(ctx, at.Revocation, form)
	switch {
	case err != nil || status == http.StatusOK:
		return err
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests:
		return fmt.Errorf("%w: the revocation endpoint answers %s", errNotLet, why(status, body))
	}
	return fmt.Errorf("the revocation endpoint answers %s", why(status, body))
}
