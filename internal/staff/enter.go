package staff

import (
	"io"
	"net/http"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
	"github.com/valetkey/valetkey/templates"
)

// withSession goes on with the live session of this browser; without one the
// request starts again.
func (h *Handler) withSession(w http.ResponseWriter, r *http.Request, a provider.Request, next func(credentials.Session)) {
	s, err := h.here(r.Context(), r, a.Browser, h.agent(r, a.Browser))
	switch {
	case err != nil:
		h.unavailable(w, r, err)
	case s == nil:
		h.again(w, r, "/sign-in", a)
	default:
		next(*s)
	}
}

// summary shows what is about to be entered.
func (h *Handler) summary(w http.ResponseWriter, r *http.Request, a provider.Request) {
	h.withSession(w, r, a, func(s credentials.Session) { h.showSummary(w, r, a, s, false) })
}

func (h *Handler) showSummary(w http.ResponseWriter, r *http.Request, a provider.Request, s credentials.Session, existing bool) {
	p := templates.Summary{
		Request: a.Sealed, Account: s.Account.Name, Handle: s.Account.Handle, Contact: s.Contact, Ticket: s.Ticket,
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

// enter sends the agent into the app.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request, a provider.Request) {
	h.withSession(w, r, a, func(s credentials.Session) { h.Provider.Finish(w, r, a, s) })
}

// cancel ends the session that was opened and tells the app.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request, a provider.Request) {
	h.withSession(w, r, a, func(s credentials.Session) {
		if _, err := h.Sessions.End(r.Context(), s.ID, credentials.CauseCancelled, markOf(s.Agent)); err != nil {
			h.unavailable(w, r, err)
			return
		}
		h.Cookies.Drop(w, cookieSession)
		h.Provider.Refuse(w, r, a, "access_denied", "the agent cancelled")
	})
}
