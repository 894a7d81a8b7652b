// Package migrations holds the schema as numbered forward steps, the same text
// for both engines. Times are integer UTC microseconds (0: not yet),
// identifiers are text, sealed values and hashes are bytes: BYTEA is
// PostgreSQL's word, and SQLite, which keeps a value's own type, takes it too.
//
// It imports nothing else of this module.
package migrations

import "embed"

// Files are the steps, for pressly/goose.
//
//go:embed *.sql
var Files embed.FS
