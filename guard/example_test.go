package guard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// ownAuth stands for the login that an app has already.
func ownAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer olivia" {
			http.Error(w, "sign in first", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func showDocument(w http.ResponseWriter, r *http.Request) {
	if s, ok := guard.SessionFrom(r.Context()); ok {
		fmt.Fprintf(w, "%s sees document %s of %s", s.Agent.Name, r.PathValue("id"), s.Account.ID)
		return
	}
	fmt.Fprintf(w, "a customer sees document %s", r.PathValue("id"))
}

// An app beside its own login: customers come in as ever, agents with what was
// lent, until the customer ends it.
func Example() {
	broker := guardtest.New(exampleT{}) // in an app: the real one, and its Config written out
	g, err := guard.New(context.Background(), broker.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()

	tenant := func(r *http.Request) string { return r.PathValue("account") }
	mux := http.NewServeMux()
	mux.Handle("GET /accounts/{account}/documents/{id}",
		g.Require("documents.read", g.RequireAccount(tenant, http.HandlerFunc(showDocument)), guard.Action("View document")))
	mux.Handle("GET /billing", http.HandlerFunc(showDocument)) // declares nothing: closed to support
	app := g.Wrap(mux, ownAuth)

	token := broker.Mint(guardtest.Session{ID: "s1", Account: "acme", Scopes: []string{"documents.read"}})
	get := func(path, token string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	get("/accounts/acme/documents/7", "olivia")
	get("/accounts/acme/documents/7", token)
	get("/accounts/other/documents/7", token)
	get("/billing", token)
	for _, a := range broker.Actions() {
		if a.Outcome == "started" {
			fmt.Println("recorded:", a.Action)
		}
	}
	broker.End("s1", "revoked")
	for g.Live(context.Background(), "s1") == nil { // it takes some milliseconds to get here
		time.Sleep(time.Millisecond)
	}
	get("/accounts/acme/documents/7", token)
	// Output:
	// 200 a customer sees document 7
	// 200 Dana Reed sees document 7 of acme
	// 403 {"error":"insufficient_scope","code":"wrong_account","error_description":"the support session is for another account"}
	//
	// 403 {"error":"insufficient_scope","code":"undeclared_route","error_description":"this is closed to support sessions"}
	//
	// recorded: View document
	// 401 {"error":"invalid_token","code":"session_ended","error_description":"the support session has ended"}
}

// A job that outlives its request looks before each step.
func ExampleGuard_Live() {
	broker := guardtest.New(exampleT{})
	g, err := guard.New(context.Background(), broker.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	var job func()
	done := make(chan struct{})
	app := g.Wrap(g.Require("documents.export", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := guard.SessionFrom(r.Context())
		job = func() {
			defer close(done)
			for g.Live(context.Background(), s.ID) == nil {
				time.Sleep(time.Millisecond) // one step
			}
			fmt.Println("stopped")
		}
		w.WriteHeader(http.StatusAccepted)
	})), nil)
	r := httptest.NewRequest(http.MethodPost, "/export", nil)
	r.Header.Set("Authorization", "Bearer "+broker.Mint(guardtest.Session{ID: "s1", Scopes: []string{"documents.export"}}))
	app.ServeHTTP(httptest.NewRecorder(), r)
	go job()
	broker.End("s1", "revoked")
	<-done
	// Output: stopped
}

// A router other than http.ServeMux says, by one method, which handler a request
// will be given to.
func ExampleRouter() {
	broker := guardtest.New(exampleT{})
	g, err := guard.New(context.Background(), broker.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	app := g.Wrap(table{"/documents": g.Require("documents.read", http.HandlerFunc(showDocument))}, nil)
	r := httptest.NewRequest(http.MethodGet, "/documents", nil)
	r.Header.Set("Authorization", "Bearer "+broker.Mint(guardtest.Session{Scopes: []string{"documents.read"}}))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output: 200
}

// table is a router of its own kind.
type table map[string]http.Handler

func (t table) Handler(r *http.Request) (http.Handler, string) { return t[r.URL.Path], r.URL.Path }

func (t table) ServeHTTP(w http.ResponseWriter, r *http.Request) { t[r.URL.Path].ServeHTTP(w, r) }

// exampleT stands for the *testing.T that an app's test has.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                      {}
func (exampleT) Cleanup(func())               {}
func (exampleT) Context() context.Context     { return context.Background() }
func (exampleT) Fatalf(text string, a ...any) { fmt.Fprintf(os.Stderr, text+"\n", a...) }
