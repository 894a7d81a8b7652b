package provider

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Request is a valid authorization request (OpenID Connect Core 1.0 section
// 3.1.2). Between requests it travels sealed, bound to one browser.
type Request struct {
	Client      string   `json:"c"`
	RedirectURI string   `json:"u"`
	Scope       []string `json:"s"` // as requested
	State       string   `json:"t,omitempty"`
	HasState    bool     `json:"h,omitempty"`
	Nonce       string   `json:"n,omitempty"`
	Challenge   string   `json:"k"`
	Prompt      []string `json:"p,omitempty"`
	MaxAge      *int64   `json:"m,omitempty"` // seconds
	LoginHint   string   `json:"l,omitempty"`
	Expected    string   `json:"e,omitempty"` // the sub that a silent request is about
	At          int64    `json:"a"`           // UTC microseconds

	Sealed  string `json:"-"` // this request as text
	Browser string `json:"-"` // what binds it to the browser
}

// requestLife is how long a sealed request can be gone on with.
const requestLife = 10 * time.Minute

// Limits of what is carried along, in bytes.
const (
	maxParameter = 2048
	maxNonce     = 512 // it travels in the code too
	maxQuery     = 12 << 10
	maxSealed    = 7 << 10 // it travels in URLs, of which servers in front take 8 KB
)

// ErrRequest says that a sealed request is too old, or was begun in another
// browser.
var ErrRequest = errors.New("the sign-in took too long or was begun in another browser")

// Wants reports whether the app asked for this prompt.
func (a Request) Wants(prompt string) bool { return slices.Contains(a.Prompt, prompt) }

// Asked is when the app asked.
func (a Request) Asked() time.Time { return time.UnixMicro(a.At) }

// Fresh reports whether a proof given at this time is new enough for the
// request: given after it where the app wants a new sign-in, and no older than
// max_age.
func (a Request) Fresh(authTime, now time.Time) bool {
	if a.Wants("login") && authTime.Before(a.Asked()) {
		return false
	}
	if a.MaxAge != nil && *a.MaxAge == 0 && authTime.Before(a.Asked()) {
		return false
	}
	return a.MaxAge == nil || *a.MaxAge == 0 || !now.After(authTime.Add(time.Duration(*a.MaxAge)*time.Second))
}

func (p *Provider) seal(a *Request) {
	a.Sealed = p.Requests.SealJSON(a, a.Browser)
}

// OpenRequest opens a sealed request that this browser began.
func (p *Provider) OpenRequest(sealed, browser string) (Request, error) {
	var a Request
	if browser == "" || p.Requests.OpenJSON(sealed, browser, &a) != nil {
		return a, ErrRequest
	}
	c := p.Clients[a.Client]
	if p.Now().Sub(a.Asked()) > requestLife || c == nil || !slices.Contains(c.RedirectURIs, a.RedirectURI) {
		return a, ErrRequest // both may have been taken out of the configuration meanwhile
	}
	a.Sealed, a.Browser = sealed, browser
	return a, nil
}

// authError is an error of RFC 6749 section 4.1.2.1 for the redirect.
type authError struct{ code, text string }

func refuse(code, text string) *authError { return &authError{code, text} }

var challengeForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`) // RFC 7636 section 4.2

// parseRequest validates what an authorization request of this client asks for,
// once redirectTarget has found the client: the query of /authorize, or the form
// of a request that was pushed, without what authenticates the client there. A
// request that comes with an error says where the app is told.
func (p *Provider) parseRequest(q url.Values, c *Client) (Request, *authError) {
	a := Request{Client: c.ID, RedirectURI: q.Get("redirect_uri"), State: q.Get("state"), HasState: q.Has("state"),
		Nonce: q.Get("nonce"), Challenge: q.Get("code_challenge"), LoginHint: q.Get("login_hint"),
		Prompt: strings.Fields(q.Get("prompt")), Scope: strings.Fields(q.Get("scope")), At: p.Now().UnixMicro()}
	if err := checkCarried(q); err != nil {
		return a, err
	}
	switch {
	case q.Has("request"):
		return a, refuse("request_not_supported", "request objects are not supported")
	case q.Has("request_uri"):
		return a, refuse("request_uri_not_supported", "request_uri is not supported")
	case q.Has("registration"):
		return a, refuse("registration_not_supported", "registration is not supported")
	case q.Get("response_type") == "":
		return a, refuse("invalid_request", "response_type is missing; send response_type=code")
	case q.Get("response_type") != "code":
		return a, refuse("unsupported_response_type", "only response_type=code is supported")
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		return a, refuse("invalid_request", "only response_mode=query is supported")
	case !c.has(grantCode):
		return a, refuse("unauthorized_client", "this client may not use the authorization code grant")
	case a.Challenge == "":
		return a, refuse("invalid_request", "code_challenge is missing; PKCE with S256 is required")
	case q.Get("code_challenge_method") != "S256":
		return a, refuse("invalid_request", "code_challenge_method must be S256")
	case !challengeForm.MatchString(a.Challenge):
		return a, refuse("invalid_request", "code_challenge is not one of S256")
	case len(a.Scope) == 0:
		return a, refuse("invalid_scope", "scope is missing")
	case a.Wants("none") && len(a.Prompt) > 1:
		return a, refuse("invalid_request", "prompt=none stands alone")
	}
	if err := parseMaxAge(q, &a); err != nil {
		return a, err
	}
	if hint := q.Get("id_token_hint"); hint != "" && a.Wants("none") {
		a.Expected = p.hinted(hint, c)
	}
	if len(p.Catalogue.Possible(a.Scope, c.Scopes)) == 0 {
		return a, refuse("access_denied", "none of the requested scopes can be lent to this client")
	}
	return a, nil
}

// checkCarried refuses what cannot be carried to the end of the sign-in as it
// was sent. What the protocol does not know is not carried, and is ignored.
func checkCarried(q url.Values) *authError {
	for _, values := range q {
		if len(values) > 1 {
			return refuse("invalid_request", "a parameter is given twice")
		}
	}
	for _, secret := range []string{"client_secret", "client_assertion", "access_token", "pin", "password"} {
		if q.Has(secret) {
			return refuse("invalid_request", "a secret does not belong into an address: "+secret)
		}
	}
	for _, name := range []string{"scope", "state", "nonce", "login_hint", "prompt"} {
		most := maxParameter
		if name == "nonce" {
			most = maxNonce
		}
		switch value := q.Get(name); {
		case len(value) > most:
			return refuse("invalid_request", name+" is too long")
		case !utf8.ValidString(value):
			return refuse("invalid_request", name+" is not UTF-8")
		}
	}
	return nil
}

func parseMaxAge(q url.Values, a *Request) *authError {
	if !q.Has("max_age") || q.Get("max_age") == "" {
		return nil
	}
	n, err := strconv.ParseInt(q.Get("max_age"), 10, 32)
	if err != nil || n < 0 {
		return refuse("invalid_request", "max_age is a number of seconds")
	}
	a.MaxAge = &n
	return nil
}

// answer sends the browser back to the app with these parameters, the state,
// and the issuer (RFC 9207).
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, a Request, params url.Values) {
	if a.HasState {
		params.Set("state", a.State)
	}
	params.Set("iss", p.Issuer)
	join := "?"
	if strings.Contains(a.RedirectURI, "?") {
		join = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, a.RedirectURI+join+params.Encode(), http.StatusSeeOther)
}
