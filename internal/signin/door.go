package signin

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/templates"
)

// Door is the way in of one population. Every field is set before Mount.
type Door struct {
	Cookie     string // name of the cookie that remembers the proof
	Path       string // of the sign-in page
	Connectors []connectors.Connector
	Life       time.Duration // how long a proof is remembered
	Idle       time.Duration // and how long without being looked at; 0: no matter
	Refused    string        // says to somebody whom allow refuses what this is for
	Pages      *web.Pages
	Cookies    *web.Cookies
	Proofs     *keys.Sealer // of a right password, while its code is asked for
	Trips      *keys.Sealer // of trips to an issuer
	Now        func() time.Time
	Log        *slog.Logger

	// Open finds the errand that a form or trip came with, for the browser
	// that began it.
	Open func(r *http.Request, request string) (Errand, error)
	// Arrive goes on with somebody who has just proved who they are. Whether
	// the browser remembers them is its decision: see [Door.Remember].
	Arrive func(w http.ResponseWriter, r *http.Request, e Errand, p connectors.Proof)
	// Unrenewed goes on with what there is, after an issuer that was asked
	// silently did not vouch for somebody again.
	Unrenewed func(w http.ResponseWriter, r *http.Request, e Errand)
	// Dress adds to the sign-in page what this population has besides.
	Dress func(e Errand, p *templates.SignIn)
}

// Errand is what somebody signs in for.
type Errand struct {
	Request  string // names it; goes along unseen
	Browser  string // the browser that it was begun in
	ReturnTo string // redirect URI of the app it leads to; empty: none
	Client   string // name of that app
	Hint     string // the temporary email that the app knows of; may be empty
	Again    bool   // a proof from before is not enough
	MaxAge   *int64 // nor is one that is older, in seconds
}

// Mount registers the forms and the way back. own wraps what only this site
// may post.
func (d *Door) Mount(r *mux.Router, own func(http.Handler) http.Handler) {
	r.Handle(d.Path+"/local", own(d.posted(d.password))).Methods(http.MethodPost)
	r.Handle(d.Path+"/code", own(d.posted(d.code))).Methods(http.MethodPost)
	r.HandleFunc(ReturnPath(d.Path, "{connector}"), d.back).Methods(http.MethodGet)
}

// ReturnPath is where an issuer sends people back to whose door is at a path: the
// path of the redirect_uri that is registered for the connector there.
func ReturnPath(door, connector string) string { return door + "/return/" + connector }

// posted opens the errand of a form.
func (d *Door) posted(next func(http.ResponseWriter, *http.Request, Errand)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !d.Pages.Form(w, r, "") {
			return
		}
		e, err := d.Open(r, r.PostForm.Get("request"))
		if err != nil {
			d.lost(w, r)
			return
		}
		next(w, r, e)
	}
}

func (d *Door) lost(w http.ResponseWriter, r *http.Request) {
	d.Pages.Fail(w, r, http.StatusBadRequest, "This sign-in took too long or was begun in another browser.")
}

// Ask asks who somebody is: at once where there is one connector and nothing
// else to choose, after a choice by name where there are several. chosen is the
// id of a connector, or empty. Only a page that is opened leads away at once:
// one that answers a form may not, since browsers apply form-action to what
// follows.
func (d *Door) Ask(w http.ResponseWriter, r *http.Request, status int, e Errand, chosen string, p templates.SignIn) {
	p.Request = e.Request
	d.Dress(e, &p)
	for _, c := range d.Connectors {
		p.Connectors = append(p.Connectors, templates.Choice{ID: c.About().ID, Name: c.About().Name})
	}
	c := d.Find(chosen)
	if c == nil && len(d.Connectors) == 1 {
		c = d.Connectors[0]
	}
	switch c := c.(type) {
	case *connectors.OIDC:
		wanted := chosen == c.ID || chosen != NoConnector && p.Holder == nil
		if wanted && r.Method == http.MethodGet && p.Problem.Text == "" {
			d.leave(w, r, e, c)
			return
		}
	case *connectors.Local:
		p.Connector = c.ID
	}
	d.Pages.Write(w, r, status, e.ReturnTo, func(w io.Writer) error { return d.Pages.Set.SignIn(w, p) })
}

// NoConnector chooses none: the page is shown although there is but one way.
const NoConnector = "-"

// Find returns a connector by its id, or nil.
func (d *Door) Find(id string) connectors.Connector {
	for _, c := range d.Connectors {
		if c.About().ID == id {
			return c
		}
	}
	return nil
}

func (d *Door) local(id string) *connectors.Local {
	c, _ := d.Find(id).(*connectors.Local)
	return c
}

// unavailable shows that something failed here, and logs what.
func (d *Door) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	d.Log.ErrorContext(r.Context(), "a sign-in could not be decided", "path", r.URL.Path, "error", err)
	d.Pages.Fail(w, r, http.StatusServiceUnavailable, "The broker cannot decide anything at this moment.")
}
