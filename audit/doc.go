// Package audit owns the record: what an entry is, how entries are chained,
// and how a chain is verified.
//
// Each account has a chain of its own, and the installation has one (its name
// is empty) for what belongs to no known account. An entry hashes its
// predecessor's hash, its own place and time, its facts, and a salted digest
// of each personal field (names, emails, reasons, targets). The fields and
// their salt live beside the entry and can be erased: the chain still
// verifies, and the reader sees "[erased]".
//
// It imports the standard library only.
package audit
