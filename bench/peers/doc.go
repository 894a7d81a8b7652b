// Command peers measures other OpenID Providers and the broker in one run, and
// says how they compare:
//
//	go run ./bench/peers                      npm oidc-provider, zitadel's example server, the broker
//	go run ./bench/peers -dex /path/to/dex    Dex on PostgreSQL too
//	go run ./bench/peers -hydra /path/to/hydra   and Ory Hydra on PostgreSQL
//
// All are asked by the same clients for the same: complete sign-ins of a fresh
// browser (code flow, PKCE, one form with a name and a password, every redirect
// followed, the ID token verified), tokens of a client's own, introspection,
// refresh. Each row is measured in rounds in which the servers take turns, in one
// order and then in the other; the medians are printed, and the medians of the
// ratios within each round.
//
// They do not do the same work. The peers of the registries keep everything in
// memory, forget it when they end, and record nothing; the broker has each
// sign-in on disk before it answers, in a chained record. Dex and Hydra keep what
// they need in PostgreSQL. Dex answers some of what comes at the same time with an
// error, which is counted. Every row names the algorithm of its ID tokens, because an RS256
// signature costs more than all the rest of a sign-in.
package main
