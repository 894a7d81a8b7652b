package revocation

import (
	"context"
	"encoding/json"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

// eventClaims are a Security Event Token's (RFC 8417), as the framework wants
// them: neither exp nor sub, so that nothing takes it for another token.
type eventClaims struct {
	Issuer   string         `json:"iss"`
	Audience string         `json:"aud"`
	Issued   int64          `json:"iat"`
	ID       string         `json:"jti"`
	TXN      string         `json:"txn,omitempty"`
	Subject  subject        `json:"sub_id"`
	Events   map[string]any `json:"events"`
}

// subject is a subject identifier (RFC 9493), or a complex one of several
// (section 3.3 of the framework).
type subject struct {
	Format  string   `json:"format"`
	ID      string   `json:"id,omitempty"`
	Issuer  string   `json:"iss,omitempty"`
	Subject string   `json:"sub,omitempty"`
	Session *subject `json:"session,omitempty"`
	User    *subject `json:"user,omitempty"`
}

// revoked is the event of CAEP 1.0 section 3.1.
type revoked struct {
	At         int64             `json:"event_timestamp"`
	Initiating string            `json:"initiating_entity"`
	Reason     map[string]string `json:"reason_admin"`
}

// whys says of each cause who brought the end about, and why, without a word of
// any person.
var whys = map[credentials.Cause]struct{ who, why string }{
	credentials.CauseRevoked:   {"user", "The support access was revoked."},
	credentials.CauseSignedOut: {"user", "The support agent signed out."},
	credentials.CauseCancelled: {"user", "The support agent cancelled the session."},
	credentials.CauseIdle:      {"system", "The support session was not used for too long."},
	credentials.CauseTime:      {"system", "The time of the support session was over."},
	credentials.CauseReuse:     {"policy", "A code or refresh token of the session was used twice."},
	credentials.CauseOperator:  {"admin", "The operator ended the support session."},
}

// token makes the signed token of an event.
func (s *SSF) token(ctx context.Context, client, audience string, e store.SSFEvent, stream string) (string, error) {
	c := eventClaims{Issuer: s.Issuer, Audience: client, Issued: e.MadeAt.Unix(), ID: e.JTI, TXN: e.TXN, Subject: subject{Format: "opaque", ID: stream}}
	switch e.Kind {
	case store.SSFVerify:
		event := map[string]string{}
		if e.Text != "" {
			event["state"] = e.Text
		}
		c.Events = map[string]any{eventVerify: event}
	case store.SSFUpdated:
		c.Events = map[string]any{eventUpdated: map[string]string{"status": e.What, "reason": e.Text}}
	default:
		who, err := s.Subject(ctx, audience, e.SID)
		if err != nil {
			return "", err
		}
		c.Subject = subject{Format: "complex", Session: &subject{Format: "opaque", ID: e.SID}}
		if who != "" {
			c.Subject.User = &subject{Format: "iss_sub", Issuer: s.Issuer, Subject: who}
		}
		why := whys[credentials.Cause(e.What)]
		c.Events = map[string]any{eventRevoked: revoked{e.EndedAt.Unix(), why.who, map[string]string{"en": why.why}}}
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	return s.Sign(payload)
}
