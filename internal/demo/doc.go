// Package demo is the demonstration: "Northwind Docs", a relying app with
// documents to read, edit and delete, and the people to be in it. It is as
// small as it can be and still real: support comes in by package guard, as into
// any app, so that every click of an agent is in the broker's record before it
// does anything, and is refused within milliseconds of the end of access.
//
// It imports nothing of the broker, which it reaches as any app does.
//
// What it serves, on two listeners:
//
//	Docs   /                      two doors: customer, and support team
//	       /app/...               the product, behind the customers' own login
//	       /support/...           the same pages in support mode
//	       /support               begins a sign-in; /support/callback ends it
//	       /id/...                an [Issuer]: the customers' "Northwind account"
//	Staff  /...                   an [Issuer]: the staff's "Northwind SSO"
//
// Customers and agents can share one browser: the customers' login decides below
// /app and support's below /support. Cookies do not tell ports apart, so each has
// a name of its own.
//
// This is no example of a login: its people sign in by pressing their name. So
// it listens on loopback and refuses every other address.
package demo
