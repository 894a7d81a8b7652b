package staff

import (
	"io"
	"net/http"
	"slices"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/templates"
)

// SignOut goes on with an app's request to sign out. Where its hint is of the
// session of this browser, that ends at once. Otherwise the agent is asked: a
// link that anybody can make must end nothing.
func (h *Handler) SignOut(w http.ResponseWriter, r *http.Request, a provider.Logout) {
	if a.Refused != "" {
		h.Pages.Failure(w, r, templates.Failure{Status: http.StatusBadRequest, Title: "You were not signed out", Text: a.Refused, Action: outByHand})
		return
	}
	mine, err := h.held(r.Context(), r, a.Browser)
	var theirs *credentials.Session
	if err == nil && a.SID != "" && (mine == nil || mine.ID != a.SID) {
		theirs, err = h.alive(r.Context(), a.SID)
	}
	switch {
	case err != nil:
		h.notOut(w, r, err)
	case mine != nil && mine.ID == a.SID:
		h.leaveAll(w, r, a, *mine)
	case mine == nil && theirs == nil:
		h.left(w, r, a, templates.SignedOut{})
	default:
		h.askToLeave(w, r, a, mine, theirs)
	}
}

// outByHand is what to do where an app could not sign the agent out.
const outByHand = "Go back to the app and sign out there again, or end the access where you see how long it lasts. It ends by itself too, and the customer can end it at any time."

// askToLeave asks. What the page names is what ends, and no more.
func (h *Handler) askToLeave(w http.ResponseWriter, r *http.Request, a provider.Logout, mine, theirs *credentials.Session) {
	var open []credentials.Session
	for _, s := range []*credentials.Session{mine, theirs} {
		if s != nil {
			open, a.Ends = append(open, *s), append(a.Ends, s.ID)
		}
	}
	p := templates.Leave{Client: h.app(a), Astray: a.Astray, Elsewhere: theirs != nil, Accounts: names(open), Request: h.Provider.SealLogout(a)}
	status := http.StatusOK
	if a.Astray {
		status = http.StatusBadRequest
	}
	h.Pages.Write(w, r, status, a.ReturnTo, func(w io.Writer) error { return h.Pages.Set.Leave(w, p) })
}

// answered opens the answer to the question: next gets the sessions of the page
// that still live.
func (h *Handler) answered(next func(http.ResponseWriter, *http.Request, provider.Logout, ...credentials.Session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.Pages.Form(w, r, "") {
			return
		}
		a, err := h.Provider.OpenLogout(r.PostForm.Get("request"), h.Cookies.BrowserOf(r))
		if err != nil {
			h.Pages.Failure(w, r, templates.Failure{Status: http.StatusBadRequest, Title: "You were not signed out",
				Text: "This page was open for too long, or in another browser.", Action: outByHand})
			return
		}
		var sessions []credentials.Session
		for _, sid := range a.Ends {
			s, err := h.alive(r.Context(), sid)
			if err != nil {
				h.notOut(w, r, err)
				return
			}
			if s != nil {
				sessions = append(sessions, *s)
			}
		}
		next(w, r, a, sessions...)
	}
}

// stay ends nothing, and says what is still open.
func (h *Handler) stay(w http.ResponseWriter, r *http.Request, a provider.Logout, sessions ...credentials.Session) {
	p := templates.SignedOut{Accounts: names(sessions), Stayed: len(sessions) > 0, Client: h.app(a)}
	h.Pages.Write(w, r, http.StatusOK, "", func(w io.Writer) error { return h.Pages.Set.SignedOut(w, p) })
}

// leaveAll ends the sessions everywhere, and what this browser knows of them.
// The agent's own sign-in stays: it is not the app's.
func (h *Handler) leaveAll(w http.ResponseWriter, r *http.Request, a provider.Logout, sessions ...credentials.Session) {
	agent, _ := h.agent(r, a.Browser)
	var held string
	h.Cookies.Get(r, cookieSession, a.Browser, &held)
	for _, s := range sessions {
		if err := h.Sessions.End(r.Context(), s.ID, credentials.CauseSignedOut, markOf(agent)); err != nil {
			h.notOut(w, r, err)
			return
		}
		if s.ID == held {
			h.Cookies.Drop(w, cookieSession)
		}
	}
	h.left(w, r, a, templates.SignedOut{Accounts: names(sessions)})
}

// left says what has ended, or lets the app say it.
func (h *Handler) left(w http.ResponseWriter, r *http.Request, a provider.Logout, p templates.SignedOut) {
	if a.Astray {
		text := "Nobody is in a customer’s account from this browser now."
		if len(p.Accounts) > 0 {
			text = "Your access to " + p.Names() + " has ended."
		}
		h.Pages.Failure(w, r, templates.Failure{Status: http.StatusBadRequest, Title: "You are signed out, but not back in the app",
			Text: text + " The app wants to send you on to an address that is not registered for it.", Action: "Close this window, or open the app yourself."})
		return
	}
	if h.Provider.SignedOut(w, r, a) {
		return
	}
	agent, _ := h.agent(r, a.Browser)
	p.Client, p.Agent = h.app(a), h.named(agent)
	h.Pages.Write(w, r, http.StatusOK, "", func(w io.Writer) error { return h.Pages.Set.SignedOut(w, p) })
}

// notOut says that nobody knows whether the access has ended.
func (h *Handler) notOut(w http.ResponseWriter, r *http.Request, err error) {
	h.Log.ErrorContext(r.Context(), "an agent could not be signed out", "error", err)
	h.Pages.Failure(w, r, templates.Failure{Status: http.StatusServiceUnavailable, Title: "You may still be signed in",
		Text:   "Whether your access has ended is not known now.",
		Action: "Wait a minute, then go back to the app and sign out there again. The access ends by itself too, and the customer can end it at any time."})
}

// app is the name of the app that asks, where it is known.
func (h *Handler) app(a provider.Logout) string {
	if c := h.Provider.Clients[a.Client]; c != nil {
		return c.Name
	}
	return ""
}

// names are the accounts of the sessions, each once.
func names(sessions []credentials.Session) (out []string) {
	for _, s := range sessions {
		if !slices.Contains(out, s.Account.Name) {
			out = append(out, s.Account.Name)
		}
	}
	return out
}
