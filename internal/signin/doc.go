// Package signin owns how people prove who they are in a browser: the choice
// among the connectors, a local password and code, the trip to an upstream
// issuer and back, and the cookie that remembers the proof. Agents and owners
// each have a Door of their own, with cookies and sealed values that mean
// nothing at the other.
//
//	POST <Path>/local       username and password of local people
//	POST <Path>/code        the one-time code that follows
//	GET  <Path>/return/ID   back from the issuer of connector ID: its redirect_uri
//
// The page that asks is the population's own: it calls [Door.Ask]. Nothing here
// writes to the database, except the one use of a right one-time code.
package signin
