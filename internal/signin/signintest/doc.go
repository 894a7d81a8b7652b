// Package signintest is what tests of sign-ins share: a browser that keeps to
// the rules that real ones have for forms and cookies, an issuer that answers as
// a test wants, a clock and a log.
//
// It is for tests only. It imports nothing of the server.
package signintest
