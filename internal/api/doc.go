// Package api is the management API: how a product's back end mints, watches
// and revokes for its account owners, and how relying apps report actions.
//
//	POST GET DELETE  /api/v1/accounts/{account}/credentials       mint, list, revoke all
//	GET DELETE       /api/v1/accounts/{account}/credentials/{id}  look at one, revoke it
//	GET              /api/v1/accounts/{account}/sessions          list
//	DELETE           /api/v1/accounts/{account}/sessions/{sid}    end one
//	GET              /api/v1/accounts/{account}/record            newest first, or the export
//	POST             /api/v1/verifications                        is the caller who they say?
//	POST             /api/v1/actions                              report one action, or a batch
//	GET              /api/v1/endings                              the stream of sessions that end
//	POST             /api/v1/endings/ack                          they are applied up to here
//	GET              /api/openapi.json                            this, for machines
//
// It owns the shapes of requests and replies, who may call what, and what an
// error says: problem details (RFC 9457) that name a place in the request and
// what is wanted there, never what was posted there, and never the text of an
// internal error. A secret is in one reply, that of the mint.
//
// It decides nothing about lending (credentials does), nothing about tokens
// (provider) and nothing about endings (revocation), and knows no SQL. It may import
// these and what they import, and internal/web, and never internal/owner or
// internal/staff.
package api
