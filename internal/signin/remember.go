package signin

import (
	"net/http"
	"time"

	"github.com/valetkey/valetkey/internal/connectors"
)

// kept is what the cookie holds.
type kept struct {
	Proof connectors.Proof `json:"p"`
	Seen  int64            `json:"s"` // UTC seconds
}

// Remember keeps the proof in this browser, under a new value.
func (d *Door) Remember(w http.ResponseWriter, browser string, p connectors.Proof) {
	d.Cookies.Put(w, d.Cookie, browser, kept{p, d.Now().Unix()}, d.Life)
}

// Forget removes it.
func (d *Door) Forget(w http.ResponseWriter) { d.Cookies.Drop(w, d.Cookie) }

// Who returns who is signed in in this browser, if they still may be.
func (d *Door) Who(r *http.Request, browser string) *connectors.Proof {
	var k kept
	if !d.Cookies.Get(r, d.Cookie, browser, &k) || d.Now().Sub(k.Proof.ProvedAt) > d.Life {
		return nil
	}
	if d.Idle > 0 && d.Now().Sub(time.Unix(k.Seen, 0)) > d.Idle {
		return nil
	}
	c := d.Find(k.Proof.Connector)
	if c == nil || !c.Still(k.Proof) {
		return nil
	}
	return &k.Proof
}

// Saw counts as activity of somebody who is signed in.
func (d *Door) Saw(w http.ResponseWriter, browser string, p connectors.Proof) {
	left := d.Life - d.Now().Sub(p.ProvedAt)
	d.Cookies.Put(w, d.Cookie, browser, kept{p, d.Now().Unix()}, left)
}
