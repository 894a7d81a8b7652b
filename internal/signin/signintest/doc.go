// Package signintest is what tests of the pages share: a browser that keeps to
// the rules that real ones have for forms and cookies, an issuer that answers as
// a test wants, a store of which a verb fails, and a clock.
//
// It is for tests only. Of this module it imports audit, credentials and
// internal/store.
package signintest
