package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
)

// direct is a short way to handlers of fixed paths.
type direct struct {
	router   *mux.Router
	handlers map[place]http.Handler
}

// place is what a fixed path is asked by.
type place struct{ method, path string }

// Direct is a router whose routes are looked for beforehand where they have a fixed
// path. It tries the pattern of one route after the other, and copies the request
// twice, which is a fiftieth of an introspection. What was not looked for it
// decides as ever. No route may depend on more than method and path.
func Direct(r *mux.Router) http.Handler {
	d := direct{r, map[place]http.Handler{}}
	_ = r.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, _ := route.GetPathTemplate() // empty: it has none
		at := url.URL{Path: path}
		if path == "" || strings.Contains(path, "{") || at.EscapedPath() != path {
			return nil
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			var match mux.RouteMatch
			if r.Match(&http.Request{Method: method, URL: &at}, &match) && match.MatchErr == nil && len(match.Vars) == 0 {
				d.handlers[place{method, path}] = match.Handler
			}
		}
		return nil
	})
	return d
}

// ServeHTTP implements http.Handler.
func (d direct) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := d.handlers[place{r.Method, r.URL.Path}]; h != nil && r.URL.RawPath == "" { // and so it was sent
		h.ServeHTTP(w, r)
		return
	}
	d.router.ServeHTTP(w, r)
}
