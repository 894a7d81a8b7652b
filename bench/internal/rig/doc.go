// Package rig is what the commands of bench share: the built broker in one or
// more nodes, its database, and clients that speak the real protocol and check
// every reply.
//
// It imports nothing of the broker but what tests start PostgreSQL with.
package rig
