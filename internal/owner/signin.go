package owner

import (
	"io"
	"net/http"

	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/templates"
)

// openDoor tells the door what owners sign in for: always the same page.
func (h *Handler) openDoor() {
	h.Door.Open = func(r *http.Request, _ string) (signin.Errand, error) {
		browser := h.Cookies.BrowserOf(r)
		if browser == "" {
			return signin.Errand{}, http.ErrNoCookie
		}
		return signin.Errand{Browser: browser}, nil
	}
	h.Door.Arrive = h.arrive
	h.Door.Unrenewed = func(w http.ResponseWriter, r *http.Request, _ signin.Errand) { h.onward(w, r) }
	h.Door.Dress = func(signin.Errand, *templates.SignIn) {}
}

// errand begins a sign-in in this browser.
func (h *Handler) errand(w http.ResponseWriter, r *http.Request) signin.Errand {
	return signin.Errand{Browser: h.Cookies.Browser(w, r)}
}

// signIn asks who somebody is, by the connector that they chose.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	if _, is := h.who(r); is {
		h.onward(w, r)
		return
	}
	h.Door.Ask(w, r, http.StatusOK, h.errand(w, r), r.URL.Query().Get("connector"), templates.SignIn{})
}

// arrive remembers an owner who has just proved who they are.
func (h *Handler) arrive(w http.ResponseWriter, r *http.Request, e signin.Errand, p connectors.Proof) {
	if h.strange(w, r, p.Account) {
		return
	}
	h.Door.Remember(w, e.Browser, p)
	h.onward(w, r)
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, _ person) {
	h.Door.Forget(w)
	h.Pages.Write(w, r, http.StatusOK, "", func(w io.Writer) error { return h.Pages.Set.SignedOut(w, templates.SignedOut{}) })
}
