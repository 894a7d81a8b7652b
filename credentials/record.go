package credentials

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/valetkey/valetkey/audit"
)

// Kinds of entries: one for each decision.
const (
	RecordMinted        = "credential.minted"
	RecordRevoked       = "credential.revoked"
	RecordRefusedTry    = "try.refused"
	RecordLapsedTry     = "try.lapsed"
	RecordOpened        = "session.opened"
	RecordVerified      = "caller.verified"
	RecordToken         = "token.issued"
	RecordAction        = "action.started"
	RecordRefusedAction = "action.refused"
	RecordEnded         = "session.ended"
	RecordReceipt       = "ending.applied"
	RecordSuspended     = "agent.suspended"
	RecordRestored      = "agent.restored"
	RecordAccountErased = "account.erased"
	RecordPersonErased  = "person.erased"
	RecordRecovered     = "installation.recovered"
	RecordKeys          = "keys.rotated"
)

// Why a try was refused, in the record only: the visitor is not told.
const (
	WhyNoMatch   = "no match"
	WhyLimit     = "limit"
	WhyTicket    = "ticket"
	WhyPaused    = "paused"
	WhySuspended = "suspended"
)

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// facts drops what is empty, so that an entry says only what there is to say.
func facts(pairs ...string) map[string]string {
	out := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out[pairs[i]] = pairs[i+1]
		}
	}
	return out
}

// about is the personal part for one person; nobody when nothing is known.
func about(id string, pairs ...string) []audit.Person {
	fields := facts(pairs...)
	if len(fields) == 0 {
		return nil
	}
	return []audit.Person{{ID: id, Fields: fields}}
}

func aboutAgent(a *Agent, pairs ...string) []audit.Person {
	if a == nil {
		return about("", pairs...)
	}
	return about(a.Key(), append(pairs, "agent", a.Name, "agent_email", a.Email, "agent_sub", a.Subject)...)
}

// DraftMinted is the entry of a mint and of what it replaced.
func DraftMinted(c Credential, replaced []string, by Mark) audit.Draft {
	return audit.Draft{
		Kind: RecordMinted,
		Facts: facts("credential", c.ID, "policy", c.Policy, "kind", string(c.Kind), "scopes", strings.Join(c.Scopes, " "),
			"redeem_by", rfc3339(c.RedeemBy), "session", Span(c.Session), "uses", usesText(c.Uses),
			"replaced", strings.Join(replaced, " "), "by", by.Who, "client", clientOf(by), "contact_bound", boolText(c.ContactKey != "")),
		About: about(c.Minter.Key(), "owner", c.Minter.Name, "owner_email", c.Minter.Email, "owner_sub", c.Minter.Subject,
			"ticket", c.Ticket),
	}
}

// clientOf is the app that an owner made something in; empty where it was made
// on the broker's own page.
func clientOf(by Mark) string {
	if by.Who != "client" {
		return ""
	}
	return by.ID
}

func usesText(n int) string {
	if n == 0 {
		return "unlimited"
	}
	return strconv.Itoa(n)
}

func boolText(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// DraftRevoked is the entry of a revocation; its sessions' ends have their own.
func DraftRevoked(c Credential, by Mark) audit.Draft {
	return audit.Draft{
		Kind:  RecordRevoked,
		Facts: facts("credential", c.ID, "policy", c.Policy, "was", string(c.State), "by", by.Who, "id", by.ID),
		About: about(by.ID, "name", by.Name),
	}
}

// DraftRefusedTry is the entry of a PIN that was refused. burned lists the
// PINs that this try killed.
func DraftRefusedTry(s Settlement, why error, burned []string) audit.Draft {
	reason := causeOf(why)
	if s.Closed && why == nil {
		reason = WhyLimit
	}
	return audit.Draft{
		Kind: RecordRefusedTry,
		Facts: facts("with", string(PIN), "for", purpose(s.Try), "why", reason, "credential", s.Matched, "burned", strings.Join(burned, " "),
			"compared", strconv.Itoa(len(s.PINs)), "agent_id", s.Agent.Key(), "client", s.Client),
		About: aboutAgent(&s.Agent, "reason", s.Reason),
	}
}

// purpose says what a PIN was tried for, where it was not to open a session.
func purpose(t Try) string {
	if t.Verify {
		return "verification"
	}
	return ""
}

// DraftVerified is the entry of a caller who was who they said.
func DraftVerified(s Settlement, v Verified) audit.Draft {
	by := ""
	if s.Client != "" {
		by = "client"
	}
	return audit.Draft{
		Kind: RecordVerified,
		Facts: facts("credential", v.Credential, "policy", v.Policy, "agent_id", s.Agent.Key(), "agent_iss", s.Agent.Issuer,
			"by", by, "client", s.Client),
		About: aboutAgent(&s.Agent, "reason", v.Reason),
	}
}

// DraftRefusedPassword is the entry of an email and password that were refused.
func DraftRefusedPassword(p PasswordTry, why error) audit.Draft {
	reason := WhyNoMatch
	if p.Right {
		reason = causeOf(why)
	}
	return audit.Draft{
		Kind:  RecordRefusedTry,
		Facts: facts("with", string(Password), "why", reason, "credential", p.Credential),
		About: aboutAgent(p.Agent, "reason", p.Reason),
	}
}

func causeOf(why error) string {
	var dead *Unusable
	var pause *Paused
	switch {
	case why == nil:
		return WhyNoMatch
	case errors.As(why, &dead):
		return string(dead.State)
	case errors.As(why, &pause):
		return WhyPaused
	case errors.Is(why, ErrTicket):
		return WhyTicket
	case errors.Is(why, ErrSuspended):
		return WhySuspended
	}
	return why.Error()
}

// DraftLapsedTry is the entry of a try that was reserved and never settled.
// burned lists the PINs that it killed.
func DraftLapsedTry(agent string, pins, burned []string) audit.Draft {
	return audit.Draft{
		Kind:  RecordLapsedTry,
		Facts: facts("agent_id", agent, "credential", strings.Join(pins, " "), "burned", strings.Join(burned, " ")),
	}
}

// DraftOpened is the entry of a redemption.
func DraftOpened(s Session) audit.Draft {
	return audit.Draft{
		Kind: RecordOpened,
		Facts: facts("sid", s.ID, "credential", s.Credential, "policy", s.Policy, "scopes", strings.Join(s.Scopes, " "),
			"ends_at", rfc3339(s.EndsAt), "agent_id", s.AgentKey(), "agent_iss", issuerOf(s.Agent)),
		About: aboutAgent(s.Agent, "reason", s.Reason),
	}
}

func issuerOf(a *Agent) string {
	if a == nil {
		return ""
	}
	return a.Issuer
}

// DraftToken is the entry of every access token of a session. through is the
// client that asked, where that is another than the app of the audience.
func DraftToken(grant, sid, client, audience, scope, tokenID, through string) audit.Draft {
	return audit.Draft{
		Kind:  RecordToken,
		Facts: facts("grant", grant, "sid", sid, "client", client, "audience", audience, "scope", scope, "jti", tokenID, "through", through),
	}
}

// DraftAction is the entry of an action, started or refused. why says what
// made the broker refuse it.
func DraftAction(a Action, agent string, why string) audit.Draft {
	kind := RecordAction
	if a.Refused || why != "" {
		kind = RecordRefusedAction
	}
	return audit.Draft{
		Kind:  kind,
		Facts: facts("action", a.Name, "scope", a.Scope, "sid", a.SID, "client", a.Client, "why", why, "id", a.ID),
		About: about(agent, "target", a.Target),
	}
}

// DraftEnded is the entry of a session's end.
func DraftEnded(s Session, by Mark) audit.Draft {
	return audit.Draft{
		Kind:  RecordEnded,
		Facts: facts("sid", s.ID, "credential", s.Credential, "cause", string(s.Cause), "by", by.Who, "id", by.ID),
		About: about(by.ID, "name", by.Name),
	}
}

// DraftReceipt is the entry of an app's word that it has applied an ending: one
// for each session and app that held a token of it.
func DraftReceipt(r Receipt) audit.Draft {
	instances := ""
	if r.Instances > 0 {
		instances = strconv.Itoa(r.Instances)
	}
	return audit.Draft{
		Kind: RecordReceipt,
		Facts: facts("sid", r.SID, "client", r.Client, "audience", r.Audience, "how", string(r.Enforces),
			"after_ms", strconv.FormatInt(r.After().Milliseconds(), 10), "instances", instances),
	}
}

// DraftSuspension is the entry, in the installation's chain, of an agent's
// suspension or its lifting.
func DraftSuspension(agent string, suspended bool, by Mark) audit.Draft {
	kind := RecordRestored
	if suspended {
		kind = RecordSuspended
	}
	return audit.Draft{Kind: kind, Facts: facts("agent_id", agent, "by", by.Who, "id", by.ID)}
}

// DraftRecovered is the entry, in the installation's chain, of a recovery after
// a restore; what it ended has entries of its own.
func DraftRecovered(epoch string, by Mark) audit.Draft {
	return audit.Draft{Kind: RecordRecovered, Facts: facts("epoch", epoch, "by", by.Who)}
}

// DraftKeys is the entry, in the installation's chain, of signing keys that
// begin to sign, by their key ids; compromised: those from before are gone.
func DraftKeys(signing []string, compromised bool, by Mark) audit.Draft {
	return audit.Draft{Kind: RecordKeys, Facts: facts("signing", strings.Join(signing, " "), "compromised", boolText(compromised), "by", by.Who)}
}

// DraftAccountErased is the entry, in the account's own chain, of its erasure.
func DraftAccountErased(by Mark) audit.Draft {
	return audit.Draft{Kind: RecordAccountErased, Facts: facts("by", by.Who)}
}

// DraftPersonErased is the entry, in the installation's chain, of a person's
// erasure. The pseudonym is all that may be said of them.
func DraftPersonErased(person string, by Mark) audit.Draft {
	return audit.Draft{Kind: RecordPersonErased, Facts: facts("person", person, "by", by.Who)}
}
