package provider

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/valetkey/valetkey/internal/keys"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// maxAgeKeys is how long relying apps may keep discovery and JWKS.
var maxAgeKeys = fmt.Sprintf("public, max-age=%d", int(keys.MaxAge.Seconds()))

// guard stands before the library: methods, sizes, duplicate parameters,
// credentials in the query, cross-origin rules, headers, panics.
func (p *Provider) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathUserinfo {
			r = present(r)
		}
		g := &guarded{ResponseWriter: w, r: r}
		defer p.recover(g, r)
		public := r.URL.Path == pathKeys || strings.HasPrefix(r.URL.Path, "/.well-known/")
		if public {
			w.Header().Set("Cache-Control", maxAgeKeys)
			w.Header().Set("Access-Control-Allow-Origin", "*")
		} else {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Pragma", "no-cache")
			if p.crossOrigin(w, r) {
				return
			}
			if p.Nonces != nil && r.Header.Get(headerDPoP) != "" {
				w.Header().Set("DPoP-Nonce", p.nonce())
			}
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if allow := methodsOf(r.URL.Path, public); !slices.Contains(allow, r.Method) {
			w.Header().Set("Allow", strings.Join(allow, ", "))
			op.WriteError(g, r, op.NewStatusError(oidc.ErrInvalidRequest().WithDescription("use %s", strings.Join(allow, " or ")), http.StatusMethodNotAllowed), nil)
			return
		}
		err := check(w, r)
		if err == nil {
			err = p.precheck(r)
		}
		if err != nil {
			op.WriteError(g, r, err, nil)
			return
		}
		next.ServeHTTP(g, r)
	})
}

func methodsOf(path string, public bool) []string {
	switch {
	case public:
		return []string{http.MethodGet, http.MethodHead}
	case path == pathUserinfo:
		return []string{http.MethodGet, http.MethodPost}
	}
	return []string{http.MethodPost}
}

// check refuses what the library would let through. It leaves the form parsed.
func check(w http.ResponseWriter, r *http.Request) error {
	for _, name := range []string{"Authorization", "Content-Type"} {
		if len(r.Header.Values(name)) > 1 {
			return oidc.ErrInvalidRequest().WithDescription("the %s header is given twice", name)
		}
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if r.ContentLength != 0 && !isForm(r.Header.Get("Content-Type")) {
			return oidc.ErrInvalidRequest().WithDescription("send application/x-www-form-urlencoded")
		}
	}
	if err := parse(r); err != nil {
		return oidc.ErrInvalidRequest().WithDescription("the parameters cannot be read, or are more than %d bytes", maxBody)
	}
	var query url.Values
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	if r.Method == http.MethodPost && len(query) > 0 || query.Has("access_token") {
		return oidc.ErrInvalidRequest().WithDescription("send parameters in the body; nothing is accepted in the query")
	}
	return duplicates(r, query)
}

// usualBody is the size that nearly every body is within, in bytes.
const usualBody = 4 << 10

// bodies hold what is posted while it is read.
var bodies = sync.Pool{New: func() any { return new([usualBody]byte) }}

// parse is ParseForm; that makes its way to a body of known length through ever
// larger buffers. A body that is shorter than it said is an error of both.
func parse(r *http.Request) error {
	n := r.ContentLength
	if r.Method != http.MethodPost || n <= 0 || n > usualBody || r.URL.RawQuery != "" {
		return r.ParseForm()
	}
	body := bodies.Get().(*[usualBody]byte)
	defer func() {
		clear(body[:n]) // there may be secrets in it
		bodies.Put(body)
	}()
	_, err := io.ReadFull(r.Body, body[:n])
	if err == nil {
		err = r.Body.Close() // or the server looks whether there is more
	}
	if err != nil {
		return err
	}
	r.PostForm, err = url.ParseQuery(string(body[:n]))
	r.Form = r.PostForm
	return err
}

// isForm reports whether a body of this type is a form.
func isForm(contentType string) bool {
	const form = "application/x-www-form-urlencoded"
	if contentType == form { // as nearly everybody writes it
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == form
}

// precheck answers before the library does what that gives other errors than
// RFC 6749 section 5.2: a grant type that nobody here has, and a client that
// does not say who it is or tries to in a way that we do not have.
func (p *Provider) precheck(r *http.Request) error {
	switch r.URL.Path {
	case pathToken:
		if grant := r.PostForm.Get("grant_type"); grant != "" && !slices.Contains(p.grants(), grant) {
			if cc, err := presented(r); err == nil {
				p.name(r.Context(), p.Clients[cc.ClientID])
			}
			return oidc.ErrUnsupportedGrantType().WithDescription("the grant type is not supported")
		}
	case pathIntrospect, pathRevoke, pathPAR:
		r.Form.Del("grant_type") // which the library judges here too
	default:
		return nil
	}
	_, err := presented(r)
	return err
}

// presented finds how a client presents itself, and refuses a request in which
// none does by client_secret_basic, client_secret_post, private_key_jwt or, but
// for introspection, its id.
func presented(r *http.Request) (*op.ClientCredentials, error) {
	if r.PostForm.Has("client_assertion") || r.PostForm.Has("client_assertion_type") {
		if r.PostForm.Get("client_assertion_type") != jwtBearer || r.PostForm.Get("client_assertion") == "" {
			return nil, invalidClient("send client_assertion with client_assertion_type=" + jwtBearer)
		}
		return &op.ClientCredentials{ClientID: r.PostForm.Get("client_id")}, nil
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if r.Header.Get("Authorization") != "" {
		rawID, rawSecret, ok := r.BasicAuth()
		var idErr, secretErr error
		id, idErr = url.QueryUnescape(rawID) // RFC 6749 section 2.3.1
		secret, secretErr = url.QueryUnescape(rawSecret)
		if !ok || idErr != nil || secretErr != nil {
			return nil, invalidClient("the Authorization header is not one of client_secret_basic")
		}
	}
	switch {
	case id == "":
		return nil, invalidClient("the client does not say who it is")
	case r.URL.Path == pathIntrospect && secret == "":
		return nil, invalidClient("introspection is for clients that prove who they are")
	}
	return &op.ClientCredentials{ClientID: id, ClientSecret: secret}, nil
}

func duplicates(r *http.Request, query url.Values) error {
	if repeats(r.PostForm) || repeats(query) {
		return oidc.ErrInvalidRequest().WithDescription("a parameter is given twice")
	}
	if r.URL.Path == pathUserinfo && r.Header.Get("Authorization") != "" && r.PostForm.Has("access_token") {
		return oidc.ErrInvalidRequest().WithDescription("send the access token once, in the header or in the body")
	}
	return nil
}

// crossOrigin allows the origins that some client lists, at token and userinfo
// only, without credentials. It reports whether it answered a preflight.
func (p *Provider) crossOrigin(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	if r.URL.Path != pathToken && r.URL.Path != pathUserinfo {
		return false
	}
	w.Header().Add("Vary", "Origin")
	if origin == "" || !p.any(func(c *Client) bool { return slices.Contains(c.Origins, origin) }) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
	if r.Method != http.MethodOptions {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

func (p *Provider) recover(w *guarded, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	p.Log.ErrorContext(r.Context(), "the provider panicked", "path", r.URL.Path, "cause", cause)
	if !w.written {
		op.WriteError(w, r, unavailable(), nil)
	}
}

// guarded adds WWW-Authenticate to refusals (RFC 6749 section 5.2, RFC 6750
// section 3), which the library leaves out.
type guarded struct {
	http.ResponseWriter
	r       *http.Request
	written bool
}

func (g *guarded) WriteHeader(status int) {
	g.written = true
	if status >= http.StatusBadRequest {
		g.Header().Set("Cache-Control", "no-store") // even where the answer itself may be kept
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusBadRequest && g.r.URL.Path == pathUserinfo {
		g.Header().Set("WWW-Authenticate", g.challenge(status))
	}
	g.ResponseWriter.WriteHeader(status)
}

func (g *guarded) Write(b []byte) (int, error) {
	g.written = true
	return g.ResponseWriter.Write(b)
}

func (g *guarded) challenge(status int) string {
	how := presentationOf(g.r.Context())
	switch {
	case g.r.URL.Path != pathUserinfo:
		return `Basic realm="valetkey"`
	case how.error != "":
		return challengeDPoP(how.error, "")
	case status == http.StatusForbidden && how.dpop:
		return challengeDPoP("insufficient_scope", `, scope="openid"`)
	case status == http.StatusUnauthorized && how.dpop:
		return challengeDPoP("invalid_token", "")
	case status == http.StatusForbidden:
		return `Bearer realm="valetkey", error="insufficient_scope", scope="openid"`
	case status == http.StatusBadRequest:
		return `Bearer realm="valetkey", error="invalid_request"`
	case g.r.Header.Get("Authorization") == "" && g.r.PostForm.Get("access_token") == "":
		return `Bearer realm="valetkey"`
	}
	return `Bearer realm="valetkey", error="invalid_token"`
}
