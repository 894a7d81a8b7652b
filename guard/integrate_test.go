package guard_test

import (
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// newApp is the app of docs/integrate.md.
func newApp(g *guard.Guard) http.Handler {
	tenant := func(r *http.Request) string { return r.PathValue("account") }
	documents := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux := http.NewServeMux()
	mux.Handle("GET /accounts/{account}/documents", g.Require("documents.read", g.RequireAccount(tenant, documents)))
	return g.Wrap(mux, nil)
}

func TestSupportSeesDocumentsUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // with a clock of its own: nothing waits
		broker := guardtest.New(t, guardtest.InMemory())
		g, err := guard.New(t.Context(), broker.Config())
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		app := newApp(g)
		token := broker.Mint(guardtest.Session{ID: "s1", Account: "acme", Scopes: []string{"documents.read"}})
		get := func() int {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/accounts/acme/documents", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			app.ServeHTTP(w, r)
			return w.Code
		}
		if got := get(); got != http.StatusOK {
			t.Errorf("while it lives: %d", got)
		}
		broker.End("s1", "revoked")
		synctest.Wait() // until the app has heard of it
		if got := get(); got != http.StatusUnauthorized {
			t.Errorf("after its end: %d", got)
		}
		if done := broker.Actions(); len(done) != 1 || done[0].Scope != "documents.read" {
			t.Errorf("the record has %v", done)
		}
	})
}

// TestTheGuideIsGo: what docs/integrate.md and the README show can be pasted, and
// the test that the guide shows is the one above.
func TestTheGuideIsGo(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("integrate_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for file, blocks := range map[string]int{"../docs/integrate.md": 5, "../README.md": 1} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "```go\n")[1:]
		if len(parts) != blocks {
			t.Errorf("%s has %d blocks of Go, want %d", file, len(parts), blocks)
		}
		for _, part := range parts {
			code, _, _ := strings.Cut(part, "```\n")
			if strings.HasPrefix(code, "func Test") {
				if !strings.Contains(string(own), code) {
					t.Errorf("%s shows another test than this file has:\n%s", file, code)
				}
				continue
			}
			whole := "package p\nfunc _() error {\n" + code + "\n}"
			if strings.HasPrefix(code, "type ") {
				whole = "package p\n" + code
			}
			if _, err := parser.ParseFile(token.NewFileSet(), "", whole, 0); err != nil {
				t.Errorf("%s: %v in\n%s", file, err, code)
			}
		}
	}
}
