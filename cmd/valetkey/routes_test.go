package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
)

// TestTheRouteTable: e2e/testdata/routes.txt lists every route, for the tests that
// know the program from outside only and ask at all of them. What lies below a
// path that ends in a slash, other documents tell.
func TestTheRouteTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "valetkey.yaml")
	if err := os.WriteFile(path, []byte(smallConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, r, err := loadRules(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBroker(t.Context(), cfg, r, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.store.Close()
	var routes []string
	err = b.router().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		at, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if err != nil {
			methods = []string{"*"} // it looks for itself
		}
		if !strings.HasPrefix(at, "/assets/") {
			routes = append(routes, strings.Join(methods, ",")+" "+at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(routes)
	want, err := os.ReadFile("../../e2e/testdata/routes.txt")
	if got := strings.Join(routes, "\n") + "\n"; err != nil || string(want) != got {
		t.Errorf("e2e/testdata/routes.txt does not list the routes (%v). They are:\n%s", err, got)
	}
}
