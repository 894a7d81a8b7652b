// Package web owns what the pages of owners and agents share: cookies,
// security headers, the visitor's address, and how an error becomes a page.
//
// Of this module it imports templates and internal/keys only.
package web
