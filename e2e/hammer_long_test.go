//go:build hammer

package e2e

import "math/rand/v2"

// blows is how many requests there are.
const blows = 250_000

// hammerBoth has both databases hammered.
const hammerBoth = true

// hammerSeed is what they are made from: others each time. A failure names it.
var hammerSeed = rand.Uint64()
