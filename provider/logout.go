package provider

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Logout is a request to sign out (OpenID Connect RP-Initiated Logout 1.0
// section 2). Between requests it travels sealed, bound to one browser.
type Logout struct {
	Client   string `json:"c,omitempty"` // the app that asks, where that is known
	SID      string `json:"s,omitempty"` // the session of its id_token_hint; empty without a valid one
	ReturnTo string `json:"u,omitempty"` // registered for the client; empty: nowhere
	Astray   bool   `json:"x,omitempty"` // the app wants to go on to what is not
	State    string `json:"t,omitempty"`
	HasState bool   `json:"h,omitempty"`
	At       int64  `json:"a"` // UTC microseconds

	// Ends are the sessions that the page has said are to end: those and no
	// others do, whatever the browser holds when the form is sent.
	Ends []string `json:"e,omitempty"`

	Refused string `json:"-"` // why nothing may come of it, in a sentence
	Browser string `json:"-"` // what binds it to the browser
}

// Sealed sign-outs share a sealer with authorization requests. These keep them
// apart, and those that a browser has from those on their way from an app.
const (
	boundLogout = "logout/"
	boundPosted = "logout posted"
)

// maxHint bounds an id_token_hint with the rest of a request, in bytes.
const maxHint = 16 << 10

// logout is the end_session_endpoint. A GET goes on to the agent's pages, which
// end the session or ask. A POST comes from the app's site and so carries no
// cookie of ours: it answers 303 to such a GET.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	var a Logout
	switch r.Method {
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, maxHint)
		if a.Refused = unreadable; r.URL.RawQuery == "" && r.ParseForm() == nil {
			a = p.parseLogout(r.PostForm)
		}
		if a.Refused == "" {
			onward(w, r, pathLogout+"?r="+p.Requests.SealJSON(a, boundPosted))
			return
		}
	case http.MethodGet:
		a = p.queriedLogout(r.URL.RawQuery)
	default: // a HEAD must not end anything
		w.Header().Set("Allow", "GET, POST")
		p.Fail(w, r, http.StatusMethodNotAllowed, "This page is reached from an app.")
		return
	}
	if a.Refused == "" {
		a.Browser = p.Browser(w, r)
	}
	p.SignOut(w, r, a)
}

// unreadable is why a request is refused that cannot be parsed.
const unreadable = "The app sent a request that cannot be read."

// queriedLogout reads the query of a GET: what an app asks, or r, what it
// posted.
func (p *Provider) queriedLogout(raw string) Logout {
	q, err := url.ParseQuery(raw)
	if len(raw) > maxHint || err != nil {
		return Logout{Refused: unreadable}
	}
	if !q.Has("r") {
		return p.parseLogout(q)
	}
	var a Logout
	if len(q) > 1 || len(q["r"]) > 1 || p.Requests.OpenJSON(q.Get("r"), boundPosted, &a) != nil || !p.current(a) {
		return Logout{Refused: "The request of the app is too old."}
	}
	return a
}

// parseLogout judges what an app asks. ui_locales, logout_hint and what the
// protocol does not know change nothing.
func (p *Provider) parseLogout(q url.Values) Logout {
	for _, values := range q {
		if len(values) > 1 {
			return Logout{Refused: "The app sent a parameter twice."}
		}
	}
	a := Logout{State: q.Get("state"), HasState: q.Has("state"), At: p.Now().UnixMicro()}
	if len(a.State) > maxParameter {
		return Logout{Refused: "The app sent too much."}
	}
	client := p.Clients[q.Get("client_id")]
	if raw := q.Get("id_token_hint"); raw != "" {
		hint, ok := p.openHint(raw)
		switch {
		case !ok:
			client = nil // whoever sends what we did not sign is not believed to be an app of ours
		case q.Get("client_id") != "" && q.Get("client_id") != hint.Audience:
			return Logout{Refused: "The app gave two names that differ."}
		default:
			client, a.SID = p.Clients[hint.Audience], hint.SID
		}
	}
	if client != nil {
		a.Client = client.ID
	}
	if to := q.Get("post_logout_redirect_uri"); to != "" {
		if a.Astray = client == nil || !slices.Contains(client.AfterLogout, to); !a.Astray {
			a.ReturnTo = to
		}
	}
	return a
}

// openHint opens an ID token that we issued to a client of ours at some time,
// however long ago: nothing else is an id_token_hint.
func (p *Provider) openHint(raw string) (idClaims, bool) {
	id, ok := p.openID(raw)
	future := time.Unix(id.Issued, 0).After(p.Now().Add(clockLeeway))
	return id, ok && p.Clients[id.Audience] != nil && id.SID != "" && !future
}

// current reports whether a sealed sign-out can still be gone on with: it is not
// too old, and the configuration knows of it what it knew.
func (p *Provider) current(a Logout) bool {
	if p.Now().Sub(time.UnixMicro(a.At)) > requestLife {
		return false
	}
	c := p.Clients[a.Client]
	return a.ReturnTo == "" || c != nil && slices.Contains(c.AfterLogout, a.ReturnTo)
}

// SealLogout makes the request's text for a form of this browser.
func (p *Provider) SealLogout(a Logout) string {
	return p.Requests.SealJSON(a, boundLogout+a.Browser)
}

// OpenLogout opens a sealed request to sign out that this browser began.
func (p *Provider) OpenLogout(sealed, browser string) (Logout, error) {
	var a Logout
	if browser == "" || p.Requests.OpenJSON(sealed, boundLogout+browser, &a) != nil || !p.current(a) {
		return Logout{}, errRequest
	}
	a.Browser = browser
	return a, nil
}

// SignedOut sends the browser back to the app that asked, with the state it
// gave, if it gave an address to go to. It reports whether it did.
func (p *Provider) SignedOut(w http.ResponseWriter, r *http.Request, a Logout) bool {
	if a.ReturnTo == "" {
		return false
	}
	to := a.ReturnTo
	if a.HasState {
		to = with(to, url.Values{"state": {a.State}})
	}
	onward(w, r, to)
	return true
}
