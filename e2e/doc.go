// Package e2e drives the built program from outside, as a product, its support
// staff and its apps would: over HTTP, with a configuration written by hand and
// an empty database, on SQLite and on PostgreSQL. It knows the program by its
// documented surface only and imports nothing of it.
package e2e
