package templates

import (
	"io"
	"time"
)

// Verified is the answer to "is the caller who they say?", for an agent.
type Verified struct {
	Request string // sealed request, to go on with
	Client  string
	Agent   Agent
	Account string
	Handle  string
	Contact string // the one person the PIN was valid for; empty: anyone of the account
	By      string // who made the PIN; may be empty
	Policy  string // its name
	Reason  string
	At, Now time.Time
}

// verifiedView is Verified as the page draws it.
type verifiedView struct {
	Verified
	Asked clock // when the PIN was tried
}

// Verified writes the answer. A PIN that is bound to one person proves who
// calls; any other proves only that an account stands behind the call, and the
// page must not say more.
func (s *Set) Verified(w io.Writer, p Verified) error {
	title := "The caller is who they say"
	if p.Contact == "" {
		title = "The caller speaks for " + p.Account
	}
	return s.render(w, "verified", title, false, verifiedView{p, newClock(p.At, p.Now)})
}
