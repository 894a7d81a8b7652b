package demo

import (
	"net/http"
)

// The functions here are the product. They run for customers and agents alike,
// after it is settled that they may.

// maxText bounds a document, in bytes.
const maxText = 20_000

func (d *Docs) list(w http.ResponseWriter, r *http.Request, v visit) {
	d.area(w, r, "documents", "Documents", v, d.Library.Documents(v.Account))
}

func (d *Docs) read(w http.ResponseWriter, r *http.Request, v visit) {
	if doc, ok := d.document(w, r, v); ok {
		d.area(w, r, "document", doc.Title, v, doc)
	}
}

func (d *Docs) edit(w http.ResponseWriter, r *http.Request, v visit) {
	if doc, ok := d.document(w, r, v); ok {
		d.area(w, r, "edit", "Edit "+doc.Title, v, doc)
	}
}

func (d *Docs) change(w http.ResponseWriter, r *http.Request, v visit) {
	doc, ok := d.document(w, r, v)
	if !ok || !d.form(w, r, v) {
		return
	}
	text := r.PostForm.Get("text")
	if len(text) > maxText {
		d.problem(w, r, http.StatusRequestEntityTooLarge, v, "This text is too long. Nothing was saved.")
		return
	}
	who := v.Who
	if v.Support {
		who += ", Northwind Support,"
	}
	d.Library.Change(v.Account, doc.ID, text, who, d.Now())
	http.Redirect(w, r, v.Base+"/documents/"+doc.ID, http.StatusSeeOther)
}

func (d *Docs) delete(w http.ResponseWriter, r *http.Request, v visit) {
	if doc, ok := d.document(w, r, v); ok {
		d.Library.Delete(v.Account, doc.ID)
		http.Redirect(w, r, v.Base+"/documents", http.StatusSeeOther)
	}
}

// settingsPage has what only a customer is shown besides the settings.
type settingsPage struct {
	Settings
	SupportAccess string // where the customer lends access; empty for agents
}

func (d *Docs) settings(w http.ResponseWriter, r *http.Request, v visit) {
	page := settingsPage{Settings: d.Library.Settings(v.Account)}
	if !v.Support {
		page.SupportAccess = d.Broker.Issuer + "/support-access"
	}
	d.area(w, r, "settings", "Settings", v, page)
}

func (d *Docs) setSettings(w http.ResponseWriter, r *http.Request, v visit) {
	if !d.form(w, r, v) {
		return
	}
	team := r.PostForm.Get("team")
	if team == "" || len(team) > 200 {
		d.problem(w, r, http.StatusUnprocessableEntity, v, "The team needs a name of at most 200 characters. Nothing was saved.")
		return
	}
	d.Library.SetSettings(v.Account, Settings{Team: team, Summary: r.PostForm.Has("summary")})
	http.Redirect(w, r, v.Base+"/settings", http.StatusSeeOther)
}

func (d *Docs) billing(w http.ResponseWriter, r *http.Request, v visit) {
	d.area(w, r, "billing", "Billing", v, d.Library.Invoices(v.Account))
}

// document finds what the address names, or says that there is no such thing.
func (d *Docs) document(w http.ResponseWriter, r *http.Request, v visit) (Document, bool) {
	doc, ok := d.Library.Document(v.Account, r.PathValue("id"))
	if !ok {
		d.problem(w, r, http.StatusNotFound, v, "There is no such document in this account. It may have been deleted.")
	}
	return doc, ok
}

func (d *Docs) form(w http.ResponseWriter, r *http.Request, v visit) bool {
	ok := readForm(w, r)
	if !ok {
		d.problem(w, r, http.StatusBadRequest, v, "The form cannot be read. Nothing was saved.")
	}
	return ok
}

// problem says what did not work, within the area.
func (d *Docs) problem(w http.ResponseWriter, r *http.Request, status int, v visit, text string) {
	d.show(w, status, "message", "This did not work", view{Visit: v, Banner: d.banner(r, v),
		Page: messagePage{Text: text, Links: []link{{To: v.Base + "/documents", Text: "Documents"}}}})
}
