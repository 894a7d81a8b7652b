package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/valetkey/valetkey/credentials"
)

type verifyInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"A random text; the same request of the same agent, sent again with it, gives the same answer"`
	Body verifyBody
}

type verifyBody struct {
	AccountHandle string `json:"account_handle" minLength:"1" maxLength:"200" doc:"What the caller says is their account"`
	PIN           string `json:"pin" minLength:"1" maxLength:"40" doc:"What the caller reads out; spaces and hyphens do not matter"`
	ActorToken    string `json:"actor_token" minLength:"1" maxLength:"8192" doc:"The agent's ID token from a configured agents issuer, at most 5 minutes old, issued to the client's actor_audience"`
	Reason        string `json:"reason,omitempty" maxLength:"300" doc:"Shown to the customer; must name the ticket where the customer named one"`
}

type verifyOutput struct{ Body verification }

// verification names who is calling.
type verification struct {
	Credential string          `json:"credential"`
	Policy     string          `json:"policy"`
	Account    verifiedAccount `json:"account"`
	Contact    string          `json:"contact,omitempty" doc:"The one person the PIN was valid for; absent: anybody of the account"`
	MadeBy     string          `json:"made_by,omitempty" doc:"The person who made the PIN"`
	Ticket     string          `json:"ticket,omitempty"`
	VerifiedAt time.Time       `json:"verified_at"`
}

type verifiedAccount struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Handle string `json:"handle"`
}

func (h *Handler) registerVerifications(api huma.API) {
	add(h, api, scopeVerify, huma.Operation{
		OperationID: "verifyCaller", Method: http.MethodPost, Path: verificationsPath,
		Summary:     "Is the caller who they say?",
		Description: "Uses the PIN up and opens no session. The agent's tries and every other limit are those of the sign-in pages.",
		Errors: []int{http.StatusConflict, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge,
			http.StatusTooManyRequests},
	}, h.verify)
}

func (h *Handler) verify(ctx context.Context, in *verifyInput) (*verifyOutput, error) {
	caller := callerOf(ctx)
	if caller.ActorAudience == "" {
		return nil, newProblem(http.StatusForbidden, "not-allowed", "This client may not verify callers: it has no actor_audience.")
	}
	agent, err := h.ActorToken(ctx, caller.ActorAudience, in.Body.ActorToken)
	if errors.Is(err, ErrActorToken) {
		p := newProblem(http.StatusForbidden, "agent-not-proven", "The ID token does not prove that one of the support staff is asking.")
		p.Errors = []wanted{{"body.actor_token", "expected a valid ID token of the agent, at most 5 minutes old, for this client's actor_audience"}}
		return nil, p
	}
	if err != nil {
		return nil, h.outcome(ctx, err)
	}
	found, err := h.Redeemer.Verify(ctx, credentials.Attempt{ID: h.attempt(caller, in), Agent: agent, Client: caller.Client, Owners: caller.Owners},
		in.Body.AccountHandle, credentials.NewSecret(in.Body.PIN), in.Body.Reason)
	if err != nil {
		return nil, h.notVerified(ctx, err)
	}
	return &verifyOutput{Body: verification{
		Credential: found.Credential, Policy: found.Policy, Contact: found.Contact, MadeBy: found.MadeBy, Ticket: found.Ticket,
		Account: verifiedAccount{found.Account.ID, found.Account.Name, found.Account.Handle}, VerifiedAt: found.At.UTC(),
	}}, nil
}

// attempt names the request, so that sending it twice is one attempt. With
// another PIN it is another one, whatever its key: an answer that vouches for
// one caller must not be given for the next. Keys may be guessed and the name is
// stored, so it is made with the installation's pepper.
func (h *Handler) attempt(caller Caller, in *verifyInput) string {
	if in.Key == "" {
		return credentials.NewID()
	}
	told := credentials.FoldHandle(in.Body.AccountHandle) + "\x00" + credentials.FoldPIN(in.Body.PIN)
	sum := h.Redeemer.Hasher.Password("verification\x00"+caller.Client+"\x00"+in.Key, credentials.NewSecret(told))
	return base64.RawURLEncoding.EncodeToString(sum)
}

// notVerified tells why. Before a right PIN every cause looks the same.
func (h *Handler) notVerified(ctx context.Context, err error) error {
	var noMatch *credentials.NoMatch
	var paused *credentials.Paused
	var unusable *credentials.Unusable
	switch {
	case errors.As(err, &noMatch):
		p := newProblem(http.StatusUnprocessableEntity, "no-match", "That did not match. Check account and PIN, or ask the caller for a new PIN.")
		p.TriesLeft = &noMatch.Left
		return p
	case errors.As(err, &paused):
		wait := int(paused.Until.Sub(h.Now())/time.Second) + 1
		return newProblem(http.StatusTooManyRequests, "tries-used-up", "This agent's tries are used up for now.").
			with("Retry-After", strconv.Itoa(max(wait, 1)))
	case errors.As(err, &unusable):
		return newProblem(http.StatusConflict, "credential-"+string(unusable.State), "The PIN is right but cannot be used any more. Ask the caller for a new one.")
	case errors.Is(err, credentials.ErrTicket):
		p := newProblem(http.StatusUnprocessableEntity, "ticket", "The customer named a ticket for this PIN. Ask for it.")
		p.Errors = []wanted{{"body.reason", "expected the ticket that the customer named"}}
		return p
	case errors.Is(err, credentials.ErrSuspended):
		if err != credentials.ErrSuspended { //nolint:errorlint // joined with why it could not be written down
			r := requestOf(ctx)
			h.Log.ErrorContext(ctx, "an agent's suspension could not be written down", "instance", r.id, "client", r.caller.Client, "error", err)
		}
		return newProblem(http.StatusForbidden, "agent-suspended", "This agent is suspended until an operator lifts it.")
	}
	return h.outcome(ctx, err)
}
