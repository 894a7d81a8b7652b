// Package keys owns what must stay secret on the broker's side: the secrets
// file (pepper and sealing keys), sealing by purpose, and the signing keys
// with everything that is signed by them.
//
// It imports nothing else of this module.
package keys
