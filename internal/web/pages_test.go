package web

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/templates"
)

// secret stands for what must not reach a visitor.
const secret = "MARKER-7f3a"

func newPages(t *testing.T) (*Pages, *bytes.Buffer) {
	t.Helper()
	set, err := templates.New(templates.Brand{Product: "Northwind Docs"})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	return &Pages{Set: set, Log: slog.New(LogAttrs{slog.NewTextHandler(&log, nil)})}, &log
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func TestHeadersOfEveryPage(t *testing.T) {
	t.Parallel()
	p, _ := newPages(t)
	for name, f := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, r *http.Request) {
			p.Write(w, r, http.StatusOK, "https://docs.example/callback", func(w io.Writer) error {
				return p.Set.Code(w, templates.Code{Request: "r"})
			})
		},
		"an error": func(w http.ResponseWriter, r *http.Request) { p.Fail(w, r, http.StatusNotFound, "Nothing is here.") },
		"a panic":  func(http.ResponseWriter, *http.Request) { panic("x") },
	} {
		got := get(p.Visitor(nil, f), "/").Header()
		for header, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Access-Control-Allow-Origin": "",
		} {
			if got.Get(header) != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got.Get(header), want)
			}
		}
		csp := got.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy lacks %s: %s", name, part, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy is lax: %s", name, csp)
		}
	}
}

// TestFormAction: a form may lead to this site and to the app it is for,
// nowhere else.
func TestFormAction(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"":                                   "form-action 'self';",
		"https://docs.example/callback?a=b":  "form-action 'self' https://docs.example;",
		"https://docs.example:8443/callback": "form-action 'self' https://docs.example:8443;",
		"http://127.0.0.1:4711/callback":     "form-action 'self' http://127.0.0.1:4711;",
		"http://[::1]:4711/callback":         "form-action 'self' http://[::1]:4711;",
		"https://user:pass@docs.example/":    "form-action 'self' https://docs.example;",
		"com.example.app:/callback":          "form-action 'self' com.example.app:;",
		"/relative":                          "form-action 'self';",
		"://":                                "form-action 'self';",
	} {
		h := http.Header{}
		headers(h, actions(uri))
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, want) {
			t.Errorf("%q: %s, want %s", uri, csp, want)
		}
	}
}

// TestFormPostLeadsToTheAppAlone: its form goes to the redirect URI's origin,
// not even back here.
func TestFormPostLeadsToTheAppAlone(t *testing.T) {
	t.Parallel()
	p, _ := newPages(t)
	for uri, want := range map[string]string{
		"https://docs.example/callback?a=b":  "form-action https://docs.example;",
		"https://docs.example:8443/callback": "form-action https://docs.example:8443;",
		"http://127.0.0.1:4711/callback":     "form-action http://127.0.0.1:4711;",
	} {
		w := httptest.NewRecorder()
		p.FormPost(w, httptest.NewRequest(http.MethodGet, "/authorize", nil), uri, "Docs", url.Values{"code": {"c+d"}, "state": {""}})
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, want) || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s, want %s", uri, csp, want)
		}
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `name="code" value="c&#43;d"`) || !strings.Contains(w.Body.String(), `name="state" value=""`) {
			t.Errorf("%s: %d %s", uri, w.Code, w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", uri, w.Header())
		}
	}
}

// TestPanic: the visitor sees a page and a number, the log has the cause.
func TestPanic(t *testing.T) {
	t.Parallel()
	p, log := newPages(t)
	w := get(p.Visitor(nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errors.New(secret)) })), "/redeem")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), secret) || strings.Contains(w.Body.String(), "goroutine") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	id := between(log.String(), "request=", "\n")
	if !strings.Contains(log.String(), secret) || id == "" || !strings.Contains(w.Body.String(), id) {
		t.Errorf("the page does not lead to the log's entry %q:\n%s\n%s", id, w.Body, log)
	}
}

// TestAbort: a reply that is cut on purpose is cut, not completed with a page.
func TestAbort(t *testing.T) {
	t.Parallel()
	p, log := newPages(t)
	server := httptest.NewUnstartedServer(p.Visitor(nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	defer server.Close()
	if answer, err := http.Get(server.URL); err == nil {
		_ = answer.Body.Close()
		t.Errorf("a cut reply arrives whole: %d", answer.StatusCode)
	}
	if log.Len() != 0 {
		t.Errorf("it is logged as a mistake: %s", log)
	}
}

// TestUnrenderable: half a page is never sent, nor the reason.
func TestUnrenderable(t *testing.T) {
	t.Parallel()
	p, log := newPages(t)
	w := get(p.Visitor(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Write(w, r, http.StatusOK, "", func(w io.Writer) error {
			_, _ = io.WriteString(w, "half a page")
			return errors.New(secret)
		})
	})), "/")
	if body := w.Body.String(); w.Code != http.StatusInternalServerError || strings.Contains(body, "half a page") || strings.Contains(body, secret) {
		t.Errorf("%d %s", w.Code, body)
	}
	if !strings.Contains(log.String(), secret) {
		t.Error("nobody is told why")
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	p, _ := newPages(t)
	p.Logo = []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	r := mux.NewRouter()
	p.Mount(r)
	paths := map[string]string{templates.LogoPath: "image/svg+xml"}
	for path, asset := range p.Set.Assets() {
		paths[path] = asset.Type
	}
	for path, kind := range paths {
		w := get(r, path)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Type") != kind || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s with %d bytes", path, w.Code, h.Get("Content-Type"), w.Body.Len())
		}
		// An SVG that is opened by itself runs no scripts.
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "sandbox") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Cache-Control"), "public, max-age=") {
			t.Errorf("%s: %v", path, h)
		}
	}
	for _, path := range []string{"/assets/", "/assets/../secrets", "/assets/other.css"} {
		if w := get(r, path); w.Code == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// TestLive: only pages that look for what is new may fetch, and from this site
// alone.
func TestLive(t *testing.T) {
	t.Parallel()
	for live, want := range map[bool]string{false: "", true: "connect-src 'self'"} {
		p, _ := newPages(t)
		p.Live = live
		w := get(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.Fail(w, r, http.StatusNotFound, "x") }), "/")
		_, got, _ := strings.Cut(w.Header().Get("Content-Security-Policy"), "connect-src")
		if got != strings.TrimPrefix(want, "connect-src") {
			t.Errorf("live %v: connect-src%s", live, got)
		}
	}
}

// TestOwnSite: forms of other sites are refused with a page, whatever name a
// proxy gave the broker.
func TestOwnSite(t *testing.T) {
	t.Parallel()
	p, _ := newPages(t)
	own := p.OwnSite("https://access.northwind.example")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, c := range []struct {
		method, site, origin string
		status               int
	}{
		{http.MethodPost, "same-origin", "https://access.northwind.example", http.StatusNoContent},
		{http.MethodPost, "", "https://access.northwind.example", http.StatusNoContent}, // the proxy's name for it is node-1
		{http.MethodPost, "cross-site", "https://evil.example", http.StatusForbidden},
		{http.MethodPost, "same-site", "https://evil.northwind.example", http.StatusForbidden},
		{http.MethodPost, "", "https://evil.example", http.StatusForbidden},
		{http.MethodPost, "", "null", http.StatusForbidden},
		{http.MethodGet, "cross-site", "https://evil.example", http.StatusNoContent},
	} {
		r := httptest.NewRequest(c.method, "http://node-1:8400/redeem", nil)
		for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		if own.ServeHTTP(w, r); w.Code != c.status || w.Code == http.StatusForbidden && !strings.Contains(w.Body.String(), "sent from another site") {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}
