package owner

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/templates"
)

// maxFormID bounds the one-time id of a form, in bytes.
const maxFormID = 100

// mint makes a credential and shows its secret, in this reply and never again.
// The form's id makes a reload the same request.
func (h *Handler) mint(w http.ResponseWriter, r *http.Request, p person) {
	if id := r.PostForm.Get("form"); id == "" || len(id) > maxFormID {
		h.Pages.Fail(w, r, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	request, err := h.mintRequest(p, r.PostForm)
	if err != nil {
		h.notMinted(w, r, p, err)
		return
	}
	made, err := h.Minter.Mint(r.Context(), request)
	if err != nil {
		h.notMinted(w, r, p, err)
		return
	}
	h.showMinted(w, r, p, made)
}

// mintRequest turns what was posted into what the rules judge. Validity and
// scopes are those of the policy that was chosen.
func (h *Handler) mintRequest(p person, f url.Values) (credentials.MintRequest, error) {
	policy := f.Get("policy")
	out := credentials.MintRequest{
		Account: p.Account, Owner: p.owner, Policy: policy, Scopes: f["scope."+policy], Ticket: f.Get("ticket"),
		Limited: h.May[p.Connector].Limited, May: h.may(p), By: p.mark(),
	}
	if within := f.Get("within." + policy); within != "" {
		d, err := time.ParseDuration(within)
		if err != nil || d <= 0 {
			return out, &credentials.Refused{Field: "redeem_within", Reason: "choose one of those that are offered"}
		}
		out.RedeemWithin = d
	}
	if len(out.Scopes) == 0 { // the rules would take the viewing ones
		return out, &credentials.Refused{Field: "scopes", Reason: "tick at least one thing that they can do"}
	}
	asked, _ := json.Marshal([]any{policy, out.Scopes, out.RedeemWithin, strings.TrimSpace(out.Ticket)}) // texts and a number
	sum := sha256.Sum256(asked)
	out.Idempotency = &credentials.Idempotency{Client: "owner:" + p.owner.Key(), Key: p.Account.ID + "/" + f.Get("form"), Digest: sum[:]}
	return out, nil
}

// may lists what this person can lend at most, where that is limited.
func (h *Handler) may(p person) []string {
	return credentials.MayLend(h.May[p.Connector].Rules, p.owner.Claims)
}

// notMinted shows the form again, with what is wrong.
func (h *Handler) notMinted(w http.ResponseWriter, r *http.Request, p person, err error) {
	var refused *credentials.Refused
	problem, status := templates.Problem{}, http.StatusUnprocessableEntity
	switch {
	case errors.As(err, &refused):
		problem.Text, problem.Field = refusedText(refused), refused.Field
	case errors.Is(err, credentials.ErrKeyReused):
		problem.Text = "This form was used before, for something else. Check what it says now, then press the button again."
	case errors.Is(err, credentials.ErrHandleTaken):
		problem.Text = "Nothing was made: your account’s number " + p.Account.Handle + " belongs to another account here. Tell whoever runs this product’s sign-in."
		h.Log.ErrorContext(r.Context(), "two accounts have the same handle", "account", p.Account.ID)
	case errors.Is(err, credentials.ErrBusy):
		problem.Text, status = "Nothing was made: too much is going on at this moment. Try again.", http.StatusServiceUnavailable
	default:
		h.failed(r.Context(), r.URL.Path, err)
		problem.Text, status = "Nothing can be made at this moment. If it shows below that something was made after all, cancel it. Try again in a minute.", http.StatusServiceUnavailable
	}
	a := h.access(r, p)
	if a.Mint != nil {
		a.Mint.Problem, a.Mint.Ticket = problem, r.PostForm.Get("ticket")
		keep(a.Mint, r.PostForm)
	} else {
		a.Notice = templates.Notice{Text: problem.Text, Bad: true}
	}
	h.write(w, r, status, a)
}

// keep puts back what was chosen.
func keep(m *templates.MintForm, f url.Values) {
	for i := range m.Policies {
		l := &m.Policies[i]
		if l.ID != f.Get("policy") {
			continue
		}
		m.Policy = l.ID
		for _, c := range l.Within {
			if c.ID == f.Get("within."+l.ID) {
				l.Chosen = c.ID
			}
		}
		for j := range l.Scopes {
			l.Scopes[j].Checked = false
			for _, name := range f["scope."+l.ID] {
				l.Scopes[j].Checked = l.Scopes[j].Checked || name == l.Scopes[j].Name
			}
		}
	}
}

// refusedText says in the owner's words what the rules do not allow.
func refusedText(r *credentials.Refused) string {
	switch r.Field {
	case "ticket":
		return "The ticket " + r.Reason + "."
	case "scopes":
		if r.Who {
			return "You may not lend all of that. Choose less."
		}
		return "Tick at least one thing that they can do, of those that are offered."
	case "redeem_within":
		return "Choose for how long, of the times that are offered."
	case "policy":
		return "Choose how to let support in."
	case "owner.name":
		return "Your sign-in does not tell your name, which support must be told. Another way of letting them in may do."
	}
	if r.Who {
		return "You may not make this."
	}
	return "This cannot be made: your sign-in’s " + r.Field + " " + r.Reason + "."
}

// showMinted shows what was made, whatever becomes of the rest of the page: the
// secret cannot be shown again.
func (h *Handler) showMinted(w http.ResponseWriter, r *http.Request, p person, made credentials.Minted) {
	a := h.access(r, p)
	if made.Repeated && made.StateAt(h.Now()) != credentials.Live {
		a.Notice = templates.Notice{Text: "This was made before and cannot be used any more. Make a new one."}
	} else {
		a.Minted = &templates.Minted{Lent: h.lent(p, made.Credential), Secret: made.Secret.Reveal(), Handle: p.Account.Handle,
			Session: made.Session, OneUse: made.Uses == 1, Again: made.Repeated}
	}
	h.write(w, r, http.StatusOK, a)
}
