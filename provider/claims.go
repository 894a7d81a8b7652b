package provider

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"

	"github.com/valetkey/valetkey/credentials"
)

// standardClaims are those of OpenID Connect Core 1.0 section 5.1 that are truly
// known of whom sub names. What is not known is absent: nothing is invented.
type standardClaims struct {
	Name          string `json:"name,omitempty"`
	Email         string `json:"email,omitempty"`
	EmailVerified *bool  `json:"email_verified,omitempty"`
}

// scopeOfClaim is the scope that stands for each of them (section 5.4), and
// claimNames are all of them.
var (
	scopeOfClaim = map[string]string{"name": "profile", "email": "email", "email_verified": "email"}
	claimNames   = slices.Sorted(maps.Keys(scopeOfClaim))
)

// standardOf returns those of them that are wanted. A guest is the agent for as
// long as they are in: the name is the agent's, where the app may know it, and
// the email the temporary one, never verified, so that no app links the guest to
// anybody's account. Of an account only its name is known; of an owner, nothing.
func standardOf(s credentials.Session, c *Client, wanted func(claim string) bool) (out standardClaims) {
	switch {
	case c.Subject == "account" && wanted("name"):
		out.Name = s.Account.Name
	case c.Subject == "guest" && wanted("name") && s.Agent != nil && slices.Contains(c.Claims, "name"):
		out.Name = s.Agent.Name
	}
	if c.Subject != "guest" || s.Email == "" {
		return out
	}
	if wanted("email") {
		out.Email = s.Email
	}
	if wanted("email_verified") {
		out.EmailVerified = new(bool)
	}
	return out
}

// claimsParameter is a claims parameter: by place, then by claim. What is not
// understood is ignored (OpenID Connect Core 1.0 section 5.5).
type claimsParameter map[string]map[string]json.RawMessage

// asked is one claim of it (section 5.5.1).
type asked struct {
	Essential bool     `json:"essential"`
	Value     *string  `json:"value"`
	Values    []string `json:"values"`
}

// wants are the values that the app will have; empty: any.
func (q asked) wants() []string {
	if q.Value != nil {
		return append(q.Values, *q.Value)
	}
	return q.Values
}

// parseClaims reads a claims parameter. Every claim must be null or an object;
// looking into it is left to those that are known here.
func parseClaims(raw string) (claimsParameter, bool) {
	var places map[string]json.RawMessage
	if json.Unmarshal([]byte(raw), &places) != nil || places == nil {
		return nil, false
	}
	out := claimsParameter{}
	for _, place := range []string{"userinfo", "id_token"} {
		var claims map[string]json.RawMessage
		if places[place] != nil && json.Unmarshal(places[place], &claims) != nil {
			return nil, false
		}
		for _, claim := range claims {
			var members map[string]json.RawMessage
			if json.Unmarshal(claim, &members) != nil {
				return nil, false
			}
		}
		out[place] = claims
	}
	return out, true
}

// checkClaims takes what the app asks for in the claims parameter. For userinfo
// it is another way to ask for the scope of a claim. sub says whom the request is
// about; an essential acr, what must have been proved (section 5.5.1.1).
// auth_time is always told.
func (p *Provider) checkClaims(q url.Values, _ *Client, a *Request) *authError {
	if q.Get("claims") == "" {
		return nil
	}
	parameter, ok := parseClaims(q.Get("claims"))
	switch {
	case !ok:
		return refuse("invalid_request", "claims is not the JSON of a claims parameter")
	case !slices.Contains(a.Scope, "openid"):
		return nil // there is neither ID token nor userinfo to put them in
	}
	for _, claim := range claimNames {
		if _, is := parameter["userinfo"][claim]; is && !slices.Contains(a.Scope, scopeOfClaim[claim]) {
			a.Scope = append(a.Scope, scopeOfClaim[claim])
		}
		if _, is := parameter["id_token"][claim]; is {
			a.Claims = append(a.Claims, claim)
		}
	}
	for _, place := range parameter {
		var sub, acr asked
		if place["sub"] != nil && json.Unmarshal(place["sub"], &sub) != nil || place["acr"] != nil && json.Unmarshal(place["acr"], &acr) != nil {
			return refuse("invalid_request", "claims asks for sub or acr in a way that cannot be read")
		}
		if err := a.expect(sub.wants()); err != nil {
			return err
		}
		if err := a.demand(acr); err != nil {
			return err
		}
	}
	return nil
}

// expect narrows whom the request is about; nothing expects nothing.
func (a *Request) expect(subjects []string) *authError {
	if len(subjects) == 0 {
		return nil
	}
	if len(a.Expected) > 0 {
		subjects = slices.DeleteFunc(slices.Clone(subjects), func(s string) bool { return !slices.Contains(a.Expected, s) })
	}
	if a.Expected = subjects; len(subjects) == 0 {
		return refuse("login_required", "the request is about two different people")
	}
	return nil
}

// demand takes an acr that the app will not do without.
func (a *Request) demand(acr asked) *authError {
	values := acr.wants()
	if !acr.Essential || len(values) == 0 {
		return nil
	}
	can := allACR
	if len(a.ACR) > 0 {
		can = a.ACR
	}
	a.ACR = slices.DeleteFunc(slices.Clone(can), func(s string) bool { return !slices.Contains(values, s) })
	if len(a.ACR) == 0 {
		return refuse("unmet_authentication_requirements", "no support session is opened in a way that the app accepts")
	}
	return nil
}

// checkHint takes whom an ID token says that the request is about, however long
// ago it was given (OpenID Connect Core 1.0 section 3.1.2.1). One that this
// client was not given names nobody who could sign in.
func (p *Provider) checkHint(q url.Values, c *Client, a *Request) *authError {
	hint := q.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	id, ok := p.hinted(hint, c)
	if !ok {
		return refuse("login_required", "the id_token_hint is not an ID token that this client was given")
	}
	a.Spent = id.ACR == acrPIN && c.Subject == "guest"
	return a.expect([]string{id.Subject})
}
