package owner

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/templates"
)

// How much of each the page shows.
const (
	maxVisits = 50
	maxOpen   = 50
	maxEvents = 50
)

// page shows everything.
func (h *Handler) page(w http.ResponseWriter, r *http.Request, p person) {
	a := h.access(r, p)
	a.Notice.Text = h.took(w, r, p)
	h.write(w, r, statusOf(a), a)
}

// statusOf tells whoever looks at a status that the page does not know.
func statusOf(a templates.Access) int {
	if a.Unknown {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// live shows what changes by itself. Looking is no activity of the owner's.
func (h *Handler) live(w http.ResponseWriter, r *http.Request) {
	p, is := h.who(r)
	if !is {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("WWW-Authenticate", `Cookie realm="support access"`)
		http.Error(w, "signed out", http.StatusUnauthorized)
		return
	}
	if h.strange(w, r, p.Account) {
		return
	}
	a := h.access(r, p)
	h.Pages.Write(w, r, statusOf(a), "", func(w io.Writer) error { return h.Pages.Set.Live(w, a) })
}

func (h *Handler) write(w http.ResponseWriter, r *http.Request, status int, a templates.Access) {
	h.Pages.Write(w, r, status, "", func(w io.Writer) error { return h.Pages.Set.Access(w, a) })
}

// bare is the page without what is read.
func (h *Handler) bare(p person) templates.Access {
	return templates.Access{Account: p.Account.Name, Handle: p.Account.Handle, Person: p.Name, Now: h.Now()}
}

// access reads what the page shows. Where that fails, the page says that it is
// not known who is in, and still has the button that throws everybody out.
func (h *Handler) access(r *http.Request, p person) templates.Access {
	a, err := h.read(r.Context(), p)
	if err != nil {
		h.failed(r.Context(), r.URL.Path, err)
		a = h.bare(p)
		a.Unknown = true
	}
	a.Mint, a.Others = h.mintForm(p)
	return a
}

func (h *Handler) read(ctx context.Context, p person) (templates.Access, error) {
	a := h.bare(p)
	usable, err := h.Reader.Usable(ctx, p.Account.ID, maxOpen)
	if err != nil {
		return a, err
	}
	visits, err := h.Reader.Visits(ctx, p.Account.ID, maxVisits)
	if err != nil {
		return a, err
	}
	if a.Over, err = h.over(ctx, p); err != nil {
		return a, err
	}
	events, err := h.events(ctx, p, 0)
	if err != nil {
		return a, err
	}
	for _, c := range usable {
		a.Open = append(a.Open, h.lent(p, c))
	}
	for _, v := range visits {
		a.Visits = append(a.Visits, h.visitOf(v, usable, events))
	}
	a.Record, a.Older = events.list, events.older()
	return a, nil
}

// lent is a credential as the page shows it.
func (h *Handler) lent(p person, c credentials.Credential) templates.Lent {
	return templates.Lent{
		ID: c.ID, Name: h.Minter.PolicyName(c.Policy), PIN: c.Kind == credentials.PIN, Email: c.Email, Ticket: c.Ticket, Contact: c.Contact,
		By: h.you(p, c.Minter.Key(), c.Minter.Name), MadeAt: c.MadeAt, RedeemBy: c.RedeemBy, Wrong: c.Wrong, Tries: c.Tries, Can: h.labels(c.Scopes),
	}
}

// visitOf is a live session as the page shows it.
func (h *Handler) visitOf(v credentials.Visit, usable []credentials.Credential, events timeline) templates.Visit {
	out := templates.Visit{
		SID: v.ID, With: h.Minter.PolicyName(v.Policy), Email: v.Email, Reason: cmp.Or(v.Reason, v.Ticket), Can: h.labels(v.Scopes), Since: v.OpenedAt, EndsAt: v.EndsAt,
	}
	if v.Agent != nil {
		out.Agent, out.Proof = v.Agent.Name, h.Connectors[v.Agent.Connector]
	}
	for _, id := range v.Apps {
		out.Apps = append(out.Apps, h.app(id))
	}
	for _, c := range usable {
		if c.ID == v.Credential {
			out.Until = c.RedeemBy
		}
	}
	if last, is := events.last[v.ID]; is {
		out.Last, out.LastAt, out.Refused = last.Text, last.At, last.Refused
	}
	return out
}

func (h *Handler) labels(names []string) (out []string) {
	for _, name := range names {
		out = append(out, h.Catalogue.Label(name))
	}
	return out
}

func (h *Handler) app(id string) string { return cmp.Or(h.Apps[id], id) }

// you names a person of the account to this one.
func (h *Handler) you(p person, key, name string) string {
	if key == p.owner.Key() {
		return "You"
	}
	return cmp.Or(name, somebody)
}

// older shows one page of the record alone.
func (h *Handler) older(w http.ResponseWriter, r *http.Request, p person) {
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 1 {
		h.onward(w, r)
		return
	}
	events, err := h.events(r.Context(), p, before)
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	a := h.bare(p)
	a.Record, a.Older = events.list, events.older()
	h.Pages.Write(w, r, http.StatusOK, "", func(w io.Writer) error { return h.Pages.Set.Record(w, a) })
}
