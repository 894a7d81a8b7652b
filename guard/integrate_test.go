package guard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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

// What the guide's pieces of a function stand among, and its types.
const (
	aroundPieces = `package p
import ("context"; "log"; "net/http"; "os"; "github.com/valetkey/valetkey/guard")
var (
	ctx context.Context
	g *guard.Guard
	mux *http.ServeMux
	listDocuments, deleteAccount, styles http.Handler
	ownAuth func(http.Handler) http.Handler
	addr, secret string
	cookieKey []byte
	_, _ = log.Fatal, os.Getenv
)
func _() error {
%s
_ = err
return nil
}`
	aroundTypes = `package p
import ("net/http"; "github.com/go-chi/chi/v5"; "github.com/gorilla/mux"; "github.com/valetkey/valetkey/guard")
var (
	g *guard.Guard
	_ mux.Router
	_ = chi.NewRouter
)
%s`
)

// uses have the guide's types do what it says of them.
var uses = map[string]string{
	"gorillaRouter": "func _(router *mux.Router) { g.Wrap(gorillaRouter{router}, nil) }",
	"chiRouter":     "func _(m *chi.Mux) (http.Handler, error) { c, err := askChi(m); return g.Wrap(c, nil), err }",
}

// TestTheGuideIsGo: what docs/integrate.md and the README show can be pasted, and
// the test that the guide shows is the one above.
func TestTheGuideIsGo(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("integrate_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var packages []string // that are nowhere but in the overlay
	overlay := map[string]string{}
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
			whole := fmt.Sprintf(aroundPieces, code)
			if name, is := strings.CutPrefix(code, "type "); is {
				name, _, _ = strings.Cut(name, " ")
				whole = fmt.Sprintf(aroundTypes, code+uses[name])
			}
			folder := fmt.Sprint("guide", len(packages))
			kept := filepath.Join(t.TempDir(), folder+".go")
			if err := os.WriteFile(kept, []byte(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			packages = append(packages, "./"+folder)
			overlay[filepath.Join(folder, "guide.go")] = kept
		}
	}
	compile(t, overlay, packages)
}

// compile builds packages of this folder that lie elsewhere.
func compile(t *testing.T, overlay map[string]string, packages []string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for at, kept := range overlay {
		replace[filepath.Join(here, at)] = kept
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-overlay", file}, packages...)...)
	if said, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
