// Command bench measures the broker: the real binary, over real sockets, with
// every reply checked.
//
//	go run ./bench                         the table, on SQLite and PostgreSQL
//	go run ./bench -only signin -db postgres -clients 8 -for 10s
//	go run ./bench -grown                  beside the same with a million dead credentials
//
// Each row is a closed loop: so many clients, each doing one thing after the
// other. A sign-in is that of a fresh browser: every redirect followed, every form
// filled in as it is served, the ID token verified. What is measured besides the
// rate is read from outside: processor time and memory of the broker's process
// and of PostgreSQL's, commits from the database's own counters.
//
// Everything is bounded, listens on loopback, and is removed at the end. It
// imports nothing of the broker; what tests start PostgreSQL with, it uses too.
package main
