//go:build !hammer

package e2e

// blows is how many requests there are; with the tag hammer there are far more.
const blows = 10_000

// hammerBoth has both databases hammered.
const hammerBoth = false

// hammerSeed is what they are made from: the same each time.
const hammerSeed = 4
