package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// problem is the body of every error (RFC 9457).
type problem struct {
	Type     string     `json:"type" doc:"What kind of problem it is; about:blank when the status says it all"`
	Title    string     `json:"title" doc:"The status in words"`
	Status   int        `json:"status" doc:"The HTTP status"`
	Detail   string     `json:"detail,omitempty" doc:"What is wrong and what to do"`
	Instance string     `json:"instance,omitempty" doc:"Of an internal problem: what to look for in the broker's log"`
	Errors   []wanted   `json:"errors,omitempty" nullable:"false" doc:"Where the request is wrong"`
	EndedAt  *time.Time `json:"ended_at,omitempty" doc:"When the session ended"`
	Cause    string     `json:"cause,omitempty" doc:"Why the session ended"`
	Seq      int64      `json:"seq,omitempty" doc:"Where the refusal stands in the account's record"`
	// A pointer, because none left is to be told too.
	TriesLeft *int `json:"tries_left,omitempty" doc:"How many tries this agent has before a pause"`

	header http.Header
}

// wanted names a place in the request and what belongs there. What was there
// is never repeated: it may be a secret in the wrong place.
type wanted struct {
	Location string `json:"location" doc:"Such as body.owner.sub"`
	Message  string `json:"message" doc:"What is wanted there"`
}

const problemType = "urn:valetkey:problem:"

// newProblem makes a problem of a kind of its own; an empty kind is about:blank.
func newProblem(status int, kind, detail string) *problem {
	p := &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
	if kind != "" {
		p.Type = problemType + kind
	}
	return p
}

func notFound(detail string) *problem { return newProblem(http.StatusNotFound, "not-found", detail) }

func invalid(location, message string) *problem {
	p := newProblem(http.StatusUnprocessableEntity, "invalid", wrongRequest)
	p.Errors = []wanted{{location, message}}
	return p
}

const wrongRequest = "The request is not valid; errors names the places and what is wanted there."

func (p *problem) with(name, value string) *problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Add(name, value)
	return p
}

// Error is for the log.
func (p *problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus makes it a huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders makes it a huma.HeadersError.
func (p *problem) GetHeaders() http.Header { return p.header }

// ContentType makes it a huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// write answers where huma does not.
func (p *problem) write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if this fails
}

// huma has one formatter of errors for the whole process, and its own repeats
// what was posted. The management API is the only user of huma here.
func init() {
	huma.NewError = func(status int, text string, errs ...error) huma.StatusError {
		return fromHuma(status, text, errs)
	}
	huma.NewErrorWithContext = func(_ huma.Context, status int, text string, errs ...error) huma.StatusError {
		return fromHuma(status, text, errs)
	}
	// Go's decoder takes "PIN" for "pin", and huma by default does so too; the
	// documented names are the only ones.
	huma.ValidateStrictCasing = true
}

// unread is what huma says when a body breaks off or is framed wrongly. It takes
// that for a fault of the server's.
const unread = "cannot read request body"

// fromHuma tells what huma found wrong before a handler was called.
func fromHuma(status int, text string, errs []error) *problem {
	if status == http.StatusInternalServerError && text == unread {
		return newProblem(http.StatusBadRequest, "", "The body did not arrive whole.")
	}
	var p *problem
	switch status {
	case http.StatusUnprocessableEntity:
		p = newProblem(status, "invalid", wrongRequest)
	case http.StatusBadRequest:
		p = newProblem(status, "", "The body is missing or is not JSON.")
	case http.StatusRequestEntityTooLarge:
		p = newProblem(status, "", "The body has more than 64 KB.")
	default:
		p = newProblem(status, "", "")
	}
	for _, err := range errs {
		var found *huma.ErrorDetail
		if errors.As(err, &found) {
			p.Errors = append(p.Errors, wanted{place(found.Location), wish(found)})
		}
	}
	return p
}

var named = regexp.MustCompile(`^[A-Za-z_-]{1,40}(\[[0-9]{1,3}\])*$`)

// place cuts a location where it stops being made of plain names: the name of
// a member was posted too.
func place(location string) string {
	parts := strings.Split(location, ".")
	for i, part := range parts {
		if !named.MatchString(part) {
			return strings.Join(append(parts[:i:i], "?"), ".")
		}
	}
	return location
}

// wish passes on what was written for the schema. Any other text comes from a
// parser and may quote what it read.
func wish(found *huma.ErrorDetail) string {
	switch m := found.Message; {
	case strings.HasPrefix(m, "expected "), strings.HasPrefix(m, "required "), m == "unexpected property", m == "unknown query parameter":
		return m
	case found.Location == "body":
		return "expected valid JSON"
	}
	return "expected a valid value"
}
