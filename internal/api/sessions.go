package api

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

type sessionInput struct {
	Account string `path:"account" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters"`
	SID     string `path:"sid" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters"`
}

type sessionList struct {
	Items []sessionItem `json:"items" nullable:"false"`
	Next  string        `json:"next,omitempty" doc:"The cursor of the next page; absent on the last"`
}

type sessionsOutput struct{ Body sessionList }

type sessionItem struct {
	SID        string        `json:"sid"`
	Credential string        `json:"credential"`
	Policy     string        `json:"policy"`
	State      string        `json:"state" enum:"live,ended"`
	Agent      *sessionAgent `json:"agent,omitempty" doc:"Absent where the credential's holder needs no SSO"`
	Scopes     []string      `json:"scopes" nullable:"false"`
	Ticket     string        `json:"ticket,omitempty"`
	Reason     string        `json:"reason,omitempty" doc:"In the agent's words"`
	OpenedAt   time.Time     `json:"opened_at"`
	EndsAt     time.Time     `json:"ends_at" doc:"At the latest"`
	ActiveAt   time.Time     `json:"active_at"`
	EndedAt    *time.Time    `json:"ended_at,omitempty"`
	Cause      string        `json:"cause,omitempty" enum:"revoked,signed_out,cancelled,idle,time,reuse,operator"`
	Apps       []sessionApp  `json:"apps,omitempty" doc:"Once it has ended: the apps that held a token of it"`
}

// sessionApp is what is known of an app that held a token of an ended session.
type sessionApp struct {
	Client    string     `json:"client"`
	Enforces  string     `json:"enforces" enum:"guard,introspection,logout,none" doc:"How it learns of endings"`
	AppliedAt *time.Time `json:"applied_at,omitempty" doc:"When it had applied the ending, by its own word: its receipt"`
	AfterMS   *int64     `json:"after_ms,omitempty" doc:"How long after the end that was"`
	RefusesBy time.Time  `json:"refuses_by" doc:"From when on it refuses the session, at the latest"`
}

func appOf(r credentials.Receipt) sessionApp {
	out := sessionApp{Client: r.Client, Enforces: string(r.Enforces), RefusesBy: r.RefusesBy().UTC()}
	if !r.AppliedAt.IsZero() {
		out.AppliedAt, out.AfterMS = new(r.AppliedAt.UTC()), new(r.After().Milliseconds())
	}
	return out
}

type sessionAgent struct {
	Iss  string `json:"iss"`
	Sub  string `json:"sub"`
	Name string `json:"name,omitempty"`
}

func (h *Handler) listSessions(ctx context.Context, in *listInput) (*sessionsOutput, error) {
	account, page, err := h.page(ctx, "sessions", in)
	if err != nil {
		return nil, err
	}
	found, err := h.Reader.Sessions(ctx, account.ID, page)
	if err != nil {
		return nil, h.outcome(ctx, err)
	}
	found, next := cut(found, in.Limit, func(s credentials.Session) string {
		return h.seal(ctx, "sessions", account.ID, position{At: s.OpenedAt.UnixMicro(), ID: s.ID})
	})
	out := &sessionsOutput{Body: sessionList{Items: make([]sessionItem, 0, len(found)), Next: next}}
	receipts, err := h.receipts(ctx, account.ID, found)
	if err != nil {
		return nil, err
	}
	now := h.Now()
	for _, s := range found {
		item := session(s, now)
		for _, r := range receipts[s.ID] {
			item.Apps = append(item.Apps, appOf(r))
		}
		out.Body.Items = append(out.Body.Items, item)
	}
	return out, nil
}

func (h *Handler) receipts(ctx context.Context, account string, list []credentials.Session) (map[string][]credentials.Receipt, error) {
	var ended []string
	for _, s := range list {
		if s.Ended() {
			ended = append(ended, s.ID)
		}
	}
	found, err := h.Reader.Receipts(ctx, account, ended)
	return found, h.outcome(ctx, err)
}

// endSession ends a session of the account. One that has ended is ended.
func (h *Handler) endSession(ctx context.Context, in *sessionInput) (*struct{}, error) {
	account, err := h.account(ctx, in.Account)
	if err == nil {
		err = h.Sessions.EndIn(ctx, account.ID, in.SID, credentials.CauseRevoked, callerOf(ctx).mark())
	}
	return nil, h.notRevoked(ctx, err, "session")
}

// session shows a session as it is at this moment, whether or not its end has
// been written by now.
func session(s credentials.Session, now time.Time) sessionItem {
	out := sessionItem{
		SID: s.ID, Credential: s.Credential, Policy: s.Policy, State: "live", Scopes: s.Scopes, Ticket: s.Ticket, Reason: s.Reason,
		OpenedAt: s.OpenedAt.UTC(), EndsAt: s.EndsAt.UTC(), ActiveAt: s.ActiveAt.UTC(),
	}
	if s.Agent != nil {
		out.Agent = &sessionAgent{Iss: s.Agent.Issuer, Sub: s.Agent.Subject, Name: s.Agent.Name}
	}
	endedAt, cause := s.EndedAt, s.Cause
	if due, is := s.Due(now); is {
		endedAt, cause = s.DueAt(), due
	}
	if !endedAt.IsZero() {
		out.State, out.Cause, out.EndedAt = "ended", string(cause), new(endedAt.UTC())
	}
	return out
}
