//go:build !faults

package e2e

// kills is how often a node is killed; with the tag faults it is far more often.
const kills = 10
