package provider

import (
	"net/http"
	"net/url"
	"strings"
)

// authError is an error for the app: of RFC 6749 section 4.1.2.1, OpenID Connect
// Core 1.0 section 3.1.2.6, or Core Unmet Authentication Requirements 1.0.
type authError struct{ code, text string }

func refuse(code, text string) *authError { return &authError{code, text} }

func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, a Request, e *authError) {
	p.answer(w, r, a, url.Values{"error": {e.code}, "error_description": {e.text}})
}

// Refuse sends the app an error; see authError.
func (p *Provider) Refuse(w http.ResponseWriter, r *http.Request, a Request, code, text string) {
	p.refuse(w, r, a, refuse(code, text))
}

// answer sends the browser back to the app with these parameters, the state,
// and the issuer (RFC 9207).
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, a Request, params url.Values) {
	if a.HasState {
		params.Set("state", a.State)
	}
	params.Set("iss", p.Issuer)
	if a.FormPost {
		p.FormPost(w, r, a, params)
		return
	}
	onward(w, r, with(a.RedirectURI, params))
}

// with adds parameters to the URI of an app, which may have some of its own.
func with(uri string, params url.Values) string {
	join := "?"
	if strings.Contains(uri, "?") {
		join = "&"
	}
	return uri + join + params.Encode()
}

// onward leads a browser on by a GET.
func onward(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, to, http.StatusSeeOther)
}
