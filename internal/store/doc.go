// Package store keeps everything in SQLite or PostgreSQL: one set of
// statements for both, through database/sql. It implements credentials.Store
// and credentials.Reader; what differs between the engines is in engine.go.
//
// Locks are taken in one order: installation, agent, account head rows by
// ascending id, and last what everybody shares: the hour of wrong tries or the
// endings counter. Every verb that touches an account locks its head row
// before it reads any state, so that a revocation and a concurrent redemption or
// token of the account come one after the other. The rules themselves are asked
// of package credentials.
//
// It imports credentials, scopes, audit, internal/keys and migrations of this
// module.
package store
