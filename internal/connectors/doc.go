// Package connectors owns how people prove who they are: local people with a
// password and one-time code, and people who sign in at an OpenID Provider of
// their own company.
//
// Who they are is (issuer, subject), never an email. What it asks outside goes
// to the configured issuers and where their discovery says, and nowhere else.
//
// It may not import provider, nor the pages.
package connectors
