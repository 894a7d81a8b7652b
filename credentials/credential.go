package credentials

import (
	"crypto/rand"
	"encoding/base64"
	"time"
	"unicode"

	"strings"
)

// State of a credential. Expiry by time is decided when it is looked at
// ([Credential.StateAt]); a job only writes it down.
type State string

// The states. All but Live are final.
const (
	Live     State = "live"
	Used     State = "used"     // every use was redeemed
	Replaced State = "replaced" // a newer one took its place
	Revoked  State = "revoked"
	Burned   State = "burned" // too many wrong tries
	Expired  State = "expired"
)

// Credential is one minted PIN, or temporary email and password, without its
// secret.
type Credential struct {
	ID           string
	Account      string
	Policy       string
	Kind         Kind
	Digits       int
	Holder       bool
	State        State
	Scopes       []string
	Ticket       string // must be named by the agent when not empty
	Contact      string // name of the person it is bound to; empty where not bound
	ContactKey   string // pseudonym of that person
	Minter       Owner
	Email        string // the temporary address
	MadeAt       time.Time
	RedeemBy     time.Time
	RedeemWithin time.Duration // used at minting: RedeemBy − MadeAt
	Session      time.Duration
	Idle         time.Duration
	Uses         int // 0: unlimited
	UsesLeft     int
	Tries        int
	Wrong        int // settled wrong tries
	TicketMisses int
}

// StateAt is the state as of now.
func (c Credential) StateAt(now time.Time) State {
	if c.State == Live && !now.Before(c.RedeemBy) {
		return Expired
	}
	return c.State
}

// Usable says why the credential cannot open a session now, or nil. It is
// asked only after a right secret, so it may be precise.
func (c Credential) Usable(now time.Time) error {
	if state := c.StateAt(now); state != Live {
		return &Unusable{State: state}
	}
	if c.Uses > 0 && c.UsesLeft <= 0 {
		return &Unusable{State: Used}
	}
	return nil
}

// Consume takes one use. The credential is Used after its last.
func (c *Credential) Consume() {
	if c.Uses == 0 {
		return
	}
	c.UsesLeft--
	if c.UsesLeft <= 0 {
		c.State = Used
	}
}

// sessionEnd is when a session opened now ends by time. A PIN's session runs
// its own length; no session of a temporary login outlives redeem-by.
func (c Credential) sessionEnd(now time.Time) time.Time {
	end := now.Add(c.Session)
	if c.Kind == Password && c.RedeemBy.Before(end) {
		return c.RedeemBy
	}
	return end
}

// Verify says who is calling, to whoever gave the right secret.
func (c Credential) Verify(account Account, reason string, now time.Time) Verified {
	return Verified{Credential: c.ID, Policy: c.Policy, Account: account, Contact: c.Contact, MadeBy: c.Minter.Name,
		Ticket: c.Ticket, Reason: reason, At: now}
}

// FreeTicketMisses is how many times a right secret with a wrong ticket costs
// nothing.
const FreeTicketMisses = 3

// ticketTries is how many more wrong tickets a temporary login bears. A PIN
// loses tries instead.
const ticketTries = 5

// MissTicket counts a right password with a wrong ticket. After too many of
// them the login is dead, as a PIN would be.
func (c *Credential) MissTicket() {
	c.TicketMisses++
	if c.TicketMisses >= FreeTicketMisses+ticketTries {
		c.State = Burned
	}
}

// Names reports whether the reason an agent gave names the ticket that the
// credential asks for: the whole ticket, without regard to case, standing by
// itself. A credential without ticket asks for nothing.
func (c Credential) Names(reason string) bool {
	want := strings.ToLower(strings.TrimSpace(AsWritten(c.Ticket)))
	if want == "" {
		return true
	}
	said := strings.ToLower(AsWritten(reason))
	for from := 0; ; {
		i := strings.Index(said[from:], want)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(want)
		if !touchesWord(said[:start], true) && !touchesWord(said[end:], false) {
			return true
		}
		from = start + 1
	}
}

// AsWritten leaves out what turns text around, and the controls past ASCII, which
// some terminals obey. They are not seen, they come along when somebody copies
// from a page written from right to left or from an old table, and they can make
// a text look like another one: an account's number, read out backwards.
func AsWritten(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}

// touchesWord reports whether s continues a word at its end (or its start).
func touchesWord(s string, atEnd bool) bool {
	runes := []rune(s)
	if len(runes) == 0 {
		return false
	}
	r := runes[0]
	if atEnd {
		r = runes[len(runes)-1]
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// NewID returns a random identifier of 128 bits, base64url.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	return base64.RawURLEncoding.EncodeToString(b[:])
}
