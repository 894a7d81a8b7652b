package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/mux"
)

// TestDirect: the short way leads where the router leads, whatever is asked for.
func TestDirect(t *testing.T) {
	t.Parallel()
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	at := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) { _, _ = w.Write([]byte(name + mux.Vars(q)["name"])) }
	}
	r.HandleFunc("/token", at("token"))
	r.HandleFunc("/redeem", at("redeem")).Methods(http.MethodPost)
	r.HandleFunc("/redeem", at("redeem page")).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/a.b", at("dotted")).Methods(http.MethodGet)
	r.HandleFunc("/ä", at("never"))
	r.HandleFunc("/by/{name}", at("by")).Methods(http.MethodGet)
	r.HandleFunc("/by/{name:[a-z]+}/x", at("by")).Methods(http.MethodGet)
	r.PathPrefix("/api/").Handler(at("api"))
	r.HandleFunc("/api/shadowed", at("never")).Methods(http.MethodPost)
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("X-Used", "yes")
			next.ServeHTTP(w, q)
		})
	})
	r.NotFoundHandler = http.NotFoundHandler()
	h := Direct(r)
	for _, p := range []place{{http.MethodPost, "/token"}, {http.MethodPost, "/redeem"}, {http.MethodGet, "/redeem"}} {
		if h.(direct).handlers[p] == nil {
			t.Errorf("there is no short way to %v", p)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, "TOKEN", "get"} {
		for _, target := range []string{"/token", "/token/", "//token", "/./token", "/x/../token", "/%74oken", "/token?x=/redeem", "/TOKEN", "/redeem", "/redeem%2f", "/a.b", "/axb", "/%C3%A4",
			"/by/token", "/by/%2Ftoken", "/by/{name}", "/by/sam/x", "/api/", "/api/shadowed", "/", "/none"} {
			got, want := httptest.NewRecorder(), httptest.NewRecorder()
			h.ServeHTTP(got, httptest.NewRequest(method, target, nil))
			r.ServeHTTP(want, httptest.NewRequest(method, target, nil))
			if got.Code != want.Code || got.Body.String() != want.Body.String() || got.Header().Get("X-Used") != want.Header().Get("X-Used") {
				t.Errorf("%s %s: %d %q, want %d %q", method, target, got.Code, got.Body, want.Code, want.Body)
			}
		}
	}
}
