package staff

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
	"github.com/valetkey/valetkey/templates"
)

// Handler serves the agent's pages. Every field is set before Mount.
type Handler struct {
	Provider   *provider.Provider
	Redeemer   *credentials.Redeemer
	Sessions   *credentials.Sessions
	Store      credentials.Store
	Catalogue  *scopes.Catalogue
	Door       *signin.Door
	Holder     bool // some policy lets the holder of a temporary login in without SSO
	PolicyName func(id string) string
	Answers    *keys.Sealer // to whether a caller is who they say
	Pages      *web.Pages
	Cookies    *web.Cookies
	Now        func() time.Time
	Log        *slog.Logger
}

// Mount registers the pages and the door. Posts from other sites are refused.
func (h *Handler) Mount(r *mux.Router) {
	h.openDoor()
	own := h.Pages.OwnSite(h.Provider.Issuer)
	h.Door.Mount(r, own)
	handle := func(method, path string, f http.HandlerFunc) {
		r.Handle(path, own(f)).Methods(method)
	}
	handle(http.MethodGet, "/sign-in", h.withRequest(h.proceed))
	handle(http.MethodGet, "/summary", h.withRequest(h.summary))
	handle(http.MethodPost, "/sign-out", h.withRequest(h.signOut))
	handle(http.MethodPost, "/redeem", h.withRequest(h.redeem))
	handle(http.MethodPost, "/verify", h.withRequest(h.verify))
	handle(http.MethodGet, "/verified", h.withRequest(h.verified))
	handle(http.MethodPost, "/enter", h.withRequest(h.enter))
	handle(http.MethodPost, "/cancel", h.withRequest(h.cancel))
	handle(http.MethodPost, "/logout/confirm", h.answered(h.leaveAll))
	handle(http.MethodPost, "/logout/stay", h.answered(h.stay))
}

// page is a handler that goes on with an authorization request.
type page func(w http.ResponseWriter, r *http.Request, a provider.Request)

// withRequest opens the sealed request: r in the query of a GET, request in a
// form. Nothing goes on without one that this browser began.
func (h *Handler) withRequest(next page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var sealed string
		if r.Method == http.MethodPost {
			if !h.Pages.Form(w, r, "") {
				return
			}
			sealed = r.PostForm.Get("request")
		} else {
			query, ok := h.Pages.Query(w, r)
			if !ok {
				return
			}
			sealed = query.Get("r")
		}
		a, err := h.Provider.OpenRequest(sealed, h.Cookies.BrowserOf(r))
		if err != nil {
			h.Pages.Fail(w, r, http.StatusBadRequest, "This sign-in took too long or was begun in another browser.")
			return
		}
		next(w, r, a)
	}
}

// again begins the same request again, after a form. The page that comes then
// leads to no company's sign-in by itself: browsers apply the form's policy to
// every redirect that follows it.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, a provider.Request) {
	web.Onward(w, r, "/sign-in?connector="+signin.NoConnector+"&r="+url.QueryEscape(a.Sealed))
}

// show writes a page of this request.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, a provider.Request, render func(io.Writer) error) {
	h.Pages.Write(w, r, status, a.RedirectURI, render)
}

func (h *Handler) client(a provider.Request) string { return h.Provider.Clients[a.Client].Name }

// unavailable shows that something failed here, and logs what.
func (h *Handler) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, credentials.ErrBusy) {
		h.Pages.Fail(w, r, http.StatusServiceUnavailable, "Too many people are signing in at this moment.")
		return
	}
	h.Log.ErrorContext(r.Context(), "the agent's page could not be answered", "path", r.URL.Path, "error", err)
	h.Pages.Failure(w, r, templates.Failure{Status: http.StatusServiceUnavailable, Text: "The broker cannot decide anything at this moment."})
}

func (h *Handler) suspended(w http.ResponseWriter, r *http.Request) {
	h.drop(w)
	h.Pages.Failure(w, r, templates.Failure{Status: http.StatusForbidden, Title: "Your support sign-in is suspended",
		Text:   "Too many codes were wrong, or an administrator suspended it.",
		Action: "Ask whoever runs your support tools to lift it. Nothing was opened."})
}
