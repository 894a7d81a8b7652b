// Package owner owns the owner's pages: who is in the account, who could come
// in, what happened; and what the owner does about it.
//
//	GET  /support-access                 the page
//	GET  /support-access/live            the part of it that changes by itself
//	GET  /support-access/sign-in         who are you
//	POST /support-access/credentials     mint; the reply is the one place with the secret
//	POST /support-access/revoke          one credential, or everything
//	POST /support-access/end             one visit
//	POST /support-access/sign-out
//	GET  /support-access/record          older entries
//	GET  /support-access/record.jsonl    the whole record, to be verified offline
//
// It decides nothing that lasts: credentials does. Everybody who may sign in
// for an account may watch and end access to it; who may mint is the policy's.
package owner
