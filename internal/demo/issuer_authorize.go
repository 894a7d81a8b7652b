package demo

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request is a valid authorization request.
type request struct {
	client      Client
	redirectURI string
	state       string
	nonce       string
	challenge   string
	scope       []string
	prompt      []string
	maxAge      time.Duration // negative: any
}

// grant is what a code, and then an access token, stands for.
type grant struct {
	request
	login
}

// refusal is why a request is not valid. Without a code it cannot be told to
// the client, because it is not known to be one.
type refusal struct{ code, text string }

// challengeLength is that of a SHA-256 in base64url (RFC 7636 section 4.2).
const challengeLength = 43

// parse reads an authorization request (OpenID Connect Core 1.0 section
// 3.1.2.1). The client and its redirect URI are settled first: nobody is sent
// anywhere before.
func (i *Issuer) parse(query string) (request, *refusal) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return request{}, &refusal{text: "The request cannot be read."}
	}
	for _, values := range q {
		if len(values) > 1 {
			return request{}, &refusal{text: "The request has a parameter twice."}
		}
	}
	at := slices.IndexFunc(i.Clients, func(c Client) bool { return c.ID == q.Get("client_id") })
	if at < 0 {
		return request{}, &refusal{text: "The app that sent you here is not known."}
	}
	a := request{client: i.Clients[at], redirectURI: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"),
		challenge: q.Get("code_challenge"), scope: strings.Fields(q.Get("scope")), prompt: strings.Fields(q.Get("prompt")), maxAge: -1}
	if !slices.Contains(a.client.RedirectURIs, a.redirectURI) {
		return request{}, &refusal{text: "The app that sent you here wants you back at an address that is not its own."}
	}
	return a, a.check(q)
}

// check looks at everything else; what is wrong is told to the client.
func (a *request) check(q url.Values) *refusal {
	switch {
	case q.Has("request"):
		return &refusal{"request_not_supported", "request objects are not supported"}
	case q.Has("request_uri"):
		return &refusal{"request_uri_not_supported", "request_uri is not supported"}
	case q.Get("response_type") != "code":
		return &refusal{"unsupported_response_type", "response_type must be code"}
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		return &refusal{"invalid_request", "response_mode must be query"}
	case !slices.Contains(a.scope, "openid"):
		return &refusal{"invalid_scope", "scope must hold openid"}
	case q.Get("code_challenge_method") != "S256" || len(a.challenge) != challengeLength:
		return &refusal{"invalid_request", "a code_challenge with S256 is required"}
	case a.wants("none") && len(a.prompt) > 1:
		return &refusal{"invalid_request", "prompt=none stands alone"}
	case q.Get("max_age") != "":
		seconds, err := strconv.ParseUint(q.Get("max_age"), 10, 31)
		if err != nil {
			return &refusal{"invalid_request", "max_age must be a number of seconds"}
		}
		a.maxAge = time.Duration(seconds) * time.Second
	}
	return nil
}

func (a *request) wants(prompt string) bool { return slices.Contains(a.prompt, prompt) }

// toGet turns a posted authorization request into the same as a link: forms of
// other sites come without the sign-in's cookie, and the redirect has it.
func (i *Issuer) toGet(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) || r.URL.RawQuery != "" {
		i.fail(w, "The request cannot be read.")
		return
	}
	http.Redirect(w, r, i.path+"/authorize?"+r.PostForm.Encode(), http.StatusSeeOther)
}

func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	a, wrong := i.parse(r.URL.RawQuery)
	if wrong != nil {
		i.refuse(w, r, a, wrong)
		return
	}
	have, ok := i.login(r)
	again := !ok || a.wants("login") || a.wants("select_account") || a.maxAge >= 0 && i.Now().Sub(have.at) > a.maxAge
	switch {
	case again && a.wants("none"):
		i.refuse(w, r, a, &refusal{"login_required", "nobody is signed in who would do"})
	case again:
		i.page(w, http.StatusOK, "sign-in", "Sign in", signInPage{
			Client: a.client.Name, Action: i.path + "/sign-in", Request: r.URL.RawQuery, People: i.People})
	default:
		i.finish(w, r, a, have)
	}
}

// signIn is the answer to the page: somebody's name, and the request again.
func (i *Issuer) signIn(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		i.fail(w, "The form cannot be read.")
		return
	}
	a, wrong := i.parse(r.PostForm.Get("request"))
	if wrong != nil {
		i.refuse(w, r, a, wrong)
		return
	}
	now, ok := i.enter(w, r, r.PostForm.Get("person"))
	if !ok {
		i.fail(w, "There is nobody of that name.")
		return
	}
	i.finish(w, r, a, now)
}

func (i *Issuer) finish(w http.ResponseWriter, r *http.Request, a request, who login) {
	i.answer(w, r, a, url.Values{"code": {i.codes.put(grant{a, who}, codeLife)}})
}

func (i *Issuer) refuse(w http.ResponseWriter, r *http.Request, a request, why *refusal) {
	if why.code == "" {
		i.fail(w, why.text)
		return
	}
	i.answer(w, r, a, url.Values{"error": {why.code}, "error_description": {why.text}})
}

// answer sends the browser back to the client, naming the issuer (RFC 9207).
func (i *Issuer) answer(w http.ResponseWriter, r *http.Request, a request, params url.Values) {
	params.Set("iss", i.URL)
	if a.state != "" {
		params.Set("state", a.state)
	}
	to := a.redirectURI + "?"
	if strings.Contains(a.redirectURI, "?") {
		to = a.redirectURI + "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to+params.Encode(), http.StatusSeeOther)
}

func (i *Issuer) fail(w http.ResponseWriter, text string) {
	i.page(w, http.StatusBadRequest, "message", "This sign-in cannot go on", messagePage{Text: text,
		Advice: "Go back to the app and begin again."})
}
