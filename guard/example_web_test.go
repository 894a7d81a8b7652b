package guard_test

import (
	"context"
	"crypto/rand"
	"html/template"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/valetkey/valetkey/guard"
)

// A web app with a login of its own lets support in beside it. /support begins a
// sign-in; the callback and /support/end are served, too.
func ExampleNewLogin() {
	g, err := guard.New(context.Background(), guard.Config{
		Issuer: "https://access.northwind.example", Audience: "https://docs.northwind.example/api",
		ClientID: "docs", ClientSecret: os.Getenv("DOCS_SECRET"),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	login, err := guard.NewLogin(g, guard.LoginConfig{
		RedirectURI: "https://docs.northwind.example/support/callback",
		Keys:        [][]byte{[]byte(os.Getenv("COOKIE_KEY"))}, // 32 random bytes or more
		Scopes:      []string{"documents.read", "documents.write"},
		Labels:      map[string]string{"documents.read": "View documents", "documents.write": "Edit documents"},
	})
	if err != nil {
		log.Fatal(err)
	}

	page := template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><title>Documents</title><body>{{.Banner}}<h1>Documents of {{.Account}}</h1>`))
	documents := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = page.Execute(w, map[string]any{"Banner": login.Banner(r), "Account": r.PathValue("account")})
	})
	tenant := func(r *http.Request) string { return r.PathValue("account") }
	ownAuth := func(next http.Handler) http.Handler { return next } // the middleware that the app has already

	mux := http.NewServeMux()
	mux.Handle("GET /accounts/{account}/documents", g.Require("documents.read", g.RequireAccount(tenant, documents), guard.Action("View documents")))
	log.Fatal(http.ListenAndServe("127.0.0.1:8500", login.Wrap(mux, ownAuth)))
}

// An app with pages but without a Login shows the banner of a session that guard
// let in otherwise, under a Content-Security-Policy with a nonce.
func ExampleBanner() {
	labels := map[string]string{"documents.read": "View documents"}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		nonce := rand.Text()
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'nonce-"+nonce+"'")
		banner := guard.Banner{Labels: labels, EndPath: "/leave", Nonce: nonce}
		_, _ = io.WriteString(w, "<!doctype html><html lang=\"en\"><title>Documents</title><body>"+string(banner.HTML(r)))
	})
}

// An app that cannot hold a stream is told of endings by the broker, at its
// client's backchannel_logout_uri.
func ExampleGuard_LogoutReceiver() {
	var g *guard.Guard   // of guard.New
	var app http.Handler // of g.Wrap
	receiver, err := g.LogoutReceiver(guard.LogoutConfig{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /backchannel-logout", receiver) // outside of Wrap: the broker has no login here
	mux.Handle("/", app)
}
