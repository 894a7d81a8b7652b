package demo

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed assets/style.css
var styleSheet []byte

const stylePath = "/style.css"

// sameOrigin refuses forms that another origin sends, another port of this
// machine too.
var sameOrigin = http.NewCrossOriginProtection()

// pages are all pages, each with a copy of the layout of its own, because every
// page defines the same block "main".
var pages = func() map[string]*template.Template {
	shared := template.Must(template.ParseFS(pageFiles, "pages/layout.html"))
	out := map[string]*template.Template{}
	for _, name := range []string{"home", "help", "documents", "document", "edit", "settings", "billing", "message", "sign-in"} {
		out[name] = template.Must(template.Must(shared.Clone()).ParseFS(pageFiles, "pages/"+name+".html"))
	}
	return out
}()

// view is what the layout sees; Page is for the block "main".
type view struct {
	Brand  string // whose page it is
	Style  string // path of the style sheet
	Home   string // where the brand leads; empty: nowhere
	Title  string
	Here   string // the place in the navigation
	Visit  visit
	Banner template.HTML // of support mode
	Page   any
}

// signInPage asks who somebody is.
type signInPage struct {
	Client, Action, Request string
	People                  []Person
}

// messagePage says something in a few sentences, and where to go on.
type messagePage struct {
	Text, Advice string
	Links        []link
}

// link leads on; a POST is a button.
type link struct {
	To, Text     string
	Post, NewTab bool
}

// write renders a page whole, or not at all.
func write(w http.ResponseWriter, status int, name string, v view, formAction string) {
	var body bytes.Buffer
	if err := pages[name].ExecuteTemplate(&body, "layout", v); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action "+formAction+"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(styleSheet)
}

// page writes a page of the issuer. Chromium applies form-action to every
// redirect that follows a form: back to the client, and from there to wherever
// it leads. An issuer cannot know the last one, so it names this machine.
func (i *Issuer) page(w http.ResponseWriter, status int, name, title string, page any) {
	write(w, status, name, view{Brand: i.Name, Style: i.path + stylePath, Title: title, Page: page},
		"'self' http://127.0.0.1:* http://localhost:*")
}
