// Package staff owns the agent's pages: who they are, what the customer gave
// them, what they are about to enter.
//
//	Begin              called by provider with a valid authorization request
//	GET  /sign-in      the same request again, after a detour
//	POST /sign-in/local, /sign-in/code       local people
//	POST /redeem       account and PIN, or email and password
//	POST /verify       account and PIN, to hear who is calling; GET /verified says it
//	GET  /summary      what is about to be entered
//	POST /enter        → provider.Finish
//	POST /cancel, /sign-out
//	SignOut            called by provider with an app's request to sign out
//	POST /logout/confirm   → provider.SignedOut; /logout/stay ends nothing
//
// It decides nothing that lasts: credentials does.
package staff
