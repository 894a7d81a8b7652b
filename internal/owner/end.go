package owner

import (
	"errors"
	"net/http"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/templates"
)

// cookieDone carries to the next page what was done. It is sealed for this
// browser and told once: a link must not make a page say that access is revoked.
const (
	cookieDone = "owner-done"
	doneLife   = time.Minute
)

// What was done, as the page after it tells.
var done = map[string]string{
	"revoked":   "Access is revoked. Nobody from support is in your account, and nothing you made lets anybody in.",
	"cancelled": "It is cancelled. It lets nobody in any more, and whoever came in with it is out.",
	"ended":     "The visit is ended.",
	"gone":      "There was nothing left to end.",
}

// revoke kills one credential, or all of the account, and ends what they
// opened. Only what is stored is called revoked.
func (h *Handler) revoke(w http.ResponseWriter, r *http.Request, p person) {
	id := r.PostForm.Get("credential")
	did := "revoked"
	if id != "" {
		did = "cancelled"
	}
	h.told(w, r, p, did, h.Minter.Revoke(r.Context(), p.Account.ID, id, p.mark()))
}

// end ends one visit. A login that has uses left opens another.
func (h *Handler) end(w http.ResponseWriter, r *http.Request, p person) {
	h.told(w, r, p, "ended", h.Sessions.EndIn(r.Context(), p.Account.ID, r.PostForm.Get("sid"), credentials.CauseRevoked, p.mark()))
}

// told tells how it went.
func (h *Handler) told(w http.ResponseWriter, r *http.Request, p person, did string, err error) {
	switch {
	case err == nil:
	case errors.Is(err, credentials.ErrNotFound):
		did = "gone" // never theirs, or long over: which of them is not told
	default:
		h.failed(r.Context(), r.URL.Path, err)
		a := h.access(r, p)
		a.Notice = templates.Notice{Bad: true, Text: "Not ended yet: the broker could not store it. Press the button again now. If it fails again, call support and hang up on whoever called you."}
		h.write(w, r, http.StatusServiceUnavailable, a)
		return
	}
	h.Cookies.Put(w, cookieDone, p.browser, did, doneLife)
	h.onward(w, r)
}

// took takes what the form before this page did.
func (h *Handler) took(w http.ResponseWriter, r *http.Request, p person) string {
	var did string
	if h.Cookies.Get(r, cookieDone, p.browser, &did) {
		h.Cookies.Drop(w, cookieDone)
	}
	return done[did]
}
