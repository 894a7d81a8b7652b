package staff

import (
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/templates"
)

// openDoor tells the door what agents sign in for.
func (h *Handler) openDoor() {
	h.Door.Open = func(r *http.Request, request string) (signin.Errand, error) {
		a, err := h.Provider.OpenRequest(request, h.Cookies.BrowserOf(r))
		if err != nil {
			return signin.Errand{}, err
		}
		return h.errand(a), nil
	}
	h.Door.Arrive, h.Door.Unrenewed, h.Door.Dress = h.arrive, h.unrenewed, h.dress
}

// errand is an authorization request as the door knows it.
func (h *Handler) errand(a provider.Request) signin.Errand {
	e := signin.Errand{Request: a.Sealed, Browser: a.Browser, ReturnTo: a.RedirectURI, Client: h.client(a), Hint: hintedEmail(a),
		Again: a.Wants("login"), MaxAge: a.MaxAge}
	if a.MaxAge != nil && *a.MaxAge == 0 { // no proof from before is that new
		e.Again = true
	}
	return e
}

// dress adds the app's name, and the form for whoever needs no sign-in.
func (h *Handler) dress(e signin.Errand, p *templates.SignIn) {
	p.Client = e.Client
	if h.Holder && p.Holder == nil {
		p.Holder = &templates.LoginForm{Email: e.Hint}
	}
	if p.Holder != nil {
		p.Holder.Request, p.Holder.Form = e.Request, credentials.NewID()
	}
}

// askWho asks who the agent is.
func (h *Handler) askWho(w http.ResponseWriter, r *http.Request, status int, a provider.Request, p templates.SignIn) {
	h.Door.Ask(w, r, status, h.errand(a), chosen(r), p)
}

// chosen is the connector that the agent chose by name.
func chosen(r *http.Request) string {
	if r.Method != http.MethodGet {
		return ""
	}
	return r.URL.Query().Get("connector")
}

// arrive remembers the agent, unless they are suspended, and goes on.
func (h *Handler) arrive(w http.ResponseWriter, r *http.Request, e signin.Errand, p connectors.Proof) {
	suspended, err := h.Store.Suspended(r.Context(), p.Agent().Key())
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	if suspended {
		h.suspended(w, r)
		return
	}
	a, err := h.Provider.OpenRequest(e.Request, e.Browser)
	if err == nil && !a.Fresh(p.AuthTime, h.Now()) { // or the agent would go in circles
		h.Pages.Fail(w, r, http.StatusForbidden, "The app asks for a newer sign-in than your company's gave.")
		return
	}
	h.Door.Remember(w, e.Browser, p)
	web.Onward(w, r, "/sign-in?r="+url.QueryEscape(e.Request))
}

// unrenewed goes on with the proof there is, or asks for a new one.
func (h *Handler) unrenewed(w http.ResponseWriter, r *http.Request, e signin.Errand) {
	web.Onward(w, r, "/sign-in?renewed=no&r="+url.QueryEscape(e.Request))
}

// signOut ends the session of this browser and forgets the agent. Nobody is
// signed in again at once.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, a provider.Request) {
	agent, _ := h.agent(r, a.Browser)
	s, err := h.held(r.Context(), r, a.Browser)
	if err == nil && s != nil {
		err = h.Sessions.End(r.Context(), s.ID, credentials.CauseSignedOut, markOf(agent))
	}
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	h.drop(w)
	h.again(w, r, a)
}

// markOf names the agent in the record of what they ended.
func markOf(agent *credentials.Agent) credentials.Mark {
	m := credentials.Mark{Who: "agent"}
	if agent != nil {
		m.ID, m.Name = agent.Key(), agent.Name
	}
	return m
}
