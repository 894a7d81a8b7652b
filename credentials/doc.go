// Package credentials owns the rules of lending: who may mint what, how a
// credential is redeemed, when a session ends, and what the record says of it.
//
//	Minter    an owner's side: mint, revoke
//	Redeemer  an agent's side: exchange a PIN, or an email and password, for a session
//	Sessions  whether a session lives, and its end
//
// The rules that must be decided while rows are held are methods of plain
// values ([TryFacts.Judge], [Credential.Usable], [Session.Due], …); a [Store]
// calls them inside its transactions and keeps each verb atomic together with
// its record entries and its endings.
//
// It knows no SQL, no HTTP and no OpenID Connect, and imports only scopes and
// audit of this module.
package credentials
