//go:build faults

package e2e

// kills is how often a node is killed.
const kills = 200
