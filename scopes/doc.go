// Package scopes owns what may be lent: the catalogue of scopes with their
// kinds, and the two decisions made over it.
//
//   - [Catalogue.Lend] is asked once, at minting: which scopes go into a credential.
//   - [Catalogue.Narrow] is asked for every grant: which of the lent scopes a
//     client gets for what it requested.
//
// Both stand on the same rule, [Kind.Lendable], an allowlist: a kind that this
// package does not know is never lent.
//
// It imports the standard library only.
package scopes
