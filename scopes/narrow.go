package scopes

import "slices"

// Refusal says why a scope cannot go into a credential.
type Refusal string

// The reasons, from the one that no setting can change to the most local one.
const (
	NeverLent  Refusal = "is never lent"
	Unknown    Refusal = "is not in the catalogue"
	NotPolicy  Refusal = "is not lent by this policy"
	NotAllowed Refusal = "may not be lent by this person"
)

// Lend decides what goes into a credential: each wanted scope must be
// lendable, in the policy's list and covered by what this person may lend
// (nil: no limit of the person's own). No wanted scopes at all means the
// viewing ones. A scope that is refused is returned with its reason; then
// nothing is to be minted.
func (c *Catalogue) Lend(wanted, policy []string, person Patterns, limited bool) (lent []string, refused map[string]Refusal) {
	if len(wanted) == 0 {
		for _, name := range policy {
			if c.Viewing(name) && (!limited || person.Match(name)) {
				lent = append(lent, name)
			}
		}
		return lent, nil
	}
	refused = map[string]Refusal{}
	for _, name := range wanted {
		_, known := c.byName[name]
		switch {
		case !known:
			refused[name] = Unknown
		case !c.Lendable(name):
			refused[name] = NeverLent
		case !slices.Contains(policy, name):
			refused[name] = NotPolicy
		case limited && !person.Match(name):
			refused[name] = NotAllowed
		case !slices.Contains(lent, name):
			lent = append(lent, name)
		}
	}
	if len(refused) > 0 {
		return nil, refused
	}
	return lent, nil
}

// Narrow decides the scopes of a grant: requested ∩ lent ∩ the client's
// patterns, without any scope that is not lendable today, whatever the
// credential says; the scopes of OpenID Connect pass. The order is the
// request's, each scope once. It is the only function that does so, for every
// grant type.
func (c *Catalogue) Narrow(requested, lent []string, client Patterns) []string {
	out := make([]string, 0, len(requested))
	for _, name := range requested {
		if slices.Contains(out, name) {
			continue
		}
		if Standard(name) || c.Lendable(name) && slices.Contains(lent, name) && client.Match(name) {
			out = append(out, name)
		}
	}
	return out
}

// Possible is what Narrow could leave at most, for any credential: it lets a
// request that can come to nothing be refused before anybody signs in.
func (c *Catalogue) Possible(requested []string, client Patterns) []string {
	return c.Narrow(requested, requested, client)
}
