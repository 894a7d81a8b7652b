package guard_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
	"github.com/valetkey/valetkey/internal/testkit"
)

// world is an app with a guard, beside a broker of its own.
type world struct {
	testing.TB
	broker *guardtest.Broker
	g      *guard.Guard
	clocks *guard.Clocks
	mux    *http.ServeMux
	app    http.Handler
	log    *testkit.Log
	ran    atomic.Int64 // how often a handler of the app ran
	own    atomic.Int64 // how often the app's own login was asked
}

type change func(*guard.Config)

// bubble runs a test whose time is its own, with a broker in memory.
func bubble(t *testing.T, test func(*world), changes ...change) {
	t.Helper()
	bubbleWith(t, nil, test, changes...)
}

func bubbleWith(t *testing.T, options []guardtest.Option, test func(*world), changes ...change) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, guardtest.New(t, append(options, guardtest.InMemory())...), changes...)
		w.settle()
		test(w)
	})
}

func newWorld(t testing.TB, broker *guardtest.Broker, changes ...change) *world {
	t.Helper()
	w := &world{TB: t, broker: broker, clocks: &guard.Clocks{}, mux: http.NewServeMux(), log: &testkit.Log{}}
	cfg := broker.Config()
	cfg.Instance = "app-1"
	cfg.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, c := range changes {
		c(&cfg)
	}
	var err error
	if w.g, err = guard.NewWithClocks(t.Context(), cfg, w.clocks); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.g.Close() })
	tenant := func(r *http.Request) string { return r.PathValue("account") }
	w.mux.Handle("GET /accounts/{account}/documents/{id}", w.g.Require("documents.read", w.g.RequireAccount(tenant, http.HandlerFunc(w.show))))
	w.mux.Handle("GET /undeclared", http.HandlerFunc(w.show))
	w.app = w.g.Wrap(w.mux, w.ownAuth)
	return w
}

// ownAuth is the app's own login: it lets everybody in.
func (w *world) ownAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.own.Add(1)
		next.ServeHTTP(rw, r)
	})
}

func (w *world) show(rw http.ResponseWriter, r *http.Request) {
	w.ran.Add(1)
	io.WriteString(rw, "shown")
}

// settle lets everything that was begun come to rest.
func (w *world) settle() {
	time.Sleep(time.Millisecond)
	synctest.Wait()
}

const document = "/accounts/acme/documents/1"

// reply is what a caller was told.
type reply struct {
	*httptest.ResponseRecorder
	Code string // of the JSON body
}

// request sends a request with a support token.
func (w *world) request(method, path, token string) reply {
	r := httptest.NewRequestWithContext(w.Context(), method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.serve(r)
}

func (w *world) serve(r *http.Request) reply {
	rec := httptest.NewRecorder()
	w.app.ServeHTTP(rec, r)
	var body struct{ Code string }
	_ = json.Unmarshal(rec.Body.Bytes(), &body) // a page of the app's is no JSON
	return reply{rec, body.Code}
}

// want compares what a caller was told.
func (w *world) want(r reply, status int, code string) {
	w.Helper()
	if r.ResponseRecorder.Code != status || r.Code != code {
		w.Fatalf("answered %d %q, want %d %q\n%s\n%s", r.ResponseRecorder.Code, r.Code, status, code, r.Body, w.log)
	}
}

func reader(id string) guardtest.Session {
	return guardtest.Session{ID: id, Scopes: []string{"documents.read"}}
}

func has(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
