package credentials

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/valetkey/valetkey/scopes"
)

// Kind is what a credential looks like to the agent.
type Kind string

// The two kinds of credential.
const (
	PIN      Kind = "pin"
	Password Kind = "password"
)

// Policy says what kind of credential may be minted, by whom, for how long,
// and with which scopes.
type Policy struct {
	ID, Name      string
	Kind          Kind
	Mint          []ClaimRule     // who may mint; none: every owner
	Digits        int             // of a PIN
	RedeemWithin  []time.Duration // the choices; one is no choice
	RedeemDefault time.Duration
	Uses          int // 0: unlimited (passwords only)
	Tries         int // settled wrong tries, then a PIN is dead
	Session       time.Duration
	Idle          time.Duration
	Scopes        []string
	ContactBound  bool   // valid for the person who was signed in when it was minted
	EmailDomain   string // of temporary addresses
	Holder        bool   // whoever has the email and password, without SSO
}

// Check refuses a policy that could not hold what the product promises.
func (p Policy) Check(c *scopes.Catalogue) error {
	for _, name := range p.Scopes {
		if !c.Lendable(name) {
			return fmt.Errorf("scope %q is never lent (its kind, or the never list, forbids it); take it out of the policy", name)
		}
	}
	switch {
	case len(p.Scopes) == 0:
		return fmt.Errorf("a policy needs at least one scope that may be lent")
	case !slices.Contains(p.RedeemWithin, p.RedeemDefault):
		return fmt.Errorf("the default of redeem_within must be one of its choices")
	case p.Kind == PIN && (p.Digits < 4 || p.Tries < 1 || p.Uses != 1 || p.Holder):
		return fmt.Errorf("a PIN has at least 4 digits, at least one try and exactly one use, and always names an agent")
	case p.Kind == Password && p.EmailDomain == "":
		return fmt.Errorf("a temporary login needs an email_domain")
	case p.Session <= 0 || p.Idle <= 0:
		return fmt.Errorf("a session needs a length and an idle end; nothing here is indefinite")
	}
	return nil
}

// MayMint reports whether somebody with these claims may mint by this policy.
func (p Policy) MayMint(claims map[string][]string) bool { return Allowed(p.Mint, claims) }

// weakBelow is the number of digits below which the stricter limits hold.
const weakBelow = 6

// Windows of the limits on guessing.
const (
	PauseWindow = 15 * time.Minute
	DayWindow   = 24 * time.Hour
)

// limits bound guessing beyond a single credential: wrong tries in a window.
type limits struct {
	Pause        int // per agent in PauseWindow: then a pause
	Suspend      int // per agent in DayWindow: then suspended until an operator lifts it
	Account      int // per account in DayWindow, across re-mints: then PINs of it are refused
	Installation int // in DayWindow, over all accounts: then every PIN is refused
}

// limitsFor are the limits that hold for PINs of so many digits.
func limitsFor(digits int) limits {
	if digits < weakBelow {
		return limits{Pause: 3, Suspend: 10, Account: 6, Installation: 200}
	}
	return limits{Pause: 5, Suspend: 20, Account: 20, Installation: 1000}
}

// GuessChance is the chance that guessing opens one credential of the policy
// before it is dead; for a password it is bounded by its length alone.
func (p Policy) GuessChance() float64 {
	if p.Kind == Password {
		return math.Pow(2, -passwordBits)
	}
	return float64(p.Tries) / math.Pow10(p.Digits)
}

// GuessChanceAgent is the chance that one agent opens any credential of the
// policy by guessing before being suspended.
func (p Policy) GuessChanceAgent() float64 {
	if p.Kind == Password {
		return math.Pow(2, -passwordBits)
	}
	return 1 - math.Pow(1-1/math.Pow10(p.Digits), float64(limitsFor(p.Digits).Suspend))
}

// Weak reports whether PINs of so many digits have the stricter limits.
func Weak(digits int) bool { return digits < weakBelow }
