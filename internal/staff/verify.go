package staff

import (
	"io"
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/templates"
)

// verify answers whether the caller is who they say: it uses the PIN up and
// opens nothing. The answer is a page of its own, so that reloading it asks
// nothing again.
func (h *Handler) verify(w http.ResponseWriter, r *http.Request, a provider.Request) {
	agent, ok := h.mayTry(w, r, a, false)
	if !ok {
		return
	}
	f := r.PostForm
	v, err := h.Redeemer.Verify(r.Context(), credentials.Attempt{ID: attempt(a, f), Agent: *agent},
		f.Get("account"), credentials.NewSecret(f.Get("pin")), f.Get("reason"))
	if err != nil {
		h.notRedeemed(w, r, a, agent, err)
		return
	}
	web.Onward(w, r, "/verified?r="+url.QueryEscape(a.Sealed)+"&v="+h.Answers.SealJSON(v, a.Browser+agent.Key()))
}

// verified shows the answer to the agent who asked, in the browser they asked
// in.
func (h *Handler) verified(w http.ResponseWriter, r *http.Request, a provider.Request) {
	agent, _ := h.agent(r, a.Browser)
	var v credentials.Verified
	if agent == nil || h.Answers.OpenJSON(r.URL.Query().Get("v"), a.Browser+agent.Key(), &v) != nil {
		h.again(w, r, a)
		return
	}
	p := templates.Verified{Request: a.Sealed, Client: h.client(a), Agent: h.named(agent), Account: v.Account.Name, Handle: v.Account.Handle,
		Contact: v.Contact, By: v.MadeBy, Policy: h.PolicyName(v.Policy), Reason: v.Reason, At: v.At, Now: h.Now()}
	h.show(w, r, http.StatusOK, a, func(w io.Writer) error { return h.Pages.Set.Verified(w, p) })
}
