// Package demo is the demonstration: "Northwind Docs", a relying app with
// documents to read, edit and delete, and the people to be in it. It is as
// small as it can be and still real: every token is asked for, verified and
// renewed as the standards say, and every click of an agent goes to the
// broker's record before it does anything.
//
// It imports nothing of the broker, which it reaches as any app does, by
// OpenID Connect and the management API.
//
// What it serves, on two listeners:
//
//	Docs   /                      two doors: customer, and support team
//	       /app/...               the product, behind the customers' own login
//	       /support/...           the same pages in support mode
//	       /support/callback      where the broker sends the agent back
//	       /id/...                an [Issuer]: the customers' "Northwind account"
//	Staff  /...                   an [Issuer]: the staff's "Northwind SSO"
//
// Customers and agents can share one browser. Cookies do not tell ports apart,
// so each has a name of its own, and support's lies under /support.
//
// This is no example of a login: its people sign in by pressing their name. So
// it listens on loopback and refuses every other address.
package demo
