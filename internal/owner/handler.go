package owner

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/scopes"
	"github.com/valetkey/valetkey/templates"
)

// Handler serves the owner's pages. Every field is set before Mount.
type Handler struct {
	Issuer     string // of the broker; forms come from its pages only
	Door       *signin.Door
	Minter     *credentials.Minter
	Sessions   *credentials.Sessions
	Reader     credentials.Reader
	Catalogue  *scopes.Catalogue
	May        map[string]May    // what people can lend, by their connector
	Apps       map[string]string // names of relying apps and API clients, by id
	Connectors map[string]string // names of the agents' connectors, by id
	Pages      *web.Pages
	Cookies    *web.Cookies
	Now        func() time.Time
	Log        *slog.Logger
}

// May is what the people of a connector can lend at most.
type May struct {
	Rules   []credentials.MayRule
	Limited bool // there are rules: who matches none may lend nothing
}

// The cookie's life: short, because an owner's browser may be anybody's.
const (
	CookieLife = time.Hour
	CookieIdle = 15 * time.Minute
)

// Mount registers the pages and the door. Posts from other sites are refused.
func (h *Handler) Mount(r *mux.Router) {
	h.openDoor()
	own := h.Pages.OwnSite(h.Issuer)
	h.Door.Mount(r, own)
	const at = templates.OwnerPath
	r.HandleFunc(at, h.signedIn(h.page)).Methods(http.MethodGet)
	r.HandleFunc(at+"/live", h.live).Methods(http.MethodGet)
	r.HandleFunc(at+"/record", h.signedIn(h.older)).Methods(http.MethodGet)
	r.HandleFunc(at+"/record.jsonl", h.signedIn(h.export)).Methods(http.MethodGet)
	r.HandleFunc(h.Door.Path, h.signIn).Methods(http.MethodGet)
	for path, do := range map[string]visit{"/credentials": h.mint, "/revoke": h.revoke, "/end": h.end, "/sign-out": h.signOut} {
		r.Handle(at+path, own(h.posted(do))).Methods(http.MethodPost)
	}
}

// visit is a handler for somebody who is signed in.
type visit func(w http.ResponseWriter, r *http.Request, p person)

// person is who is signed in.
type person struct {
	connectors.Proof
	owner   credentials.Owner
	browser string
}

// mark names them in the record.
func (p person) mark() credentials.Mark {
	return credentials.Mark{Who: "owner", ID: p.owner.Key(), Name: p.owner.Name}
}

// who returns who is signed in in this browser; false for nobody.
func (h *Handler) who(r *http.Request) (person, bool) {
	browser := h.Cookies.BrowserOf(r)
	proof := h.Door.Who(r, browser)
	if proof == nil {
		return person{}, false
	}
	return person{*proof, proof.Owner(), browser}, true
}

// signedIn asks who is there, and goes on.
func (h *Handler) signedIn(next visit) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, is := h.who(r)
		if !is {
			h.Door.Ask(w, r, http.StatusOK, h.errand(w, r), "", templates.SignIn{})
			return
		}
		if h.strange(w, r, p.Account) {
			return
		}
		h.Door.Saw(w, p.browser, p.Proof)
		next(w, r, p)
	}
}

// posted does the same for a form. Nothing is done for somebody whose sign-in
// has run out, and they are told so.
func (h *Handler) posted(next visit) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.Pages.Form(w, r, "scope.") {
			return
		}
		if _, is := h.who(r); !is {
			h.Door.Ask(w, r, http.StatusForbidden, h.errand(w, r), "", templates.SignIn{Problem: templates.Problem{
				Text: "You were signed out, so nothing was done: nothing was made, ended or revoked. Sign in again, then press the button once more."}})
			return
		}
		h.signedIn(next)(w, r)
	})
}

// strange refuses an account that belongs to another connector: its people are
// not these, whatever their claims say.
func (h *Handler) strange(w http.ResponseWriter, r *http.Request, a credentials.Account) bool {
	found, err := h.Reader.Account(r.Context(), a.ID)
	switch {
	case errors.Is(err, credentials.ErrNotFound):
		return false // nothing was ever made for it
	case err != nil:
		h.unavailable(w, r, err)
		return true
	case found.Connector != a.Connector:
		h.Log.ErrorContext(r.Context(), "two owners connectors claim one account", "account", a.ID, "has", found.Connector, "claims", a.Connector)
		h.Pages.Fail(w, r, http.StatusForbidden, "Support access to this account is managed through another sign-in.")
		return true
	}
	return false
}

// unavailable shows that something failed here, and logs what.
func (h *Handler) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	h.failed(r.Context(), r.URL.Path, err)
	h.Pages.Fail(w, r, http.StatusServiceUnavailable, "Support access cannot be shown at this moment.")
}

func (h *Handler) failed(ctx context.Context, path string, err error) {
	h.Log.ErrorContext(ctx, "an owner's page could not be answered", "path", path, "error", err)
}

// onward leads from a form, or a sign-in, to the page that tells what was done.
func (h *Handler) onward(w http.ResponseWriter, r *http.Request) {
	web.Onward(w, r, templates.OwnerPath)
}
