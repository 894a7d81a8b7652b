package provider

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/valetkey/valetkey/credentials"
)

// Request is a valid authorization request (OpenID Connect Core 1.0 section
// 3.1.2). Between requests it travels sealed, bound to one browser.
type Request struct {
	Client      string
	RedirectURI string
	Scope       []string // as requested
	State       string
	HasState    bool
	Nonce       string
	Challenge   string
	Prompt      []string
	MaxAge      *int64 // seconds
	LoginHint   string
	Key         string   // thumbprint of the key that the code is for (dpop_jkt)
	Pushed      string   // id of the pushed request that this is; completed once
	FormPost    bool     // the answer is posted to the app
	Expected    []string // the request is about one of these sub; empty: about anybody
	Spent       bool     // that one came in with a PIN, so nothing but their session leads there again
	ACR         []string // only one of these will do; empty: any
	Claims      []string // asked for in the ID token
	At          int64    // UTC microseconds

	Sealed  string // this request as text; it and the next one are not carried in it
	Browser string // what binds it to the browser
}

func (*Request) form() byte { return 1 }

// carry implements packed.
func (a *Request) carry(p *parcel) {
	for _, text := range []*string{&a.Client, &a.RedirectURI, &a.State, &a.Nonce, &a.Challenge, &a.LoginHint, &a.Key, &a.Pushed} {
		p.text(text)
	}
	for _, list := range []*[]string{&a.Scope, &a.Prompt, &a.Expected, &a.ACR, &a.Claims} {
		p.texts(list)
	}
	limited := a.MaxAge != nil
	p.flags(&a.HasState, &a.FormPost, &a.Spent, &limited)
	if p.opening && limited {
		a.MaxAge = new(int64)
	}
	if limited {
		p.number(a.MaxAge)
	}
	p.number(&a.At)
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

// errRequest says that a sealed request is too old, or was begun in another
// browser.
var errRequest = errors.New("the sign-in took too long or was begun in another browser")

// Wants reports whether the app asked for this prompt.
func (a Request) Wants(prompt string) bool { return slices.Contains(a.Prompt, prompt) }

// Asked is when the app asked.
func (a Request) Asked() time.Time { return time.UnixMicro(a.At) }

// Fresh reports whether a proof given at this time is new enough for the
// request. One given since the app asked always is: no other could be asked for,
// however long filling in a form takes. One from before is where the app wants
// no new sign-in and it is no older than max_age.
func (a Request) Fresh(authTime, now time.Time) bool {
	if !authTime.Before(a.Asked()) {
		return true
	}
	if a.Wants("login") || a.MaxAge != nil && *a.MaxAge == 0 {
		return false
	}
	return a.MaxAge == nil || !now.After(authTime.Add(time.Duration(*a.MaxAge)*time.Second))
}

// Accepts reports whether the session was opened in a way that the app accepts.
func (a Request) Accepts(s credentials.Session) bool {
	return len(a.ACR) == 0 || slices.Contains(a.ACR, acrOf(s))
}

func (p *Provider) seal(a *Request) {
	a.Sealed = sealPacked(p.Requests, a, a.Browser)
}

// OpenRequest opens a sealed request that this browser began.
func (p *Provider) OpenRequest(sealed, browser string) (Request, error) {
	var a Request
	if browser == "" || openPacked(p.Requests, sealed, browser, &a) != nil {
		return a, errRequest
	}
	c := p.Clients[a.Client]
	if p.Now().Sub(a.Asked()) > requestLife || c == nil || !slices.Contains(c.RedirectURIs, a.RedirectURI) {
		return a, errRequest // both may have been taken out of the configuration meanwhile
	}
	a.Sealed, a.Browser = sealed, browser
	return a, nil
}

// verifies reports whether s looks like a verifier, or its challenge (RFC 7636
// sections 4.1 and 4.2).
func verifies(s string) bool { return len(s) >= 43 && len(s) <= 128 && written(s, "-._~") }

// written reports whether s is of letters and digits of ASCII and these marks. A
// regular expression takes longer, and each sign-in asks it of two texts.
func written(s, marks string) bool {
	for i := range len(s) {
		b := s[i]
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		if !letter && (b < '0' || b > '9') && strings.IndexByte(marks, b) < 0 {
			return false
		}
	}
	return true
}

// parseRequest validates what an authorization request of this client asks for,
// once redirectTarget has found the client: the query of /authorize, or the form
// of a request that was pushed, without what authenticates the client there. A
// request that comes with an error says where, and how, the app is told.
func (p *Provider) parseRequest(q url.Values, c *Client) (Request, *authError) {
	q = answerTo(q)
	a := Request{Client: c.ID, RedirectURI: q.Get("redirect_uri"), State: q.Get("state"), HasState: q.Has("state"),
		Nonce: q.Get("nonce"), Challenge: q.Get("code_challenge"), LoginHint: q.Get("login_hint"), Key: q.Get("dpop_jkt"),
		Prompt: strings.Fields(q.Get("prompt")), Scope: strings.Fields(q.Get("scope")), At: p.Now().UnixMicro()}
	for _, check := range []func(url.Values, *Client, *Request) *authError{
		checkMode, checkCarried, checkSupported, checkChallenge, checkPrompt, checkMaxAge, p.checkClaims, p.checkHint,
		checkKey, checkTarget,
	} {
		if err := check(q, c, &a); err != nil {
			return a, err
		}
	}
	if len(p.Catalogue.Possible(a.Scope, c.Scopes)) == 0 {
		return a, refuse("access_denied", "none of the requested scopes can be lent to this client")
	}
	return a, nil
}

// answerTo adds what a request object alone says of how its app wants to be
// answered (OpenID Connect Core 1.0 section 6.1): by which response_mode and with
// which state. There are no request objects here, so every such request is
// refused, whatever is in it, and nobody needs to have signed it: the app could
// have said both in the open. But only so it hears that it is refused.
func answerTo(q url.Values) url.Values {
	parts := strings.SplitN(q.Get("request"), ".", 4)
	if len(parts) != 3 {
		return q
	}
	var object struct {
		Mode  string `json:"response_mode"`
		State string `json:"state"`
	}
	if claims, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || json.Unmarshal(claims, &object) != nil {
		return q
	}
	out := maps.Clone(q)
	for name, value := range map[string]string{"response_mode": object.Mode, "state": object.State} {
		if value != "" && !q.Has(name) {
			out.Set(name, value)
		}
	}
	return out
}

// checkMode comes first: it says how the app is told of every other error. Only
// a site can be posted to, and a form does not carry every state unchanged.
func checkMode(q url.Values, _ *Client, a *Request) *authError {
	switch mode := q.Get("response_mode"); {
	case len(q["response_mode"]) > 1:
		return refuse("invalid_request", "response_mode is given twice")
	case mode == "" || mode == "query":
		return nil
	case mode != "form_post":
		return refuse("invalid_request", "only response_mode=query and response_mode=form_post are supported")
	case !strings.HasPrefix(a.RedirectURI, "https://") && !strings.HasPrefix(a.RedirectURI, "http://"):
		return refuse("invalid_request", "response_mode=form_post needs a redirect_uri of a web site")
	case !utf8.ValidString(a.State) || strings.ContainsFunc(a.State, unicode.IsControl):
		return refuse("invalid_request", "response_mode=form_post needs a state without control characters")
	}
	a.FormPost = true
	return nil
}

func checkSupported(q url.Values, c *Client, a *Request) *authError {
	switch {
	case q.Get("request") != "":
		return refuse("request_not_supported", "request objects are not supported")
	case q.Get("request_uri") != "":
		return refuse("request_uri_not_supported", "request_uri is not supported")
	case q.Get("registration") != "":
		return refuse("registration_not_supported", "registration is not supported")
	case q.Get("response_type") == "":
		return refuse("invalid_request", "response_type is missing; send response_type=code")
	case q.Get("response_type") != "code":
		return refuse("unsupported_response_type", "only response_type=code is supported")
	case !c.has(grantCode):
		return refuse("unauthorized_client", "this client may not use the authorization code grant")
	case len(a.Scope) == 0:
		return refuse("invalid_scope", "scope is missing")
	}
	return nil
}

// checkChallenge demands PKCE (RFC 7636) of everybody but a client with a secret
// whose configuration lets it do without; what is sent must be right.
func checkChallenge(q url.Values, c *Client, a *Request) *authError {
	switch {
	case a.Challenge == "" && c.NoPKCE && !c.Public && q.Get("code_challenge_method") == "":
		return nil
	case a.Challenge == "":
		return refuse("invalid_request", "code_challenge is missing; PKCE with S256 is required")
	case q.Get("code_challenge_method") != "S256":
		return refuse("invalid_request", "code_challenge_method must be S256")
	case !verifies(a.Challenge):
		return refuse("invalid_request", "code_challenge is not one of S256")
	}
	return nil
}

// prompts are what an app can ask for (OpenID Connect Core 1.0 section 3.1.2.1).
// consent and select_account both show what is about to be entered, even to an
// agent who is in already: there they go on, or end it and enter another.
var prompts = []string{"none", "login", "consent", "select_account"}

func checkPrompt(_ url.Values, _ *Client, a *Request) *authError {
	for _, prompt := range a.Prompt {
		if !slices.Contains(prompts, prompt) {
			return refuse("invalid_request", "prompt can be "+strings.Join(prompts, ", "))
		}
	}
	if a.Wants("none") && len(a.Prompt) > 1 {
		return refuse("invalid_request", "prompt=none stands alone")
	}
	return nil
}

// checkCarried refuses what cannot be carried to the end of the sign-in as it
// was sent. What the protocol does not know is not carried, and is ignored.
func checkCarried(q url.Values, _ *Client, _ *Request) *authError {
	if repeats(q) {
		return refuse("invalid_request", "a parameter is given twice")
	}
	for _, secret := range []string{"client_secret", "client_assertion", "access_token", "pin", "password"} {
		if q.Has(secret) {
			return refuse("invalid_request", "a secret does not belong into an address: "+secret)
		}
	}
	for _, name := range []string{"scope", "state", "nonce", "login_hint", "prompt", "claims"} {
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

func checkMaxAge(q url.Values, _ *Client, a *Request) *authError {
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
