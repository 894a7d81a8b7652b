package staff

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/templates"
)

// redeem takes what the customer gave the agent: account and PIN, or email and
// password.
func (h *Handler) redeem(w http.ResponseWriter, r *http.Request, a provider.Request) {
	f := r.PostForm
	byPassword := f.Has("email") || f.Has("password")
	agent, ok := h.mayTry(w, r, a, byPassword && h.Holder)
	if !ok {
		return
	}
	var s credentials.Session
	var err error
	if byPassword {
		s, err = h.Redeemer.Password(r.Context(), attempt(a, f), agent, f.Get("email"), credentials.NewSecret(f.Get("password")), f.Get("reason"))
	} else {
		s, err = h.Redeemer.PIN(r.Context(), attempt(a, f), *agent, f.Get("account"), credentials.NewSecret(f.Get("pin")), f.Get("reason"))
	}
	if err != nil {
		h.notRedeemed(w, r, a, agent, err)
		return
	}
	h.leave(r, a, agent, s)
	h.Cookies.Put(w, cookieSession, a.Browser, s.ID, sessionLife)
	web.Onward(w, r, "/summary?r="+url.QueryEscape(a.Sealed))
}

// mayTry returns who is about to try a credential. Where their proof is missing
// or too old it asks for a new one, and reports false.
func (h *Handler) mayTry(w http.ResponseWriter, r *http.Request, a provider.Request, nobodyIsFine bool) (*credentials.Agent, bool) {
	agent, who := h.agent(r, a.Browser)
	if agent == nil && nobodyIsFine || agent != nil && h.age(who) <= 1 && a.Fresh(agent.AuthTime, h.Now()) {
		return agent, true
	}
	h.askWho(w, r, http.StatusUnprocessableEntity, a, templates.SignIn{
		Problem: templates.Problem{Text: "Your sign-in has become too old. Sign in again; nothing was used up."}})
	return nil, false
}

// attempt names the form that was sent, in the browser that it was shown in,
// with what was typed: sending it twice is one attempt. With another secret it
// is another one, which must not be answered with what the first came to.
// Nobody can try secrets against the name: browser and form are random texts
// that are kept nowhere.
func attempt(a provider.Request, f url.Values) string {
	form := f.Get("form")
	if form == "" {
		form = credentials.NewID()
	}
	typed := []string{a.Browser, form, credentials.FoldHandle(f.Get("account")), credentials.FoldPIN(f.Get("pin")),
		credentials.FoldEmail(f.Get("email")), strings.TrimSpace(f.Get("password"))}
	text, _ := json.Marshal(typed) // only texts
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// leave ends another session that this browser still had, even another
// agent's: one at a time.
func (h *Handler) leave(r *http.Request, a provider.Request, agent *credentials.Agent, entered credentials.Session) {
	before, err := h.held(r.Context(), r, a.Browser)
	if err == nil && before != nil && before.ID != entered.ID {
		err = h.Sessions.End(r.Context(), before.ID, credentials.CauseSignedOut, markOf(agent))
	}
	if err != nil {
		h.Log.ErrorContext(r.Context(), "the session before could not be ended; it ends by itself", "error", err)
	}
}

// notRedeemed shows why nothing was opened. Before a right secret every cause
// looks the same; after it, the cause is told.
func (h *Handler) notRedeemed(w http.ResponseWriter, r *http.Request, a provider.Request, agent *credentials.Agent, err error) {
	var noMatch *credentials.NoMatch
	var paused *credentials.Paused
	var unusable *credentials.Unusable
	problem, status := templates.Problem{Now: h.Now()}, http.StatusUnprocessableEntity
	switch {
	case errors.As(err, &noMatch):
		problem.Text = noMatch.Advice()
	case errors.As(err, &paused):
		problem.Text = "Your tries are used up for now. Please wait." // the page says until when, and what to do meanwhile
		problem.Blocked, problem.Until, status = true, paused.Until, http.StatusTooManyRequests
	case errors.As(err, &unusable):
		problem.Text = unusable.Advice()
	case errors.Is(err, credentials.ErrTicket):
		problem.Text, problem.Field = "The customer named a ticket for this access. Ask for it and write it under Reason, as they have it.", "reason"
	case errors.Is(err, credentials.ErrKeyReused):
		problem.Text, problem.Field = "This PIN was used just now, with the other button. Ask the customer for a new one.", noField
	case errors.Is(err, credentials.ErrSuspended):
		if err != credentials.ErrSuspended { //nolint:errorlint // joined with why it could not be written down
			h.Log.ErrorContext(r.Context(), "an agent's suspension could not be written down", "error", err)
		}
		h.suspended(w, r)
		return
	default:
		h.unavailable(w, r, err)
		return
	}
	h.showProblem(w, r, status, a, agent, problem)
}

// showProblem shows the form that was sent again, without its secret.
func (h *Handler) showProblem(w http.ResponseWriter, r *http.Request, status int, a provider.Request, agent *credentials.Agent, problem templates.Problem) {
	account, email, reason := r.PostForm.Get("account"), r.PostForm.Get("email"), r.PostForm.Get("reason")
	if agent == nil {
		h.askWho(w, r, status, a, templates.SignIn{Holder: &templates.LoginForm{Email: email, Reason: reason, Problem: problem}})
		return
	}
	open := "pin"
	if r.PostForm.Has("email") || r.PostForm.Has("password") {
		open = "password"
	}
	h.showRedeem(w, r, status, a, templates.Redeem{Account: account, Email: email, Reason: reason, Open: open, Problem: problem}, agent)
}

// hintedAccount and hintedEmail fill the forms from the app's login_hint.
func hintedAccount(a provider.Request) string {
	if strings.Contains(a.LoginHint, "@") {
		return ""
	}
	return a.LoginHint
}

func hintedEmail(a provider.Request) string {
	if strings.Contains(a.LoginHint, "@") {
		return a.LoginHint
	}
	return ""
}
