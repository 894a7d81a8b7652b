package config

import "time"

// Scope is one entry of the catalogue.
type Scope struct {
	// Name is what apps ask for: printable ASCII without space, quote and
	// backslash (RFC 6749, section 3.3), and without *.
	Name string `key:"*"`
	// Label is what people read. Default: the name.
	Label string `key:"label"`
	// Kind says what the scope lets somebody do. Scopes of the last four kinds
	// are never lent.
	Kind string `key:"kind" required:"one of view, change, billing, delete, credentials, access" oneof:"view change billing delete credentials access"`
}

// Policy is one kind of credential: who may mint it, for how long it lives, and
// what it lends.
type Policy struct {
	// ID is the policy's name for programs.
	ID string `key:"*"`
	// Name is what people read. Default: the id.
	Name string `key:"name"`
	// Kind is pin, or password for a temporary email address and password.
	Kind string `key:"kind" required:"pin or password" oneof:"pin password"`
	// Mint says which owners may mint: every named claim must have one of its
	// values. Default: every owner.
	Mint ClaimRules `key:"mint"`
	// Contact, where it is bound, ties the credential to the person who was
	// signed in when it was minted, and shows that person to support. PIN
	// only. Default: not bound.
	Contact string `key:"contact" oneof:"bound"`
	// Digits is the length of a PIN, 4 to 10. Default: 6.
	Digits int `key:"digits"`
	// WeakPIN must be accepted where a PIN has fewer than 6 digits.
	WeakPIN string `key:"weak_pin" oneof:"accepted"`
	// EmailDomain is where temporary addresses are. Required for password.
	EmailDomain string `key:"email_domain"`
	// RedeemWithin is how long after minting a session can be started.
	RedeemWithin RedeemWithin `key:"redeem_within" required:"how long it can be used after it is made, such as 15m"`
	// Uses is how often a session can be started. Always 1 for a PIN. Default
	// for a password: unlimited.
	Uses Uses `key:"uses"`
	// Tries is how many wrong guesses end a PIN. PIN only. Default: 5, or 3
	// where there are fewer than 6 digits.
	Tries int `key:"tries"`
	// Session is how long a session lasts at most.
	Session time.Duration `key:"session" required:"how long a session lasts at most, such as 30m"`
	// Idle is how long a session lasts without activity: at least
	// tokens.access, at most session.
	Idle time.Duration `key:"idle" required:"how long a session lasts without activity, such as 10m"`
	// Scopes are the names that may be lent; each is in the catalogue.
	Scopes []string `key:"scopes" required:"the scopes that may be lent"`
	// Confirm says whether the owner confirms before a session starts. Only
	// never is available in this version.
	Confirm string `key:"confirm" default:"never" oneof:"never owner always"`
	// Agent says how an agent is known: sso, or holder where whoever has the
	// email and password is let in. holder is for password only.
	Agent string `key:"agent" default:"sso" oneof:"sso holder"`
}

// RedeemWithin is how long after minting a session can be started. A single
// duration in the file is one choice, which is also the default.
type RedeemWithin struct {
	// Choices are what the minter can choose from, in the order of the file.
	Choices []time.Duration `key:"choices" required:"the durations to choose from"`
	// Default is one of Choices. Default: the first.
	Default time.Duration `key:"default"`
}

// Uses is how often a session can be started with one credential.
type Uses struct {
	// N is that number; 0 where Unlimited.
	N int
	// Unlimited means until the credential expires or is revoked.
	Unlimited bool
}
