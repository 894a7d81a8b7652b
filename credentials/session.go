package credentials

import "time"

// Cause is why a session ended.
type Cause string

// The causes.
const (
	CauseRevoked   Cause = "revoked"
	CauseSignedOut Cause = "signed_out"
	CauseCancelled Cause = "cancelled"
	CauseIdle      Cause = "idle"
	CauseTime      Cause = "time"
	CauseReuse     Cause = "reuse" // of a code or refresh token
	CauseOperator  Cause = "operator"
)

// Session is one agent in one account by one credential, with an end. Every
// token belongs to one and dies with it.
type Session struct {
	ID         string // sid
	Account    Account
	Credential string
	Kind       Kind
	Policy     string
	Agent      *Agent // nil where the credential's holder needs no SSO; see Agent.Erased
	Scopes     []string
	Ticket     string
	Reason     string
	Contact    string
	Email      string // the temporary address
	OwnerSub   string // subject of who minted
	OpenedAt   time.Time
	EndsAt     time.Time // by time, at the latest
	Idle       time.Duration
	ActiveAt   time.Time
	AuthTime   time.Time // the agent's proof; for a holder the redemption
	AMR        []string
	EndedAt    time.Time // zero while it lives
	Cause      Cause
	// StatusIndex is its place in the status list; 0 once no token of it can
	// live, and for sessions from before there was a list.
	StatusIndex int64
}

// Ended reports whether the session's end has been written.
func (s Session) Ended() bool { return !s.EndedAt.IsZero() }

// DueAt is when the session ends if nothing more happens.
func (s Session) DueAt() time.Time {
	if idle := s.ActiveAt.Add(s.Idle); idle.Before(s.EndsAt) {
		return idle
	}
	return s.EndsAt
}

// Due reports whether the session has come to its end by time or idleness
// without that having been written. Whoever looks first writes it.
func (s Session) Due(now time.Time) (Cause, bool) {
	if s.Ended() || now.Before(s.DueAt()) {
		return "", false
	}
	if s.DueAt().Equal(s.EndsAt) {
		return CauseTime, true
	}
	return CauseIdle, true
}

// AgentKey is the pseudonym of the session's agent; empty for a holder.
func (s Session) AgentKey() string {
	if s.Agent == nil {
		return ""
	}
	return s.Agent.Key()
}

// Open makes the session that this credential opens now.
func (c Credential) Open(id string, account Account, agent *Agent, reason string, now time.Time) Session {
	s := Session{
		ID: id, Account: account, Credential: c.ID, Kind: c.Kind, Policy: c.Policy,
		Scopes: c.Scopes, Ticket: c.Ticket, Reason: reason, Contact: c.Contact, Email: c.Email,
		OwnerSub: c.Minter.Subject, OpenedAt: now, ActiveAt: now, EndsAt: c.sessionEnd(now), Idle: c.Idle,
		AuthTime: now, AMR: []string{"pwd"},
	}
	if agent != nil && !c.Holder {
		s.Agent, s.AuthTime, s.AMR = agent, agent.AuthTime, agent.AMR
	}
	if c.Kind == PIN {
		s.AMR = append(append([]string(nil), s.AMR...), "pin")
	}
	return s
}

// Mark names who or what ended something, for the record.
type Mark struct {
	Who  string // owner | agent | client | operator | broker
	ID   string // pseudonym of a person, or the id of a client
	Name string // personal: the person's name, where known
}
