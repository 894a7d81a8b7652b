package staff

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/templates"
)

// cookieSession holds the id of the browser's support session.
const cookieSession = "session"

// sessionLife is how long a browser keeps that id. The session itself ends when
// the store says so.
const sessionLife = 24 * time.Hour

// drop forgets agent and session in this browser.
func (h *Handler) drop(w http.ResponseWriter) {
	h.Door.Forget(w)
	h.Cookies.Drop(w, cookieSession)
}

// agent returns who is signed in in this browser, if they still may be, and
// when that was last confirmed.
func (h *Handler) agent(r *http.Request, browser string) (*credentials.Agent, *connectors.Proof) {
	p := h.Door.Who(r, browser)
	if p == nil {
		return nil, nil
	}
	agent := p.Agent()
	return &agent, p
}

// age is how long ago the agent's proof was confirmed, as a share of how old it
// may be when a credential is redeemed: above 1 it is too old.
func (h *Handler) age(p *connectors.Proof) float64 {
	c := h.Door.Find(p.Connector)
	if c == nil || c.About().MaxAge <= 0 {
		return 2 // nothing vouches for them any more
	}
	return float64(h.Now().Sub(p.ProvedAt)) / float64(c.About().MaxAge)
}

// renewAt is the age from which a proof is renewed before a form is shown, so
// that it does not become too old while the form is filled in.
const renewAt = 0.5

// here returns the live session of this browser, nil for none. A session of an
// agent is only there while that agent is signed in.
func (h *Handler) here(ctx context.Context, r *http.Request, browser string, agent *credentials.Agent) (*credentials.Session, error) {
	s, err := h.held(ctx, r, browser)
	if s != nil && !isOf(*s, agent) {
		return nil, err
	}
	return s, err
}

// isOf reports whether a session is there for somebody: what no agent stands behind
// is for whoever has it.
func isOf(s credentials.Session, agent *credentials.Agent) bool {
	return s.Agent == nil || agent != nil && agent.Key() == s.AgentKey()
}

// justOpened is here for what is only shown, without asking the store; false where
// that cannot be said.
func (h *Handler) justOpened(r *http.Request, browser string, agent *credentials.Agent) (credentials.Session, bool) {
	var sid string
	if !h.Cookies.Get(r, cookieSession, browser, &sid) {
		return credentials.Session{}, false
	}
	s, ok := h.Sessions.JustOpened(sid)
	return s, ok && isOf(s, agent)
}

// held returns the live session whose id this browser holds, whoever's it is;
// nil for none.
func (h *Handler) held(ctx context.Context, r *http.Request, browser string) (*credentials.Session, error) {
	var sid string
	if !h.Cookies.Get(r, cookieSession, browser, &sid) {
		return nil, nil
	}
	return h.alive(ctx, sid)
}

// alive returns the session if it lives, nil otherwise.
func (h *Handler) alive(ctx context.Context, sid string) (*credentials.Session, error) {
	s, err := h.Sessions.Live(ctx, sid)
	var ended *credentials.EndedError
	switch {
	case errors.As(err, &ended), errors.Is(err, credentials.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &s, nil
}

// noField blames no input: nothing that was typed is wrong.
const noField = "none"

// over says how the agent's session that this browser had has ended, once; it
// says nothing of what they ended themselves.
func (h *Handler) over(w http.ResponseWriter, r *http.Request, browser string, agent *credentials.Agent) templates.Problem {
	var sid string
	var ended *credentials.EndedError
	if !h.Cookies.Get(r, cookieSession, browser, &sid) {
		return templates.Problem{}
	}
	s, err := h.Sessions.Live(r.Context(), sid)
	if !errors.As(err, &ended) || s.AgentKey() != agent.Key() {
		return templates.Problem{}
	}
	h.Cookies.Drop(w, cookieSession)
	at := ended.At.UTC().Format("15:04 UTC")
	switch ended.Cause {
	case credentials.CauseRevoked:
		return templates.Problem{Field: noField, Text: "The customer ended your access to " + s.Account.Name + " at " + at + "."}
	case credentials.CauseTime:
		return templates.Problem{Field: noField, Text: "Your time in " + s.Account.Name + " was over at " + at + ". Ask the customer for a new PIN if they still want help."}
	case credentials.CauseIdle:
		return templates.Problem{Field: noField, Text: "Your access to " + s.Account.Name + " ended at " + at + ", because nothing was done for a while."}
	}
	return templates.Problem{}
}

// proof is when the person behind this session last proved who they are.
func proof(s credentials.Session, agent *credentials.Agent) time.Time {
	if s.Agent != nil && agent != nil && agent.AuthTime.After(s.AuthTime) {
		return agent.AuthTime
	}
	return s.AuthTime
}

// meant reports whether the app's hint is for this session's account.
func meant(a provider.Request, s credentials.Session) bool {
	hint := credentials.FoldHandle(a.LoginHint)
	return hint == "" || hint == credentials.FoldHandle(s.Account.Handle) || credentials.FoldEmail(a.LoginHint) == s.Email
}
