// Package arch holds one thing: the tests that keep the shape of this code
// base. Which package may import which, how long a file and a function may
// be. It has no code of its own and imports nothing of ours.
//
// To add a package, give it a place in the table of direction_test.go (and in
// .golangci.yml, which tells the same at the line that breaks it).
package arch
