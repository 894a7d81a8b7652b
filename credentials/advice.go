package credentials

import "fmt"

// Advice tells the agent what to do about it. It says the same of a wrong PIN as
// of an unknown account.
func (e *NoMatch) Advice() string {
	switch {
	case e.Left < 0:
		return "That did not match. Check email and password, or ask the customer for new ones."
	case e.Left == 0:
		return "That did not match, and it was your last try before a 15-minute pause. Ask the customer for a new PIN and wait."
	case e.Left == 1:
		return "That did not match. Check account and PIN, or ask for a new PIN. 1 try before a 15-minute pause."
	}
	return fmt.Sprintf("That did not match. Check account and PIN, or ask for a new PIN. %d tries before a 15-minute pause.", e.Left)
}

// Advice tells the agent what to do about it.
func (e *Unusable) Advice() string {
	switch e.State {
	case Used:
		return "This was used already. Ask the customer to make a new one."
	case Expired:
		return "This has expired. Ask the customer to make a new one."
	case Replaced:
		return "The customer has made a newer one. Ask for that."
	case Revoked:
		return "The customer has taken this back. Ask them whether they still want help."
	}
	return "This can no longer be used. Ask the customer to make a new one."
}
