package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"

	"github.com/valetkey/valetkey/guard"
)

// Broker is where the broker is, and as which of its clients the app speaks to
// it: one signs agents in, the other follows endings and reports actions.
type Broker struct {
	Issuer          string
	Audience        string // of the app's access tokens
	ClientID        string
	ClientSecret    string
	APIClientID     string
	APIClientSecret string
	RedirectURI     string
}

// supportPath is where support mode is. Nothing else of the app knows of it.
const supportPath = "/support"

// labels are what the app's scopes let people do.
var labels = map[string]string{
	"documents.read": "View documents", "documents.write": "Edit documents", "documents.delete": "Delete documents",
	"settings.read": "View settings", "settings.write": "Change settings", "billing.read": "See billing",
}

// scopes is everything that the app can do. It asks for all of it, and gets
// what was lent.
var scopes = []string{"documents.read", "documents.write", "documents.delete", "settings.read", "settings.write", "billing.read"}

// lend opens the product to support sessions, beside the customers' own login
// and apart from it: customer and agent may share a browser here, so that
// support's cookie decides below supportPath and nowhere else.
func (d *Docs) lend() (support http.Handler, err error) {
	b, key := d.Broker, make([]byte, 32)
	_, _ = rand.Read(key) // never returns an error
	d.guard, err = guard.New(context.Background(), guard.Config{Issuer: b.Issuer, Audience: b.Audience,
		ClientID: b.APIClientID, ClientSecret: b.APIClientSecret, Refuse: d.stranger, Logger: d.Log})
	if err != nil {
		return nil, err
	}
	d.login, err = guard.NewLogin(d.guard, guard.LoginConfig{RedirectURI: b.RedirectURI, Keys: [][]byte{key},
		ClientID: b.ClientID, ClientSecret: b.ClientSecret, Scopes: scopes, IDTokenAlg: "ES256", Labels: labels,
		StartPath: supportPath, EndPath: supportPath + "/end", Home: supportPath + "/documents", Page: d.notice})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	mux := http.NewServeMux()
	for _, each := range deeds {
		mux.Handle(each.method+" "+supportPath+each.path,
			d.guard.Require(each.scope, d.support(each), guard.Action(each.action), guard.Target(d.target)))
	}
	return d.login.Wrap(mux, nil), nil
}

// Close has the app tell what it still has to tell, and follow endings no more.
func (d *Docs) Close() error {
	if d.guard == nil {
		return nil
	}
	return d.guard.Close()
}

// support does for an agent what guard has let them do.
func (d *Docs) support(what deed) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { what.do(d, w, r, helper(r)) })
}

// helper is the agent whose request it is. The account is the session's: nothing
// in an address names one.
func helper(r *http.Request) visit {
	s, ok := guard.SessionFrom(r.Context())
	if !ok {
		return visit{}
	}
	return visit{Base: supportPath, Account: s.Account.ID, Name: s.Account.Name, Who: s.Agent.Name, Support: true}
}

// target is what a click is about, as the record names it. It is looked up in
// the session's own account: another one's titles never show there.
func (d *Docs) target(r *http.Request) string {
	doc, _ := d.Library.Document(helper(r).Account, r.PathValue("id"))
	return doc.Title
}

// stranger answers who comes to support's pages without a support session.
func (d *Docs) stranger(w http.ResponseWriter, _ *http.Request, f *guard.Refusal) {
	d.tell(w, f.Status, "You are not in support mode", messagePage{
		Text: "There is no support session in this browser.", Links: []link{{To: supportPath, Text: "Sign in for support"}, startPage}})
}

var startPage = link{To: "/", Text: "Start page"}

// notice shows what guard has to say to an agent, in the app's own words where
// it knows better.
func (d *Docs) notice(w http.ResponseWriter, r *http.Request, n guard.Notice) {
	v, m := helper(r), messagePage{Text: n.Text, Advice: n.Advice}
	for _, a := range n.Actions {
		m.Links = append(m.Links, link{a.URL, a.Label, a.Post, a.NewTab})
	}
	switch n.Code {
	case "insufficient_scope":
		n.Title, m.Text = whyNot(n.Refusal.Scope)
		m.Advice = "Nothing was done. " + v.Name + " can read in the record that it was tried."
		m.Links = []link{{To: supportPath + "/documents", Text: "Back to the documents"}}
	case "session_ended":
		v = visit{} // nothing of the account is shown any more, not even its name
		if n.Refusal != nil && n.Refusal.Ending != nil {
			n.Title = sentence(*n.Refusal.Ending)
			m.Text = "Nothing was done, and nothing of this account can be seen any more."
			m.Advice = advice(*n.Refusal.Ending)
		}
	case "ended":
		m.Links = []link{{To: supportPath, Text: "Help another customer"}, startPage}
	}
	d.show(w, n.Status, "message", n.Title, view{Visit: v, Banner: d.banner(r, v), Page: m})
}

// never are the parts of the product that no credential lends.
var never = map[string]string{"documents.delete": "Deleting", "billing.read": "Billing"}

// whyNot says in words what was refused.
func whyNot(scope string) (title, why string) {
	if part := never[scope]; part != "" {
		return part + " is never lent to support", "Customers alone can do this, whatever they have lent."
	}
	return "This was not lent to you", "«" + labels[scope] + "» is not among what the customer has lent for this session. They can lend it with a new PIN."
}

// sentence says why a session is over, and since when.
func sentence(e guard.Ending) string {
	said, ok := map[string]string{
		"revoked":    "The customer ended access at %",
		"signed_out": "You signed out of this session at %",
		"cancelled":  "This access was cancelled at %",
		"idle":       "Access ended at %, because nothing was done for a while",
		"time":       "Access ended at %: its time was over",
		"reuse":      "Access ended at %, because a token was used twice",
		"operator":   "An administrator ended access at %",
	}[e.Cause]
	if !ok {
		said = "Access ended at %"
	}
	return strings.Replace(said, "%", clock(e.At), 1)
}

func advice(e guard.Ending) string {
	if e.Cause == "operator" || e.Cause == "reuse" {
		return "Ask whoever runs your support tools what to do."
	}
	return "If there is more to do, ask the customer for a new PIN."
}
