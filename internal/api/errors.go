package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/credentials"
)

// outcome is the one conversion of what happened inside into what a client is
// told; nil for nil. An error that nobody foresaw is logged, once, and goes
// out without its text.
func (h *Handler) outcome(ctx context.Context, err error) error {
	var told *problem
	var ended *credentials.EndedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &told):
		return told
	case errors.As(err, &ended):
		return sessionEnded(ended)
	case errors.Is(err, credentials.ErrNotFound):
		return notFound("There is nothing by this id.")
	case errors.Is(err, credentials.ErrHandleTaken):
		p := newProblem(http.StatusConflict, "handle-taken", "The handle belongs to another account.")
		p.Errors = []wanted{{"body.handle", "expected a handle that no other account has"}}
		return p
	case errors.Is(err, credentials.ErrOtherOwner):
		return newProblem(http.StatusConflict, "other-owner", "The account belongs to another owner connector than the one this client speaks for.")
	case errors.Is(err, credentials.ErrKeyReused):
		p := newProblem(http.StatusUnprocessableEntity, "key-reused", "The idempotency key was used for another request.")
		p.Errors = []wanted{{"header.Idempotency-Key", "expected a key of its own for each request"}}
		return p
	case errors.Is(err, credentials.ErrNotAudience):
		return newProblem(http.StatusForbidden, "not-audience", "No token of this session was issued for this client's audience.")
	case errors.Is(err, credentials.ErrNotLent):
		return newProblem(http.StatusForbidden, "scope-not-lent", "The scope was not lent to this session. The refusal is in the record.")
	case errors.Is(err, credentials.ErrBusy):
		return newProblem(http.StatusServiceUnavailable, "busy", "Too much is asked for at once. Try again.").with("Retry-After", "2")
	}
	return h.internal(ctx, err)
}

func sessionEnded(ended *credentials.EndedError) *problem {
	p := newProblem(http.StatusConflict, "session-ended", "The session has ended.")
	at := ended.At.UTC()
	p.EndedAt, p.Cause = &at, string(ended.Cause)
	return p
}

// internal is what is left: something is broken here.
func (h *Handler) internal(ctx context.Context, err error) *problem {
	var p *problem
	switch {
	case errors.Is(err, credentials.ErrUnknownResult):
		p = newProblem(http.StatusServiceUnavailable, "unknown-result",
			"It is not known whether this was stored. Send it again with the same Idempotency-Key or id.").with("Retry-After", "2")
	case errors.Is(err, credentials.ErrClock):
		p = newProblem(http.StatusServiceUnavailable, "not-ready", "This node cannot do this now. Try again.").with("Retry-After", "10")
	default:
		p = newProblem(http.StatusServiceUnavailable, "unavailable", "The broker could not do this, or cannot say whether it did. Its log says why. Try again.").with("Retry-After", "1")
	}
	return h.logged(ctx, p, err)
}

// notRevoked answers a revocation that failed. Whatever went wrong, the one
// thing it must not be taken for is success.
func (h *Handler) notRevoked(ctx context.Context, err error, what string) error {
	var told *problem
	switch {
	case err == nil:
		return nil
	case errors.Is(err, credentials.ErrNotFound):
		return notFound("There is no such " + what + ".")
	case errors.As(err, &told) && told.Status < http.StatusInternalServerError:
		return told
	}
	p := newProblem(http.StatusServiceUnavailable, "not-yet-revoked",
		"The "+what+" is not yet revoked for sure. Send the request again until it is answered with 204.").with("Retry-After", "1")
	if told != nil { // logged when it was found
		p.Instance = told.Instance
		return p
	}
	return h.logged(ctx, p, err)
}

// logged writes the error to the log under the request's id and gives that id
// to the client.
func (h *Handler) logged(ctx context.Context, p *problem, err error) *problem {
	r := requestOf(ctx)
	h.Log.ErrorContext(ctx, "the management API failed", "instance", r.id, "operation", r.operation,
		"client", r.caller.Client, "status", p.Status, "error", err)
	p.Instance = "urn:valetkey:request:" + r.id
	return p
}
