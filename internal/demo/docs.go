package demo

import (
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// Docs is the relying app: the product's customers reach it by their own login,
// and agents by a support session, which is lent by the broker. Neither knows of
// the other.
//
// Every field is set before Mount; Close ends what it begins.
type Docs struct {
	Broker    *Broker
	Customers *Issuer // the customers' own login
	Library   *Library
	Now       func() time.Time
	Log       *slog.Logger

	guard *guard.Guard
	login *guard.Login
}

// deed is one thing that can be done in the product, for customers and agents
// alike. Scope and words are for agents alone: customers may do everything.
type deed struct {
	method string
	path   string // below /app and /support
	action string // in the words of the record
	scope  string
	do     func(d *Docs, w http.ResponseWriter, r *http.Request, v visit)
}

// deeds is the whole product. What is not in this table cannot be done.
var deeds = []deed{
	{"GET", "/documents", "List documents", "documents.read", (*Docs).list},
	{"GET", "/documents/{id}", "View document", "documents.read", (*Docs).read},
	{"GET", "/documents/{id}/edit", "Open document for editing", "documents.write", (*Docs).edit},
	{"POST", "/documents/{id}", "Change document", "documents.write", (*Docs).change},
	{"POST", "/documents/{id}/delete", "Delete document", "documents.delete", (*Docs).delete},
	{"GET", "/settings", "View settings", "settings.read", (*Docs).settings},
	{"POST", "/settings", "Change settings", "settings.write", (*Docs).setSettings},
	{"GET", "/billing", "See billing", "billing.read", (*Docs).billing},
}

// visit is somebody in an account: a customer of it, or an agent who helps.
type visit struct {
	Base    string // path of the area
	Account string // id, by which everything is looked up
	Name    string // of the account
	Who     string
	Support bool
}

// Mount registers the pages, and begins to follow the broker.
func (d *Docs) Mount(mux *http.ServeMux) error {
	support, err := d.lend()
	if err != nil {
		return err
	}
	handle := func(pattern string, f http.HandlerFunc) { mux.Handle(pattern, sameOrigin.Handler(f)) }
	handle("GET /{$}", d.home)
	handle("GET /help", d.help)
	handle("GET "+stylePath, style)
	handle("/", func(w http.ResponseWriter, _ *http.Request) {
		d.tell(w, http.StatusNotFound, "There is nothing here", messagePage{Text: "There is no page at this address.", Links: []link{startPage}})
	})
	for _, each := range deeds {
		handle(each.method+" /app"+each.path, d.customer(each))
	}
	handle("GET /app", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/app/documents", http.StatusSeeOther)
	})
	handle("POST /app/sign-in", d.customerSignIn)
	handle("POST /app/sign-out", d.customerSignOut)
	mux.Handle(supportPath, support)
	mux.Handle(supportPath+"/", support)
	return nil
}

// customer lets the customers' own login through, and knows nothing else.
func (d *Docs) customer(what deed) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		person, ok := d.Customers.Person(r)
		if !ok {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		what.do(d, w, r, visit{Base: "/app", Account: person.text("account_id"), Name: person.text("account_name"), Who: person.Name})
	}
}

func (d *Docs) customerSignIn(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) || !d.Customers.SignIn(w, r, r.PostForm.Get("person")) {
		d.tell(w, http.StatusBadRequest, "There is nobody of that name", messagePage{Text: "Choose one of the people on the start page.", Links: []link{startPage}})
		return
	}
	http.Redirect(w, r, "/app/documents", http.StatusSeeOther)
}

func (d *Docs) customerSignOut(w http.ResponseWriter, r *http.Request) {
	d.Customers.SignOut(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// homePage is the start page.
type homePage struct {
	Customer  string // who is signed in
	Customers []Person
}

func (d *Docs) home(w http.ResponseWriter, r *http.Request) {
	person, _ := d.Customers.Person(r)
	d.show(w, http.StatusOK, "home", "Start", view{Page: homePage{person.Name, d.Customers.People}})
}

func (d *Docs) help(w http.ResponseWriter, _ *http.Request) {
	d.show(w, http.StatusOK, "help", "Support access", view{})
}

// tell shows a message outside of every area.
func (d *Docs) tell(w http.ResponseWriter, status int, title string, m messagePage) {
	d.show(w, status, "message", title, view{Page: m})
}

func (d *Docs) show(w http.ResponseWriter, status int, name, title string, v view) {
	v.Brand, v.Style, v.Home, v.Title = "Northwind Docs", stylePath, "/", title
	write(w, status, name, v, "'self'")
}

// area shows a page of the product.
func (d *Docs) area(w http.ResponseWriter, r *http.Request, name, title string, v visit, page any) {
	here, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, v.Base+"/"), "/")
	d.show(w, http.StatusOK, name, title, view{Visit: v, Here: here, Banner: d.banner(r, v), Page: page})
}

// banner stands on top of every page of support mode.
func (d *Docs) banner(r *http.Request, v visit) template.HTML {
	if !v.Support {
		return ""
	}
	return d.login.Banner(r)
}
