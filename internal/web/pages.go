package web

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/templates"
)

// Pages writes pages with the headers that every one of them has.
type Pages struct {
	Set  *templates.Set
	Live bool   // these pages look by themselves for what is new
	Logo []byte // the operator's logo; nil for none
	Log  *slog.Logger
}

// Write sends a page. returnTo is the redirect URI of the request that the page
// belongs to, if any: Chromium applies form-action to the redirect that follows
// a form, so its origin has to be allowed.
func (p *Pages) Write(w http.ResponseWriter, r *http.Request, status int, returnTo string, render func(io.Writer) error) {
	p.write(w, r, status, actions(returnTo), render)
}

// actions are the sources that forms of a page may lead to.
func actions(returnTo string) string {
	if source := origin(returnTo); source != "" {
		return "'self' " + source
	}
	return "'self'"
}

// FormPost sends the browser to an app's redirect URI with a form of these
// values, which can go to that origin and nowhere else.
func (p *Pages) FormPost(w http.ResponseWriter, r *http.Request, to, client string, values url.Values) {
	page := templates.FormPost{Client: client, Action: to, Values: map[string]string{}}
	for name := range values {
		page.Values[name] = values.Get(name)
	}
	p.write(w, r, http.StatusOK, origin(to), func(w io.Writer) error { return p.Set.FormPost(w, page) })
}

// buffers hold pages until they are whole.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// release lets the next page have the buffer, unless this one was a long one.
// Nothing of a page stays in it: one may have shown a secret.
func release(b *bytes.Buffer) {
	if b.Cap() <= 32<<10 {
		clear(b.Bytes())
		b.Reset()
		buffers.Put(b)
	}
}

func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, action string, render func(io.Writer) error) {
	body := buffers.Get().(*bytes.Buffer)
	defer release(body)
	if err := render(body); err != nil {
		p.Log.ErrorContext(r.Context(), "a page could not be rendered", "path", r.URL.Path, "error", err)
		http.Error(w, "The page cannot be shown. Try again later.", http.StatusInternalServerError)
		return
	}
	headers(w.Header(), action)
	if p.Live {
		h := w.Header()
		h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+"; connect-src 'self'")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len())) // or it is sent in chunks
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// headers sets what protects a page, whose forms lead to these sources.
func headers(h http.Header, action string) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "+
		"form-action "+action+"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// origin is what a content security policy calls the source of a URI: scheme
// and host, or only the scheme of an app's own.
func origin(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return ""
	case u.Scheme == "http" || u.Scheme == "https":
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + ":"
}

// Onward leads a browser on by a GET: from a form, or to another site.
func Onward(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// Fail shows an error page. text says what happened in a sentence; what to do
// now follows from the status.
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	p.Failure(w, r, templates.Failure{Status: status, Text: text})
}

// Failure shows an error page with words of its own. The reference on it stands
// in the log, too, whoever is asked for help; of an address at which nothing is
// there is nothing to tell.
func (p *Pages) Failure(w http.ResponseWriter, r *http.Request, f templates.Failure) {
	if f.Status != http.StatusNotFound {
		f.RequestID = requestID(r.Context())
		p.Log.InfoContext(r.Context(), "an error page is shown", "path", r.URL.Path, "status", f.Status, "text", f.Text)
	}
	p.Write(w, r, f.Status, "", func(w io.Writer) error { return p.Set.Failure(w, f) })
}

// OwnSite refuses posts that other sites' pages sent. A proxy may give the
// broker another name than the browser knows it by, so its own origin is told.
func (p *Pages) OwnSite(issuer string) func(http.Handler) http.Handler {
	own := http.NewCrossOriginProtection()
	if err := own.AddTrustedOrigin(issuer); err != nil {
		p.Log.Error("the issuer is no origin", "error", err) // the configuration has checked that it is
	}
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Fail(w, r, http.StatusForbidden, "This form was sent from another site.")
	}))
	return own.Handler
}

// Mount serves styles, script and logo.
func (p *Pages) Mount(r *mux.Router) {
	for path, asset := range p.Set.Assets() {
		r.Handle(path, serve(asset, "public, max-age=31536000, immutable")).Methods(http.MethodGet, http.MethodHead)
	}
	if p.Logo != nil {
		logo := templates.Asset{Type: http.DetectContentType(p.Logo), Body: p.Logo}
		if logo.Type == "text/xml; charset=utf-8" || logo.Type == "text/plain; charset=utf-8" {
			logo.Type = "image/svg+xml"
		}
		r.Handle(templates.LogoPath, serve(logo, "public, max-age=3600")).Methods(http.MethodGet, http.MethodHead)
	}
}

func serve(a templates.Asset, cache string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", a.Type)
		w.Header().Set("Cache-Control", cache)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		_, _ = w.Write(a.Body)
	})
}
