package staff

import (
	"cmp"
	"io"
	"net/http"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
	"github.com/valetkey/valetkey/templates"
)

// withSession goes on with the live session of this browser. Without one, or
// with a proof that has become too old for the request, that starts again.
func (h *Handler) withSession(w http.ResponseWriter, r *http.Request, a provider.Request, next func(credentials.Session, *credentials.Agent)) {
	agent, _ := h.agent(r, a.Browser)
	s, err := h.here(r.Context(), r, a.Browser, agent)
	switch {
	case err != nil:
		h.unavailable(w, r, err)
	case s == nil || !a.Fresh(proof(*s, agent), h.Now()):
		h.again(w, r, a)
	default:
		next(*s, agent)
	}
}

// summary shows what is about to be entered. Of a session that was opened just now
// it does not ask the store again: entering does.
func (h *Handler) summary(w http.ResponseWriter, r *http.Request, a provider.Request) {
	agent, _ := h.agent(r, a.Browser)
	if s, ok := h.justOpened(r, a.Browser, agent); ok && a.Fresh(proof(s, agent), h.Now()) {
		h.showSummary(w, r, a, s, false)
		return
	}
	h.withSession(w, r, a, func(s credentials.Session, _ *credentials.Agent) { h.showSummary(w, r, a, s, false) })
}

func (h *Handler) showSummary(w http.ResponseWriter, r *http.Request, a provider.Request, s credentials.Session, existing bool) {
	p := templates.Summary{
		Request: a.Sealed, Account: s.Account.Name, Handle: s.Account.Handle, Contact: s.Contact,
		Ticket: cmp.Or(s.Reason, s.Ticket), // a reason names the ticket, where there is one

		Client: h.client(a), Agent: h.named(s.Agent), EndsAt: s.EndsAt, Now: h.Now(), Existing: existing,
	}
	client := h.Provider.Clients[a.Client]
	for _, name := range h.Catalogue.Narrow(a.Scope, s.Scopes, client.Scopes) {
		if !scopes.Standard(name) {
			p.Can = append(p.Can, h.Catalogue.Label(name))
		}
	}
	for _, never := range h.Catalogue.NeverLent() {
		p.Never = append(p.Never, h.Catalogue.Label(never.Name))
	}
	h.show(w, r, http.StatusOK, a, func(w io.Writer) error { return h.Pages.Set.Summary(w, p) })
}

// enter sends the agent into the app. A proof that is newer than the session's,
// which it gets where the agent goes on in a session they had, becomes its own.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request, a provider.Request) {
	h.withSession(w, r, a, func(s credentials.Session, agent *credentials.Agent) {
		if proof(s, agent).After(s.AuthTime) {
			h.resume(w, r, a, s, agent)
			return
		}
		h.Provider.Finish(w, r, a, s)
	})
}

// cancel ends the session. Where it was opened for this request, the app is
// told; an agent who ended the one before goes on to what they came for.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request, a provider.Request) {
	agent, _ := h.agent(r, a.Browser)
	s, err := h.here(r.Context(), r, a.Browser, agent)
	if err == nil && s != nil {
		err = h.Sessions.End(r.Context(), s.ID, credentials.CauseCancelled, markOf(s.Agent))
	}
	switch {
	case err != nil:
		h.unavailable(w, r, err)
	case s == nil:
		h.again(w, r, a)
	case s.OpenedAt.Before(a.Asked()):
		h.Cookies.Drop(w, cookieSession)
		h.again(w, r, a)
	default:
		h.Cookies.Drop(w, cookieSession)
		h.Provider.Refuse(w, r, a, "access_denied", "the agent cancelled")
	}
}
