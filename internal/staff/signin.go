package staff

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/templates"
)

// halfway says that somebody's password was right; their code is asked for.
type halfway struct {
	Connector string `json:"c"`
	Username  string `json:"u"`
	At        int64  `json:"a"` // UTC seconds
}

// halfwayLife is how long the code may take.
const halfwayLife = 5 * time.Minute

// password takes the username and password of a local person.
func (h *Handler) password(w http.ResponseWriter, r *http.Request, a provider.Request) {
	username := strings.TrimSpace(r.PostForm.Get("username"))
	again := templates.SignIn{Connector: r.PostForm.Get("connector"), Username: username}
	c := h.connector(again.Connector)
	if c == nil {
		again.Connector = ""
		h.showSignIn(w, r, http.StatusOK, a, again)
		return
	}
	person, needsCode, err := c.Password(r.Context(), web.Address(r.Context()), username, r.PostForm.Get("password"))
	if err != nil {
		h.notSignedIn(w, r, err, func(status int, p templates.Problem) {
			again.Problem = p
			h.showSignIn(w, r, status, a, again)
		}, "That did not match. Check your username and password.")
		return
	}
	if needsCode {
		h.showCode(w, r, http.StatusOK, a, halfway{c.ID, person.Username, h.Now().Unix()}, templates.Code{Name: person.Name})
		return
	}
	h.arrive(w, r, a, c, person)
}

func (h *Handler) showCode(w http.ResponseWriter, r *http.Request, status int, a provider.Request, half halfway, p templates.Code) {
	p.Request, p.Proof = a.Sealed, h.Proofs.SealJSON(half, a.Browser)
	h.show(w, r, status, a, func(w io.Writer) error { return h.Pages.Set.Code(w, p) })
}

// code takes the one-time code that follows the password.
func (h *Handler) code(w http.ResponseWriter, r *http.Request, a provider.Request) {
	var half halfway
	err := h.Proofs.OpenJSON(r.PostForm.Get("proof"), a.Browser, &half)
	c := h.connector(half.Connector)
	if err != nil || c == nil || h.Now().Sub(time.Unix(half.At, 0)) > halfwayLife {
		h.showSignIn(w, r, http.StatusUnprocessableEntity, a, templates.SignIn{Connector: half.Connector,
			Problem: templates.Problem{Text: "That took too long. Sign in again."}})
		return
	}
	person, err := c.Code(r.Context(), web.Address(r.Context()), half.Username, r.PostForm.Get("code"))
	if err != nil {
		h.notSignedIn(w, r, err, func(status int, p templates.Problem) {
			h.showCode(w, r, status, a, half, templates.Code{Problem: p})
		}, "That code did not match, or was used before. Wait for the next one.")
		return
	}
	h.arrive(w, r, a, c, person)
}

// notSignedIn shows why somebody is not signed in.
func (h *Handler) notSignedIn(w http.ResponseWriter, r *http.Request, err error, show func(int, templates.Problem), wrong string) {
	switch {
	case errors.Is(err, connectors.ErrNoSignIn):
		show(http.StatusUnprocessableEntity, templates.Problem{Text: wrong})
	case errors.Is(err, connectors.ErrTooMany):
		show(http.StatusTooManyRequests, templates.Problem{Text: "Too many sign-ins have failed. Wait a while, then try again."})
	case errors.Is(err, connectors.ErrNotAllowed):
		h.Pages.Failure(w, r, templates.Failure{Status: http.StatusForbidden, Text: "Your account is not one of those that may give support."})
	default:
		h.unavailable(w, r, err)
	}
}

// arrive remembers the agent, unless they are suspended, and goes on.
func (h *Handler) arrive(w http.ResponseWriter, r *http.Request, a provider.Request, c *connectors.Local, person connectors.Person) {
	agent := c.Agent(person)
	suspended, err := h.Store.Suspended(r.Context(), agent.Key())
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	if suspended {
		h.suspended(w, r)
		return
	}
	h.signedIn(w, a.Browser, agent)
	h.again(w, r, "/sign-in", a)
}

// signOut ends the session of this browser and forgets the agent.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, a provider.Request) {
	agent := h.agent(r, a.Browser)
	s, err := h.held(r.Context(), r, a.Browser)
	if err == nil && s != nil {
		_, err = h.Sessions.End(r.Context(), s.ID, credentials.CauseSignedOut, markOf(agent))
	}
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	h.drop(w)
	h.again(w, r, "/sign-in", a)
}

// markOf names the agent in the record of what they ended.
func markOf(agent *credentials.Agent) credentials.Mark {
	m := credentials.Mark{Who: "agent"}
	if agent != nil {
		m.ID, m.Name = agent.Key(), agent.Name
	}
	return m
}
