package config

import "time"

// Connector is what all ways of signing in have in common. A connector has
// either oidc or local, never both.
type Connector struct {
	// ID is unique among its own population: lower-case letters, digits, dot,
	// underscore and hyphen.
	ID string `key:"id" required:"a short name of its own, such as corp"`
	// Name is what people choose by. Default: the id.
	Name string `key:"name"`
	// OIDC is the upstream OpenID provider; nil for local people.
	OIDC *OIDC `key:"oidc"`
	// Allow says who may sign in: every named claim must have one of its
	// values. Required for oidc; absent for local means everyone listed, with
	// a warning.
	Allow ClaimRules `key:"allow"`
}

// OIDC is the broker's registration at an upstream OpenID provider.
type OIDC struct {
	// Issuer is the provider's issuer, exactly as its discovery document says.
	Issuer string `key:"issuer" required:"the issuer URL of your OpenID provider"`
	// ClientID is the broker's client id there.
	ClientID string `key:"client_id" required:"the client id that your OpenID provider gave to this broker"`
	// ClientSecret is the broker's secret there. Default: none, PKCE alone.
	ClientSecret Secret `key:"client_secret"`
	// Scopes are asked for at sign-in; openid must be among them.
	Scopes []string `key:"scopes" default:"openid profile email"`
	// Params are extra parameters of the authorization request. Default: none.
	Params map[string]string `key:"params"`
	// ClaimsFrom says where claims are read: id_token or userinfo.
	ClaimsFrom string `key:"claims_from" default:"id_token" oneof:"id_token userinfo"`
}

// OwnerConnector is one way in which account owners sign in.
type OwnerConnector struct {
	Connector
	// Local are owners kept in this file, for small shops and for trying out.
	Local []OwnerPerson `key:"local"`
	// Account names the claims that say which account a person owns. Only
	// claims that an administrator alone can set may be used. ID is required
	// for oidc.
	Account Account `key:"account"`
	// May limits what a person can lend: several matches are a union, and no
	// match at all means that nothing may be lent.
	May MayRules `key:"may"`
	// MayPresent tells whether the file has a may. Without one, a person may
	// lend all that a policy lends.
	MayPresent bool `key:"-"`
}

// AgentConnector is one way in which support staff sign in.
type AgentConnector struct {
	Connector
	// Local are agents kept in this file, for small shops and for trying out.
	Local []Person `key:"local"`
	// MaxAge is how old the sign-in may be when a credential is redeemed.
	MaxAge time.Duration `key:"max_age" default:"15m"`
}

// Person is somebody who signs in with a password kept, hashed, in this file.
type Person struct {
	// Username is unique within its connector; it becomes part of the subject
	// and must not be given to somebody else later.
	Username string `key:"username" required:"the name this person signs in with"`
	// Name is what others are shown. Default: the username.
	Name string `key:"name"`
	// Email is shown to apps that may see it. Default: none.
	Email string `key:"email"`
	// Claims are looked at by allow, mint and may. Default: none.
	Claims Claims `key:"claims"`
	// PasswordHash is an argon2id hash in PHC form: $argon2id$v=19$m=…,t=…,p=…$salt$hash,
	// with m (memory) from 8p to 1048576 KiB and t (passes) from 1 to 10.
	PasswordHash Secret `key:"password_hash" required:"an argon2id hash, such as valetkey hash-password prints"`
	// TOTP is the base32 secret of an authenticator app. Default: none, with a
	// warning.
	TOTP Secret `key:"totp"`
}

// OwnerPerson is an account owner kept in this file.
type OwnerPerson struct {
	Person
	// Account is the account this person owns: values, not names of claims.
	// Where it is absent, the claims that the connector's account names are
	// used.
	Account Account `key:"account"`
}

// Account is a customer account or, on a connector, the claims that carry one.
type Account struct {
	// ID is the product's own key of the account.
	ID string `key:"id"`
	// Name is the account's name for people. Default: the id.
	Name string `key:"name"`
	// Handle is the short form that people can say on the phone. Default: the id.
	Handle string `key:"handle"`
}
