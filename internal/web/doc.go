// Package web owns what the pages of owners and agents share: cookies, forms,
// security headers, redirects, the visitor's address, how an error becomes a page,
// and how a record is exported, which the API does too; and the short way to every
// fixed path of the program.
//
// Of this module it imports templates and internal/keys only.
package web
