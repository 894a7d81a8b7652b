package signin

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/web"
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
func (d *Door) password(w http.ResponseWriter, r *http.Request, e Errand) {
	username := strings.TrimSpace(r.PostForm.Get("username"))
	c := d.local(r.PostForm.Get("connector"))
	if c == nil {
		d.Ask(w, r, http.StatusOK, e, NoConnector, templates.SignIn{Username: username})
		return
	}
	person, needsCode, err := c.Password(r.Context(), web.Address(r.Context()), username, r.PostForm.Get("password"))
	if err != nil {
		d.notSignedIn(w, r, err, func(status int, p templates.Problem) {
			d.Ask(w, r, status, e, c.ID, templates.SignIn{Username: username, Problem: p})
		}, "That did not match. Check your username and password.")
		return
	}
	if needsCode {
		d.showCode(w, r, http.StatusOK, e, halfway{c.ID, person.Username, d.Now().Unix()}, templates.Code{Name: person.Name})
		return
	}
	d.Arrive(w, r, e, c.Proof(person))
}

func (d *Door) showCode(w http.ResponseWriter, r *http.Request, status int, e Errand, half halfway, p templates.Code) {
	p.Request, p.Proof = e.Request, d.Proofs.SealJSON(half, e.Browser)
	d.Pages.Write(w, r, status, e.ReturnTo, func(w io.Writer) error { return d.Pages.Set.Code(w, p) })
}

// code takes the one-time code that follows the password.
func (d *Door) code(w http.ResponseWriter, r *http.Request, e Errand) {
	var half halfway
	err := d.Proofs.OpenJSON(r.PostForm.Get("proof"), e.Browser, &half)
	c := d.local(half.Connector)
	if err != nil || c == nil || d.Now().Sub(time.Unix(half.At, 0)) > halfwayLife {
		d.Ask(w, r, http.StatusUnprocessableEntity, e, half.Connector, templates.SignIn{
			Problem: templates.Problem{Text: "That took too long. Sign in again."}})
		return
	}
	person, err := c.Code(r.Context(), web.Address(r.Context()), half.Username, r.PostForm.Get("code"))
	if err != nil {
		d.notSignedIn(w, r, err, func(status int, p templates.Problem) {
			d.showCode(w, r, status, e, half, templates.Code{Problem: p})
		}, "That code did not match, or was used before. Wait for the next one.")
		return
	}
	d.Arrive(w, r, e, c.Proof(person))
}

// notSignedIn shows why somebody is not signed in.
func (d *Door) notSignedIn(w http.ResponseWriter, r *http.Request, err error, show func(int, templates.Problem), wrong string) {
	switch {
	case errors.Is(err, connectors.ErrNoSignIn):
		show(http.StatusUnprocessableEntity, templates.Problem{Text: wrong})
	case errors.Is(err, connectors.ErrTooMany):
		show(http.StatusTooManyRequests, templates.Problem{Text: "Too many sign-ins have failed. Wait a while, then try again."})
	default:
		d.notAdmitted(w, r, err)
	}
}
