package guardtest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

// newApp is what an app under test would have.
func newApp(g *guard.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /documents", g.Require("documents.read", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}), guard.Action("List documents")))
	return g.Wrap(mux, nil)
}

// get asks an app for its documents.
func get(app http.Handler, token string) int {
	r := httptest.NewRequest(http.MethodGet, "/documents", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w.Code
}

// What an app's test does: mint a token, use the app, look into the record.
func Example() {
	var t testing.TB = example{} // in a test: its *testing.T

	broker := guardtest.New(t)
	g, err := guard.New(t.Context(), broker.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	app := newApp(g)

	fmt.Println(get(app, broker.Mint(guardtest.Session{Scopes: []string{"documents.read"}})))
	fmt.Println(get(app, broker.Mint(guardtest.Session{Scopes: []string{"settings.read"}})))
	fmt.Println(broker.Actions()[0].Action)
	// Output:
	// 204
	// 403
	// List documents
}

// TestAnEnding is how an app tests that it obeys: in a bubble of testing/synctest
// nothing has to be waited for.
func TestAnEnding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := guardtest.New(t, guardtest.InMemory())
		g, err := guard.New(t.Context(), broker.Config())
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		app := newApp(g)
		token := broker.Mint(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}})
		if code := get(app, token); code != http.StatusNoContent {
			t.Fatalf("answered %d", code)
		}
		synctest.Wait()
		broker.End("s1", "revoked")
		synctest.Wait()
		if code := get(app, token); code != http.StatusUnauthorized {
			t.Fatalf("answered %d after the end", code)
		}
		<-time.After(time.Second) // of the bubble: a receipt may take a quarter of one
		if acks := broker.Acks(); len(acks) != 1 || acks[0].ID != broker.Position() {
			t.Fatalf("receipts %+v", acks)
		}
	})
}

// example stands for a *testing.T.
type example struct{ testing.TB }

func (example) Helper()                   {}
func (example) Cleanup(func())            {}
func (example) Context() context.Context  { return context.Background() }
func (example) Fatal(said ...any)         { panic(fmt.Sprint(said...)) }
func (example) Fatalf(s string, a ...any) { panic(fmt.Sprintf(s, a...)) }
