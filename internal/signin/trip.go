package signin

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/templates"
)

// maxState bounds what an issuer is asked to send back, in characters. Some
// refuse more.
const maxState = 6 << 10

// errTooLong says that the request is too long to be carried to an issuer.
var errTooLong = errors.New("the request is too long for a state")

// Renew asks the issuer silently whether somebody is still there. It reports
// false, having answered nothing, where nobody can be asked: local people prove
// themselves here, and an issuer that cannot be reached takes nothing away from
// a proof that is still good.
func (d *Door) Renew(w http.ResponseWriter, r *http.Request, e Errand, p connectors.Proof) bool {
	c, is := d.Find(p.Connector).(*connectors.OIDC)
	if !is {
		return false
	}
	to, err := d.way(r, e, c, connectors.Ask{Silent: true, MaxAge: e.MaxAge})
	if err != nil {
		d.Log.WarnContext(r.Context(), "a sign-in could not be renewed", "connector", c.ID, "error", err)
		return false
	}
	web.Onward(w, r, to)
	return true
}

// leave sends the browser to the issuer.
func (d *Door) leave(w http.ResponseWriter, r *http.Request, e Errand, c *connectors.OIDC) {
	to, err := d.way(r, e, c, connectors.Ask{Again: e.Again, MaxAge: e.MaxAge})
	switch {
	case errors.Is(err, errTooLong):
		d.Pages.Fail(w, r, http.StatusBadRequest, "The app sent too much to be carried through the company's sign-in.")
	case err != nil:
		d.unreachable(w, r, c, err)
	default:
		web.Onward(w, r, to)
	}
}

// way is where the issuer is. The state is the trip itself, sealed for this
// browser: the broker keeps nothing, and several tabs do not disturb one
// another.
func (d *Door) way(r *http.Request, e Errand, c *connectors.OIDC, ask connectors.Ask) (string, error) {
	trip := c.NewTrip(ask)
	trip.Request = e.Request
	state := d.Trips.SealJSON(trip, e.Browser)
	if len(state) > maxState {
		return "", errTooLong
	}
	return c.URL(r.Context(), trip, state)
}

// back is where the issuer sends the browser.
func (d *Door) back(w http.ResponseWriter, r *http.Request) {
	var trip connectors.Trip
	browser := d.Cookies.BrowserOf(r)
	query := r.URL.Query()
	if browser == "" || d.Trips.OpenJSON(query.Get("state"), browser, &trip) != nil {
		d.lost(w, r)
		return
	}
	c, is := d.Find(trip.Connector).(*connectors.OIDC)
	e, err := d.Open(r, trip.Request)
	if !is || err != nil || trip.Connector != mux.Vars(r)["connector"] {
		d.lost(w, r)
		return
	}
	p, err := c.Return(r.Context(), trip, query)
	switch {
	case err == nil:
		p.AuthTime = d.authTime(r, e, trip, p)
		d.Arrive(w, r, e, p)
	case errors.Is(err, connectors.ErrTrip):
		d.lost(w, r)
	case trip.Silent && !notAllowed(err):
		if !errors.Is(err, connectors.ErrInteraction) {
			d.Log.WarnContext(r.Context(), "a sign-in could not be renewed", "connector", c.ID, "error", err)
		}
		d.Unrenewed(w, r, e)
	default:
		d.notArrived(w, r, e, c, err)
	}
}

// authTime is when somebody who came back showed their proof. An issuer counts
// whole seconds, and a little leeway was left to its clock: neither may make a
// proof seem older than the question that it answers, or than one that the same
// person gave before.
func (d *Door) authTime(r *http.Request, e Errand, trip connectors.Trip, p connectors.Proof) time.Time {
	at := p.AuthTime
	switch before := d.Who(r, e.Browser); {
	case trip.Again:
		at = later(at, time.Unix(trip.At+1, 0))
	case trip.Silent && before != nil && before.Issuer == p.Issuer && before.Subject == p.Subject:
		at = later(at, before.AuthTime)
	}
	if at.After(p.ProvedAt) {
		return p.ProvedAt
	}
	return at
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// notArrived shows why somebody who came back is not signed in.
func (d *Door) notArrived(w http.ResponseWriter, r *http.Request, e Errand, c *connectors.OIDC, err error) {
	switch {
	case errors.Is(err, connectors.ErrDeclined), errors.Is(err, connectors.ErrInteraction):
		d.Log.InfoContext(r.Context(), "somebody came back from an issuer without a sign-in", "connector", c.ID, "error", err)
		d.Ask(w, r, http.StatusOK, e, NoConnector, templates.SignIn{
			Problem: templates.Problem{Text: "You did not sign in at " + c.Name + ". Try again, or choose another way."}})
	case errors.Is(err, connectors.ErrStale):
		d.Pages.Fail(w, r, http.StatusForbidden, c.Name+" was asked for a new sign-in and did not ask you for one.")
	case notAllowed(err), errors.Is(err, credentials.ErrBusy):
		d.notAdmitted(w, r, err)
	default:
		d.unreachable(w, r, c, err)
	}
}

// notAllowed reports that somebody is who they say, and not one of those who
// may come in here.
func notAllowed(err error) bool {
	return errors.Is(err, connectors.ErrNotAllowed) || errors.Is(err, connectors.ErrNoAccount)
}

// notAdmitted shows why somebody may not come in although they are who they
// say. What this browser knew of them from before is over as well.
func (d *Door) notAdmitted(w http.ResponseWriter, r *http.Request, err error) {
	if notAllowed(err) {
		d.Forget(w)
	}
	switch {
	case errors.Is(err, connectors.ErrNotAllowed):
		d.Log.WarnContext(r.Context(), "a sign-in is not allowed", "error", err)
		d.Pages.Fail(w, r, http.StatusForbidden, d.Refused)
	case errors.Is(err, connectors.ErrNoAccount):
		d.Log.ErrorContext(r.Context(), "a sign-in names no account", "error", err)
		d.Pages.Fail(w, r, http.StatusForbidden, "Your sign-in does not say which account is yours.")
	case errors.Is(err, credentials.ErrBusy):
		d.Pages.Fail(w, r, http.StatusServiceUnavailable, "Too many people are signing in at this moment.")
	default:
		d.unavailable(w, r, err)
	}
}

// unreachable shows that the issuer is not to be had, or does not have the broker.
func (d *Door) unreachable(w http.ResponseWriter, r *http.Request, c *connectors.OIDC, err error) {
	said := "an upstream issuer did not answer as it should"
	page := templates.Failure{Status: http.StatusServiceUnavailable, Title: c.Name + " cannot be reached",
		Text: "The company's sign-in did not answer as it should."}
	if errors.Is(err, connectors.ErrNotTaken) {
		said = "an upstream issuer refuses the broker: check the connector's client_id, client_secret (it may have expired there), scopes and params," +
			" and the redirect URI that is registered there"
		page.Title = "Sign-in with " + c.Name + " is set up wrongly"
		page.Text = "It answers, but does not take this sign-in as it is set up. Trying again does not help."
		page.Action = "Tell whoever runs this sign-in: nobody can come in this way until they correct it. Do not count on your last click."
	}
	level := slog.LevelError
	if errors.Is(err, connectors.ErrCarried) { // whoever likes writes it into an address
		level = slog.LevelWarn
	}
	d.Log.Log(r.Context(), level, said, "connector", c.ID, "error", err)
	d.Pages.Failure(w, r, page)
}
