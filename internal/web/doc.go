// Package web owns what the pages of owners and agents share: cookies,
// security headers, the visitor's address, how an error becomes a page, and how a
// record is exported, which the API does too.
//
// Of this module it imports templates and internal/keys only.
package web
