// Package connectors owns how people prove who they are: local people with a
// password and one-time code, and the ID tokens of owners' upstream issuers.
//
// It may not import provider, nor the pages.
package connectors
