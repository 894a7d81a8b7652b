// Package provider owns the OpenID Provider: what relying apps speak with.
//
//	GET  /.well-known/openid-configuration   discovery.go
//	GET  /jwks                               server.go
//	GET  /authorize (POST answers 303)       authorize.go → the agent's pages → Finish → answer.go
//	POST /par                                par.go
//	POST /token                              exchange.go, refresh.go, api.go, tokenexchange.go
//	POST /introspect                         introspect.go
//	GET  /userinfo (and POST)                userinfo.go
//	POST /revoke                             revoke.go
//	GET  /logout (and POST)                  logout.go → the agent's pages → SignedOut
//
// Who a client is says clientauth.go, by assertion.go where it has keys; which
// key a token is bound to says dpop.go, and whether its holder has that key,
// holder.go.
//
// The protocol's plumbing is zitadel/oidc's op.Server; everything that decides
// something is here or in package credentials. Only tokens.go builds tokens,
// and only internal/keys signs them. What fails inside leaves through publicError
// alone, without its text.
//
// It may not import internal/connectors, nor the pages: those come after it,
// through the Interact field.
package provider
