package provider

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/credentials"
)

// pushedPrefix begins the request_uri of a pushed request (RFC 9126 section 2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// pushedLife is how long after it was pushed a request can be begun.
const pushedLife = 90 * time.Second

// push is the endpoint for pushed authorization requests (RFC 9126). The request
// is validated as at the authorization endpoint and comes back sealed, for this
// client, as its request_uri: nothing of it is kept, and nobody else can read it.
// It can be begun as often as the page is loaded, and completed once.
func (p *Provider) push(w http.ResponseWriter, r *http.Request) {
	a, err := p.pushed(r)
	if err != nil {
		op.WriteError(w, r, err, nil)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(struct {
		URI       string `json:"request_uri"`
		ExpiresIn int64  `json:"expires_in"` // seconds
	}{pushedPrefix + a.Sealed, int64(pushedLife.Seconds())})
}

// pushed authenticates the client and validates what it pushes.
func (p *Provider) pushed(r *http.Request) (Request, error) {
	cc, err := presented(r)
	if err != nil {
		return Request{}, err
	}
	c, err := p.authenticate(r.Context(), r.Header, r.PostForm, cc)
	if err != nil {
		return Request{}, err
	}
	q := maps.Clone(r.PostForm)
	q.Set("client_id", c.ID)
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		q.Del(name)
	}
	switch {
	case q.Has("request_uri"):
		return Request{}, oidc.ErrInvalidRequest().WithDescription("request_uri is what this endpoint answers; send the parameters themselves")
	case p.redirectTarget(q) == nil:
		return Request{}, oidc.ErrInvalidRequest().WithDescription("redirect_uri is missing, or is not registered for this client")
	}
	a, refused := p.parseRequest(q, c)
	if refused != nil {
		return Request{}, oidcError(refused.code, refused.text)
	}
	if err := p.bindPushed(r, c, &a); err != nil {
		return Request{}, err
	}
	a.Pushed = credentials.NewID()
	if a.Sealed = sealPacked(p.Pushes, &a, c.ID); len(a.Sealed) > maxSealed {
		return Request{}, oidc.ErrInvalidRequest().WithDescription("the parameters are too much together")
	}
	return a, nil
}

// bindPushed binds the code to the key of the proof that came, as dpop_jkt does
// (RFC 9449 section 10.1). The proof is used up where the client proved itself: a
// visitor must not make us write, and pushing the same again gains nobody anything.
func (p *Provider) bindPushed(r *http.Request, c *Client, a *Request) error {
	held, err := p.proof(r.Header, http.MethodPost, pathPAR, "")
	if err != nil || held == nil {
		return err
	}
	if a.Key != "" && a.Key != held.key {
		return invalidProof("is by another key than dpop_jkt names")
	}
	a.Key = held.key
	if c.Public {
		return nil
	}
	return p.settle(r.Context(), held)
}

// authorizePushed begins a request that was pushed. Nothing else of the query is
// looked at (RFC 9126 section 4).
func (p *Provider) authorizePushed(w http.ResponseWriter, r *http.Request, q url.Values) {
	a, ok := p.openPushed(q)
	if !ok {
		p.Fail(w, r, http.StatusBadRequest, "The app's request is not known here. Go back to the app and begin again.")
		return
	}
	if age := p.Now().Sub(a.Asked()); age > pushedLife || age < -clockLeeway {
		p.Refuse(w, r, a, "invalid_request_uri", "the request_uri is too old; push the request again")
		return
	}
	used, err := p.Store.UsedOnce(r.Context(), a.completion())
	switch {
	case err != nil:
		p.undecided(w, r, a, err)
	case used:
		p.Refuse(w, r, a, "invalid_request_uri", usedPushed)
	default:
		p.begin(w, r, a)
	}
}

const usedPushed = "the request_uri was used before; push the request again"

// openPushed opens the request_uri of the client that pushed it.
func (p *Provider) openPushed(q url.Values) (Request, bool) {
	var a Request
	if len(q["client_id"]) != 1 || len(q["request_uri"]) != 1 {
		return a, false
	}
	c := p.Clients[q.Get("client_id")]
	sealed := strings.TrimPrefix(q.Get("request_uri"), pushedPrefix)
	if c == nil || openPacked(p.Pushes, sealed, c.ID, &a) != nil {
		return a, false
	}
	return a, slices.Contains(c.RedirectURIs, a.RedirectURI) // which may have been taken out meanwhile
}

// completion is what the completion of a pushed request uses up. A sign-in that
// began with it can be gone on with for requestLife.
func (a Request) completion() credentials.Once {
	return credentials.Once{Kind: credentials.OncePushed, Owner: a.Client, ID: a.Pushed, Until: a.Asked().Add(requestLife + time.Minute)}
}

// complete uses a pushed request up, before its code is made; others pass. It
// reports false where it has answered: another completion was first.
func (p *Provider) complete(w http.ResponseWriter, r *http.Request, a Request) bool {
	if a.Pushed == "" {
		return true
	}
	err := p.Store.UseOnce(r.Context(), a.completion())
	switch {
	case errors.Is(err, credentials.ErrUsed):
		p.Refuse(w, r, a, "invalid_request_uri", usedPushed)
	case err != nil:
		p.undecided(w, r, a, err)
	}
	return err == nil
}

// undecided tells the app that nothing could be decided.
func (p *Provider) undecided(w http.ResponseWriter, r *http.Request, a Request, err error) {
	p.Log.ErrorContext(r.Context(), "a pushed request could not be looked up", "error", err)
	p.Refuse(w, r, a, "temporarily_unavailable", "nothing could be decided now; try again later")
}
