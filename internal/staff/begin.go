package staff

import (
	"errors"
	"io"
	"net/http"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/templates"
)

// Begin goes on with a new authorization request.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, a provider.Request) {
	h.proceed(w, r, a)
}

// proceed does the next thing that the request needs: enter with the session
// that this browser has, ask who the agent is, or ask what the customer gave
// them. With prompt=none it asks nothing.
func (h *Handler) proceed(w http.ResponseWriter, r *http.Request, a provider.Request) {
	agent, who := h.agent(r, a.Browser)
	s, err := h.here(r.Context(), r, a.Browser, agent)
	suspended := false
	if err == nil && agent != nil {
		suspended, err = h.Store.Suspended(r.Context(), agent.Key())
	}
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	if suspended && !a.Wants("none") {
		h.suspended(w, r)
		return
	}
	ready := s != nil && a.Fresh(proof(*s, agent), h.Now())
	switch {
	case ready && meant(a, *s) && a.Accepts(*s) && !looks(a):
		h.resume(w, r, a, *s, agent)
	case a.Wants("none"):
		h.Provider.Refuse(w, r, a, "login_required", "there is no live support session in this browser that fits the request")
	case ready:
		h.showSummary(w, r, a, *s, true)
	case agent == nil || !a.Fresh(agent.AuthTime, h.Now()):
		h.askWho(w, r, http.StatusOK, a, templates.SignIn{})
	case h.renew(w, r, a, *who):
	case h.age(who) > 1:
		h.askWho(w, r, http.StatusOK, a, templates.SignIn{})
	case a.Spent && s == nil: // before the agent spends another PIN on an account that the app does not mean
		h.Provider.Refuse(w, r, a, "login_required", "the support session of the id_token_hint has ended")
	default:
		h.showRedeem(w, r, http.StatusOK, a, templates.Redeem{Account: hintedAccount(a), Email: hintedEmail(a),
			Problem: h.over(w, r, a.Browser, agent)}, agent)
	}
}

// looks reports whether the app wants the agent to see what they enter, even
// where they are in already.
func looks(a provider.Request) bool { return a.Wants("consent") || a.Wants("select_account") }

// resume enters with a session that lives in this browser: a second app, a
// renewal, or the same app again. It counts as activity.
func (h *Handler) resume(w http.ResponseWriter, r *http.Request, a provider.Request, s credentials.Session, agent *credentials.Agent) {
	s, err := h.Store.Touch(r.Context(), s.Account.ID, s.ID, proof(s, agent))
	var ended *credentials.EndedError
	switch {
	case errors.As(err, &ended) && a.Wants("none"):
		h.Provider.Refuse(w, r, a, "login_required", "the support session has ended")
	case errors.As(err, &ended):
		h.proceed(w, r, a) // it ended a moment ago: there is none now
	case err != nil:
		h.unavailable(w, r, err)
	default:
		h.Provider.Finish(w, r, a, s)
	}
}

// renew asks the agent's company silently whether they are still there, before
// their proof is too old to redeem with. It does so once: false means to go on
// with what there is.
func (h *Handler) renew(w http.ResponseWriter, r *http.Request, a provider.Request, who connectors.Proof) bool {
	tried := r.URL.Query().Has("renewed") || chosen(r) == signin.NoConnector
	return r.Method == http.MethodGet && !tried && h.age(&who) > renewAt && h.Door.Renew(w, r, h.errand(a), who)
}

// showRedeem asks for what the customer gave the agent.
func (h *Handler) showRedeem(w http.ResponseWriter, r *http.Request, status int, a provider.Request, p templates.Redeem, agent *credentials.Agent) {
	p.Request, p.Form, p.Client = a.Sealed, credentials.NewID(), h.client(a)
	p.Agent = h.named(agent)
	if p.Open == "" && p.Email != "" && p.Account == "" {
		p.Open = "password"
	}
	h.show(w, r, status, a, func(w io.Writer) error { return h.Pages.Set.Redeem(w, p) })
}

// named is the agent as pages show them.
func (h *Handler) named(agent *credentials.Agent) templates.Agent {
	if agent == nil {
		return templates.Agent{}
	}
	out := templates.Agent{Name: agent.Name}
	if c := h.Door.Find(agent.Connector); c != nil {
		out.Connector = c.About().Name
	}
	return out
}
