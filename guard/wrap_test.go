package guard_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

func TestSupportSessionIsLetInNarrowedAndRecorded(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token), 200, "")
		if got := w.broker.Actions(); len(got) != 1 || got[0].Action != "GET /accounts/{account}/documents/{id}" ||
			got[0].SID != "s1" || got[0].Scope != "documents.read" || got[0].Outcome != "started" {
			w.Fatalf("recorded %+v", got)
		}
		if w.own.Load() != 0 || w.broker.Requests("/introspect") != 0 {
			w.Fatal("the app's own login or the broker was asked")
		}
		w.broker.End("s1", "revoked")
		synctest.Wait()
		r := w.request("GET", document, token)
		w.want(r, 401, "session_ended")
		if got := r.Header().Get("WWW-Authenticate"); got != `Bearer realm="valetkey", error="invalid_token", error_description="the support session has ended"` {
			w.Fatal(got)
		}
		if w.ran.Load() != 1 || len(w.broker.Actions()) != 1 {
			w.Fatal("something ran or was recorded after the end")
		}
	})
}

func TestOwnLoginIsUntouched(t *testing.T) {
	bubble(t, func(w *world) {
		for name, authorization := range map[string]string{
			"no header": "", "basic": "Basic YTpi", "opaque": "Bearer abc", "another issuer's": "Bearer " + w.broker.Sign("at+jwt", map[string]any{"iss": "https://id.example"}),
		} {
			before := w.own.Load()
			r := httptest.NewRequest(http.MethodGet, document, nil)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			w.want(w.serve(r), 200, "")
			if w.own.Load() != before+1 {
				w.Fatalf("%s: the own login was not asked", name)
			}
		}
		if len(w.broker.Actions()) != 0 {
			w.Fatal("what customers do is in the record")
		}
	})
}

func TestNeverFallsBackToOwnLogin(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.want(w.request("GET", document, token[:len(token)-4]+"AAAA"), 401, "bad_signature")
		r := httptest.NewRequest(http.MethodGet, document, nil)
		r.Header.Add("Authorization", "Bearer customers-own")
		r.Header.Add("Authorization", "Bearer "+token)
		w.want(w.serve(r), 401, "malformed")
		w.broker.Down()
		w.g.Forget()
		time.Sleep(time.Minute)
		w.want(w.request("GET", document, token), 503, "unknown_freshness")
		if w.own.Load() != 0 || w.ran.Load() != 0 {
			w.Fatal("a support token reached the app's own login")
		}
	})
}

func TestUndeclaredRouteNeverRuns(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		inner := http.NewServeMux()
		inner.Handle("GET /inner/declared", w.g.Require("documents.read", http.HandlerFunc(w.show)))
		inner.Handle("GET /inner/not", http.HandlerFunc(w.show))
		w.mux.Handle("/inner/", inner)
		tenant := func(*http.Request) string { return "acme" }
		w.mux.Handle("GET /account-only", w.g.RequireAccount(tenant, http.HandlerFunc(w.show)))
		middleware := func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.ran.Add(1); h.ServeHTTP(rw, r) })
		}
		w.mux.Handle("GET /around", middleware(w.g.Require("documents.read", http.HandlerFunc(w.show))))
		other, err := guard.New(w.Context(), w.broker.Config())
		if err != nil {
			w.Fatal(err)
		}
		defer other.Close()
		w.mux.Handle("GET /another-guard", other.Require("documents.read", http.HandlerFunc(w.show)))
		for _, path := range []string{"/undeclared", "/inner/not", "/account-only", "/around", "/another-guard", "/nothing", "//undeclared", "/inner"} {
			w.want(w.request("GET", path, token), 403, "undeclared_route")
			w.want(w.request("POST", path, token), 403, "undeclared_route")
			if !strings.Contains(w.log.String(), "declares nothing by this guard") { // another's Require is none
				w.Errorf("%s: the log does not say whose Require is missing", path)
			}
		}
		if w.ran.Load() != 0 {
			w.Fatal("a handler of an undeclared route ran")
		}
		w.want(w.request("GET", "/inner/declared", token), 200, "")
		w.app = w.g.Wrap(http.HandlerFunc(w.show), w.ownAuth)
		w.want(w.request("GET", "/", token), 403, "undeclared_route")
		w.app = w.g.Wrap(w.g.Require("documents.read", http.HandlerFunc(w.show)), w.ownAuth)
		w.want(w.request("GET", "/", token), 200, "")
	})
}

func TestWithoutWrapNobodyIsLetIn(t *testing.T) {
	bubble(t, func(w *world) {
		w.app = w.mux
		r := w.request("GET", document, "")
		w.want(r, 401, "no_token")
		if got := r.Header().Get("WWW-Authenticate"); got != `Bearer realm="valetkey"` {
			w.Fatal(got)
		}
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 401, "no_token")
		// Own login that loses the context loses the mark too.
		w.app = w.g.Wrap(w.mux, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { next.ServeHTTP(rw, r.WithContext(context.Background())) })
		})
		w.want(w.request("GET", document, ""), 401, "no_token")
		w.app = w.g.Wrap(w.mux, nil) // nobody but support
		w.want(w.request("GET", document, ""), 401, "no_token")
		// Another guard's mark, or session, is none.
		other, err := guard.New(w.Context(), w.broker.Config())
		if err != nil {
			w.Fatal(err)
		}
		defer other.Close()
		w.app = other.Wrap(w.mux, w.ownAuth)
		w.want(w.request("GET", document, ""), 401, "no_token")
		w.app = w.g.Wrap(w.g.Require("documents.read", other.Require("documents.read", http.HandlerFunc(w.show))), nil)
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 401, "no_token")
	})
}

func TestScopeAndAccount(t *testing.T) {
	bubble(t, func(w *world) {
		empty := func(*http.Request) string { return "" }
		w.mux.Handle("GET /empty", w.g.RequireAccount(empty, w.g.Require("documents.read", http.HandlerFunc(w.show))))
		two := func(h http.Handler) http.Handler {
			tenant := func(name string) func(*http.Request) string {
				return func(r *http.Request) string { return r.PathValue(name) }
			}
			return w.g.RequireAccount(tenant("one"), w.g.RequireAccount(tenant("two"), h))
		}
		w.mux.Handle("GET /both/{one}/{two}", two(w.g.Require("documents.read", http.HandlerFunc(w.show))))
		w.mux.Handle("GET /inside", w.g.Require("documents.read", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.g.RequireAccount(func(*http.Request) string { return "other" }, http.HandlerFunc(w.show)).ServeHTTP(rw, r)
		})))
		token := w.broker.Mint(reader("s1"))
		r := w.request("GET", document, w.broker.Mint(guardtest.Session{ID: "s2", Scopes: []string{"documents"}}))
		w.want(r, 403, "insufficient_scope")
		if got := r.Header().Get("WWW-Authenticate"); !has(got, `error="insufficient_scope"`, `scope="documents.read"`) {
			w.Fatal(got)
		}
		w.want(w.request("GET", "/accounts/other/documents/1", token), 403, "wrong_account")
		w.want(w.request("GET", "/empty", token), 403, "wrong_account")
		nobodys := w.broker.Claims(reader("s3"))
		nobodys["account"] = map[string]string{"id": ""}
		w.want(w.request("GET", "/empty", w.broker.Sign("at+jwt", nobodys)), 403, "wrong_account")
		w.want(w.request("GET", "/inside", token), 403, "wrong_account")
		w.want(w.request("GET", "/both/acme/other", token), 403, "wrong_account")
		w.want(w.request("GET", "/both/other/acme", token), 403, "wrong_account")
		w.settle()
		if w.ran.Load() != 0 {
			w.Fatal("a refused request ran")
		}
		refused := map[string]int{}
		for _, a := range w.broker.Actions() {
			refused[a.SID+" "+a.Action+" "+a.Scope+" "+a.Outcome]++
		}
		for _, want := range []string{
			"s2 GET /accounts/{account}/documents/{id} documents.read refused", "s1 GET /accounts/{account}/documents/{id} documents.read refused",
			"s1 GET /empty documents.read refused", "s1 GET /inside documents.read started", "s1 GET /inside documents.read refused",
		} {
			if refused[want] != 1 {
				w.Errorf("%q is %d times in the record: %v", want, refused[want], refused)
			}
		}
	})
}

func TestOpenRouteNeedsNoScope(t *testing.T) {
	bubble(t, func(w *world) {
		w.mux.Handle("GET /style.css", w.g.Open(http.HandlerFunc(w.show)))
		w.want(w.request("GET", "/style.css", w.broker.Mint(guardtest.Session{})), 200, "")
		w.want(w.request("GET", "/style.css", ""), 200, "")
		if len(w.broker.Actions()) != 0 {
			w.Fatal("it is in the record")
		}
	})
}

// TestAnAccountInsideOfAnOpenRoute is shown to nobody: nothing says what was lent for
// it, and nothing would be in the record.
func TestAnAccountInsideOfAnOpenRoute(t *testing.T) {
	bubble(t, func(w *world) {
		ran := w.ran.Load()
		for path, account := range map[string]string{"/its": "acme", "/others": "other"} {
			inner := w.g.RequireAccount(func(*http.Request) string { return account }, http.HandlerFunc(w.show))
			w.mux.Handle("GET "+path, w.g.Open(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { inner.ServeHTTP(rw, r) })))
			w.want(w.request("GET", path, w.broker.Mint(reader("s1"))), 403, "undeclared_route")
		}
		w.settle()
		if w.ran.Load() != ran || len(w.broker.Actions()) != 0 {
			w.Fatalf("it ran, or is in the record: %v", w.broker.Actions())
		}
		w.want(w.request("GET", "/its", ""), 200, "") // the app's own people
	})
}

// ending is a router that a session ends in.
type ending struct {
	guard.Router
	end func()
}

func (e ending) Handler(r *http.Request) (http.Handler, string) {
	e.end()
	return e.Router.Handler(r)
}

func (e ending) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, _ := e.Router.Handler(r)
	h.ServeHTTP(w, r)
}

// TestEndingWhileARequestIsRouted: it is not answered, and nothing is recorded as
// begun.
func TestEndingWhileARequestIsRouted(t *testing.T) {
	bubble(t, func(w *world) {
		w.mux.Handle("GET /style.css", w.g.Open(http.HandlerFunc(w.show)))
		w.mux.Handle("GET /documents", w.g.Require("documents.read", http.HandlerFunc(w.show)))
		for _, path := range []string{"/style.css", "/documents"} {
			w.app = w.g.Wrap(ending{w.mux, func() { w.g.End(path) }}, nil)
			w.want(w.request("GET", path, w.broker.Mint(reader(path))), 401, "session_ended")
		}
		if w.ran.Load() != 0 || len(w.broker.Actions()) != 0 {
			w.Fatalf("%d ran, recorded %+v", w.ran.Load(), w.broker.Actions())
		}
	})
}

func TestHandlerKnowsTheSession(t *testing.T) {
	bubble(t, func(w *world) {
		var got guard.Session
		w.mux.Handle("GET /who", w.g.Require("documents.read", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			s, ok := guard.SessionFrom(r.Context())
			if !ok || !s.Has("documents.read") || s.Has("documents.write") {
				w.Errorf("session %+v, %v", s, ok)
				return
			}
			got = *s
			s.Scopes[0], s.Account.ID = "documents.delete", "other" // must not harm the next request
		})))
		w.mux.Handle("GET /own", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, ok := guard.SessionFrom(r.Context()); ok {
				w.Error("a customer's request has a support session")
			}
		}))
		token := w.broker.Mint(guardtest.Session{ID: "s1", AccountName: "Acme Inc", Scopes: []string{"documents.read"}, Ticket: "T-1", Contact: "Olivia"})
		for range 2 {
			w.want(w.request("GET", "/who", token), 200, "")
		}
		w.want(w.request("GET", "/own", ""), 200, "")
		if got.ID != "s1" || got.Account != (guard.Account{ID: "acme", Name: "Acme Inc"}) || got.Agent.Name != "Dana Reed" || got.Agent.Subject != "dana" ||
			got.Ticket != "T-1" || got.Contact != "Olivia" || got.Policy != "support-pin" || got.Subject != "guest:s1" || got.EndsAt.IsZero() || got.Expires.After(got.EndsAt) {
			w.Fatalf("%+v", got)
		}
	})
}

func TestRunningRequestEndsWithTheSession(t *testing.T) {
	bubble(t, func(w *world) {
		begun, causes := make(chan struct{}), make(chan error, 2)
		w.mux.Handle("GET /long", w.g.Require("documents.read", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := guard.SessionFrom(r.Context())
			close(begun)
			<-s.Done()
			<-r.Context().Done()
			causes <- context.Cause(r.Context())
		})))
		token := w.broker.Mint(reader("s1"))
		go w.request("GET", "/long", token)
		<-begun
		w.broker.End("s1", "revoked")
		if cause := <-causes; !errors.Is(cause, guard.ErrEnded) {
			w.Fatal(cause)
		}
	})
}

func TestCarriedTokenIsSupport(t *testing.T) {
	bubble(t, func(w *world) {
		token := w.broker.Mint(reader("s1"))
		w.g.Carry(func(r *http.Request) (string, bool) {
			c, err := r.Cookie("support")
			return token, err == nil && c.Value == "yes"
		})
		r := httptest.NewRequest(http.MethodGet, document, nil)
		r.AddCookie(&http.Cookie{Name: "support", Value: "yes"})
		w.want(w.serve(r), 200, "")
		if w.own.Load() != 0 {
			w.Fatal("the own login was asked")
		}
		w.want(w.request("GET", document, ""), 200, "")
		if w.own.Load() != 1 {
			w.Fatal("the own login was not asked")
		}
	})
}

func TestMistakesInTheProgramPanic(t *testing.T) {
	bubble(t, func(w *world) {
		for name, mistake := range map[string]func(){
			"no scope":                     func() { w.g.Require("", http.NotFoundHandler()) },
			"two scopes":                   func() { w.g.Require("a b", http.NotFoundHandler()) },
			"a quotation":                  func() { w.g.Require(`a"b`, http.NotFoundHandler()) },
			"no tenant":                    func() { w.g.RequireAccount(nil, http.NotFoundHandler()) },
			"no handler":                   func() { w.g.Require("documents.read", nil) },
			"an account without a handler": func() { w.g.RequireAccount(func(*http.Request) string { return "acme" }, nil) },
			"open and no handler":          func() { w.g.Open(nil) },
			// It would show an account's data without a scope, and without a record.
			"open, of an account": func() {
				w.g.Open(w.g.RequireAccount(func(*http.Request) string { return "acme" }, http.NotFoundHandler()))
			},
		} {
			func() {
				defer func() {
					if recover() == nil {
						w.Errorf("%s: no panic", name)
					}
				}()
				mistake()
			}()
		}
	})
}
