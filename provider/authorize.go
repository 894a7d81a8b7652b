package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/credentials"
)

// authorize is the authorization endpoint. A GET validates the request and
// seals it; nothing is written. A POST answers 303 to such a GET: it comes from
// the app's site and so carries no cookie of ours.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		p.authorizePost(w, r)
		return
	case http.MethodGet, http.MethodHead:
	default:
		w.Header().Set("Allow", "GET, POST")
		p.Fail(w, r, http.StatusMethodNotAllowed, "This page is reached from an app.")
		return
	}
	if len(r.URL.RawQuery) > maxQuery {
		p.Fail(w, r, http.StatusBadRequest, "The app sent too much.")
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		p.Fail(w, r, http.StatusBadRequest, "The app sent a request that cannot be read.")
		return
	}
	if strings.HasPrefix(q.Get("request_uri"), pushedPrefix) {
		p.authorizePushed(w, r, q)
		return
	}
	c := p.redirectTarget(q)
	if c == nil {
		p.unregistered(r, q)
		p.Fail(w, r, http.StatusBadRequest, "The app is not known here, or asked to return to an address that is not registered for it.")
		return
	}
	a, refused := p.parseRequest(q, c)
	if refused == nil && c.RequirePAR {
		refused = refuse("invalid_request", "this client must push its requests; see pushed_authorization_request_endpoint")
	}
	if refused != nil {
		p.refuse(w, r, a, refused)
		return
	}
	p.begin(w, r, a)
}

// begin binds a valid request to this browser and hands it to the pages.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request, a Request) {
	a.Browser = p.Browser(w, r)
	if p.seal(&a); len(a.Sealed) > maxSealed {
		p.Refuse(w, r, a, "invalid_request", "the parameters are too much together")
		return
	}
	p.Interact(w, r, a)
}

func (p *Provider) authorizePost(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxQuery)
	if r.URL.RawQuery != "" || r.ParseForm() != nil {
		p.Fail(w, r, http.StatusBadRequest, "The app sent a request that cannot be read.")
		return
	}
	onward(w, r, pathAuthorize+"?"+r.PostForm.Encode())
}

// redirectTarget finds the client, if the redirect URI is registered for it,
// character by character. Nothing is redirected before that.
func (p *Provider) redirectTarget(q url.Values) *Client {
	if len(q["client_id"]) != 1 || len(q["redirect_uri"]) != 1 {
		return nil
	}
	c := p.Clients[q.Get("client_id")]
	if c == nil || !slices.Contains(c.RedirectURIs, q.Get("redirect_uri")) {
		return nil
	}
	return c
}

// unregistered tells whoever runs the broker what an app asked with: the agent
// can do nothing about it, and the app is told nothing.
func (p *Provider) unregistered(r *http.Request, q url.Values) {
	c := p.Clients[q.Get("client_id")]
	if c == nil {
		p.Log.WarnContext(r.Context(), "an app asks with a client_id that is not in the configuration", "client_id", fmt.Sprintf("%.300s", q.Get("client_id")))
		return
	}
	p.Log.WarnContext(r.Context(), "an app asks to return to an address that is not among its redirect_uris",
		"client", c.ID, "redirect_uri", fmt.Sprintf("%.300s", q.Get("redirect_uri")))
}

// Finish sends the app a code for the session. It writes nothing but the
// completion of a request that was pushed: the code is sealed, and its one use is
// settled when it comes to the token endpoint.
func (p *Provider) Finish(w http.ResponseWriter, r *http.Request, a Request, s credentials.Session) {
	client := p.Clients[a.Client]
	if len(a.Expected) > 0 && !slices.Contains(a.Expected, subjectOf(s, client)) {
		p.Refuse(w, r, a, "login_required", "the support session in this browser is not the one that the app asks for")
		return
	}
	if !a.Accepts(s) {
		p.Refuse(w, r, a, "unmet_authentication_requirements", "the support session was not opened in a way that the app accepts")
		return
	}
	granted := p.narrow(a.Scope, s.Scopes, client)
	if len(granted) == 0 {
		p.Refuse(w, r, a, "access_denied", "the customer lent none of the requested scopes")
		return
	}
	if !p.complete(w, r, a) {
		return
	}
	code := p.sealCode(code{
		ID: credentials.NewID(), Account: s.Account.ID, SID: s.ID, RedirectURI: a.RedirectURI,
		Challenge: a.Challenge, Nonce: a.Nonce, Key: a.Key, Scope: granted, Claims: a.Claims, At: p.Now().UnixMicro(),
	}, a.Client)
	p.answer(w, r, a, url.Values{"code": {code}})
}

// narrow decides the scopes of a grant; see scopes.Catalogue.Narrow. Without
// refresh tokens there is no offline access to grant.
func (p *Provider) narrow(requested, lent []string, c *Client) []string {
	out := p.Catalogue.Narrow(requested, lent, c.Scopes)
	if c.has(grantRefresh) {
		return out
	}
	return slices.DeleteFunc(out, func(name string) bool { return name == "offline_access" })
}
