package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// shortestSecret is 16 characters: long enough that nobody guesses a random
// one. A shorter one is a warning, an empty one a problem.
const shortestSecret = 16

func (k checker) clients() {
	items := k.items["clients"]
	k.unique(items, ".id", func(i int) string { return k.c.Clients[i].ID })
	for i, c := range k.c.Clients {
		key := items[i]
		k.id(key+".id", c.ID)
		k.clientProof(key, c)
		k.clientGrants(key, c)
		k.clientURLs(key, c)
		k.clientOwners(key, c)
		k.patterns(key+".scopes", c.Scopes)
		k.audience(key+".audience", c.Audience)
		k.require(key+".require", c)
	}
}

// clientProof checks how a client proves who it is.
func (k checker) clientProof(key string, c Client) {
	ways := 0
	for _, is := range []bool{k.has(key + ".secret"), k.has(key + ".jwks"), k.has(key + ".jwks_file"), c.Public} {
		if is {
			ways++
		}
	}
	switch {
	case ways == 0:
		k.bad(key+".secret", "is missing; add it, or public: true for an app that cannot keep a secret")
	case ways > 1:
		k.bad(key, "has several of secret, jwks, jwks_file and public: true; keep exactly one")
	}
	if n := len(c.Secret.Reveal()); k.has(key+".secret") && n == 0 {
		k.bad(key+".secret", "is empty; make a random one, such as openssl rand -hex 32 prints")
	} else if k.has(key+".secret") && n < shortestSecret {
		k.warn(key+".secret", "has fewer than %d characters; make a random one, such as openssl rand -hex 32 prints", shortestSecret)
	}
	if c.Public && c.Has(GrantClient) {
		k.bad(key+".grants", "has client_credentials, which a public client cannot prove; remove it, or give the client a secret")
	}
	if c.Public && c.Has(GrantExchange) {
		k.bad(key+".grants", "has token exchange, which a public client cannot prove; remove it, or give the client a secret")
	}
	if c.Public && len(c.API) > 0 {
		k.bad(key+".api", "cannot be given to a public client; remove it, or give the client a secret")
	}
}

func (k checker) clientGrants(key string, c Client) {
	grants := key + ".grants"
	switch {
	case k.has(grants) && len(c.Grants) == 0:
		k.bad(grants, "is empty; add a grant, or remove the key for authorization_code")
	case c.Has(GrantExchange) && c.MayAPI("credentials.mint"):
		k.bad(grants, "has token exchange beside credentials.mint: one client must not both make and use credentials; make two clients")
	case c.Has(GrantRefresh) && !c.Has(GrantCode) && !c.Has(GrantExchange):
		k.bad(grants, "has refresh_token without authorization_code or token exchange, which issue them; add one, or remove refresh_token")
	}
	if c.Has(GrantExchange) && c.ActorAudience == "" {
		k.warn(grants, "has token exchange without actor_audience, the aud of the agents' ID tokens it presents; each exchange of a PIN is refused until it has one")
	}
	if c.Has(GrantCode) && len(c.RedirectURIs) == 0 {
		k.bad(key+".redirect_uris", "needs at least one URL for authorization_code; add it, or write grants: [client_credentials]")
	}
	if c.MayAPI("credentials.verify") && c.ActorAudience == "" {
		k.warn(key+".api", "has credentials.verify without actor_audience, the aud of the agents' ID tokens it presents; each verification is refused until it has one")
	}
	if len(c.API) > 0 && !c.Has(GrantClient) {
		k.bad(key+".api", "needs client_credentials; add it to grants")
	}
}

func (k checker) clientURLs(key string, c Client) {
	each := func(name string, list []string, problem func(string) string) {
		for i, s := range list {
			k.say(key+"."+name+"["+strconv.Itoa(i)+"]", problem(s))
		}
	}
	redirect := func(s string) string { return redirectProblem(s, c.Public) }
	each("redirect_uris", c.RedirectURIs, redirect)
	each("post_logout_redirect_uris", c.PostLogoutRedirectURIs, redirect)
	each("origins", c.Origins, originProblem)
	each("ssf_push_uris", c.SSFPushURIs, endpointProblem)
	if len(c.SSFPushURIs) > 0 && !c.MayAPI("endings.read") && !c.MayAPI("ssf.manage") {
		k.warn(key+".ssf_push_uris", "has no effect without endings.read or ssf.manage under api, with which a client makes its streams of events")
	}
	if c.Enforces == "logout" && c.BackchannelLogoutURI == "" {
		k.bad(key+".enforces", "is logout without backchannel_logout_uri, where the app would learn of endings; add it, or write none")
	}
	if c.Enforces == "guard" && !k.follows(c.Audience) {
		k.warn(key+".enforces", "is guard, but no client of this audience may follow the endings; add api: [endings.read, actions.write] and grant it client_credentials, or write what the app does")
	}
	if c.BackchannelLogoutURI != "" {
		k.say(key+".backchannel_logout_uri", endpointProblem(c.BackchannelLogoutURI))
	}
}

// follows tells whether some client may follow the endings for an audience.
func (k checker) follows(audience string) bool {
	return slices.ContainsFunc(k.c.Clients, func(c Client) bool { return c.Audience == audience && c.MayAPI("endings.read") })
}

// clientOwners checks whose owners a back end speaks for, and how it proves
// that one of them asked.
func (k checker) clientOwners(key string, c Client) {
	mints := c.MayAPI("credentials.mint")
	speaks := mints || slices.ContainsFunc(c.API, func(s string) bool {
		return strings.HasPrefix(s, "credentials.") || s == "record.read"
	})
	named := slices.ContainsFunc(k.c.Owners, func(o OwnerConnector) bool { return o.ID == c.Owners })
	switch {
	case !k.known("owners"):
	case c.Owners != "" && !named:
		k.bad(key+".owners", "must be the id of an owners connector; write one that exists")
	case mints && len(k.c.Owners) == 0:
		k.bad(key+".owners", "needs an owners connector to mint for; add one under owners")
	case speaks && c.Owners == "" && len(k.c.Owners) > 1:
		k.bad(key+".owners", "is missing; there are several owners connectors, so name the one this client speaks for")
	}
	switch {
	case mints && c.OwnerProof == "":
		k.bad(key+".owner_proof", "is missing; write trusted, this back end vouches for the owner, or token, each mint carries an owner's ID token")
	case c.OwnerProof == "token" && c.OwnerAudience == "":
		k.bad(key+".owner_audience", "is missing; write the aud of the ID tokens that mints carry")
	}
}

// audience keeps apps' tokens apart from those of the management API.
func (k checker) audience(key, audience string) {
	switch {
	case strings.ContainsFunc(audience, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		k.bad(key, "must not hold spaces")
	case audience != "" && audience == k.c.Issuer+"/api":
		k.bad(key, "is the audience of the management API; choose the app's own, such as its URL")
	}
}

func (k checker) require(key string, c Client) {
	if c.Require.PAR && !c.Has(GrantCode) {
		k.bad(key+".par", "has nothing to push: the client has no authorization_code; remove it")
	}
	switch {
	case !c.Require.PKCE && c.Public:
		k.bad(key+".pkce", "cannot be false for a public app: PKCE is all that proves who brings a code; remove it")
	case !c.Require.PKCE:
		k.warn(key+".pkce", "lets this app sign in without PKCE, for those that cannot do otherwise: whoever takes a code out of a browser can hand it to this app as their own")
	}
}
