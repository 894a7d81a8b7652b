package owner

import (
	"strconv"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/templates"
)

// mintForm is what this person may make, and who may make the rest.
func (h *Handler) mintForm(p person) (form *templates.MintForm, others []string) {
	form = &templates.MintForm{Form: credentials.NewID()}
	for _, policy := range h.Minter.Policies {
		picks := h.picks(p, policy)
		switch {
		case !policy.MayMint(p.owner.Claims):
			others = append(others, policy.Name+": "+whoMay(policy.Mint)+" can make it.")
		case len(picks) == 0:
			others = append(others, policy.Name+": you may lend nothing of what it lends.")
		default:
			form.Policies = append(form.Policies, h.lending(policy, picks))
		}
	}
	if len(form.Policies) == 0 {
		return nil, others
	}
	return form, others
}

// picks are the scopes of a policy that this person may lend.
func (h *Handler) picks(p person, policy credentials.Policy) (out []templates.Pick) {
	may, limited := h.may(p), h.May[p.Connector].Limited
	for _, name := range policy.Scopes {
		if _, refused := h.Catalogue.Lend([]string{name}, policy.Scopes, may, limited); len(refused) == 0 {
			out = append(out, templates.Pick{Name: name, Label: h.Catalogue.Label(name), Checked: h.Catalogue.Viewing(name)})
		}
	}
	return out
}

func (h *Handler) lending(policy credentials.Policy, picks []templates.Pick) templates.Lending {
	out := templates.Lending{
		ID: policy.ID, Name: policy.Name, PIN: policy.Kind == credentials.PIN, Digits: policy.Digits, OneUse: policy.Uses == 1,
		Bound: policy.ContactBound, Holder: policy.Holder, Session: policy.Session, Scopes: picks, Chosen: policy.RedeemDefault.String(),
	}
	for _, d := range policy.RedeemWithin {
		out.Within = append(out.Within, templates.Choice{ID: d.String(), Name: spell(d)})
	}
	for _, s := range h.Catalogue.NeverLent() {
		out.Never = append(out.Never, h.Catalogue.Label(s.Name))
	}
	return out
}

// whoMay says in words who may mint: "people whose role is owner or admin".
func whoMay(rules []credentials.ClaimRule) string {
	parts := make([]string, 0, len(rules))
	for _, rule := range rules {
		parts = append(parts, rule.Claim+" is "+either(rule.Values))
	}
	return "people whose " + strings.Join(parts, " and whose ")
}

func either(values []string) string {
	if n := len(values); n > 1 {
		return strings.Join(values[:n-1], ", ") + " or " + values[n-1]
	}
	return strings.Join(values, "")
}

// spell says how long something is to be valid: "15 minutes", "4 hours".
func spell(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int64(d / unit.length); n > 0 && d%unit.length == 0 {
			if n == 1 {
				return "1 " + unit.name
			}
			return strconv.FormatInt(n, 10) + " " + unit.name + "s"
		}
	}
	return credentials.Span(d)
}
