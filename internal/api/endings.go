package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/revocation"
)

const (
	defaultStaleness = 10 * time.Second
	maxStaleness     = 10 * time.Minute
	maxInstance      = 100 // characters
)

// registerEndings adds the stream of endings, which is no JSON and so is served
// past huma, and the acknowledgement.
func (h *Handler) registerEndings(api huma.API, r *mux.Router) {
	r.Path(endingsPath).Methods(http.MethodGet).HandlerFunc(h.follow)
	problems := &huma.MediaType{Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "")}
	failed := func(what string) *huma.Response {
		return &huma.Response{Description: what, Content: map[string]*huma.MediaType{"application/problem+json": problems}}
	}
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "followEndings", Method: http.MethodGet, Path: endingsPath, Summary: "Follow the endings of sessions",
		Description: "Server-Sent Events. ended: a session has ended, with the cursor of the stream as id. fresh: everything up to seq has been sent, " +
			"as of since_open_ms milliseconds after the stream was accepted. reset: forget the cursor, everything is sent again. " +
			"keys: fetch the JWKS now. After any other event, introspect until the next connection.",
		Security: []map[string][]string{{"client": {scopeFollow}}},
		Parameters: []*huma.Param{
			{Name: "Last-Event-ID", In: "header", Description: "The cursor to go on from", Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: "instance", In: "query", Description: "The name of this running copy of the app, for receipts", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(maxInstance)}},
			{Name: "max_staleness", In: "query", Description: "How old its knowledge may be before it refuses, such as 10s", Schema: &huma.Schema{Type: huma.TypeString, Default: "10s"}},
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}},
			"400": failed("Bad Request"), "401": failed("Unauthorized"), "403": failed("Forbidden"), "503": failed("The endings cannot be confirmed at this node now"),
		},
	})
	add(h, api, scopeFollow, huma.Operation{
		OperationID: "acknowledgeEndings", Method: http.MethodPost, Path: endingsPath + "/ack", DefaultStatus: http.StatusNoContent,
		Summary:     "Acknowledge that every ending up to a cursor is applied",
		Description: "Cumulative. 409: the cursor is of another epoch, or from the future; open the stream again without one.",
		Errors:      []int{http.StatusConflict, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge},
	}, h.acknowledge)
}

// follow serves the stream. What it promises counts from the moment when it
// begins.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request) {
	accepted := time.Now()
	state := request{id: credentials.NewID(), operation: "followEndings"}
	s, refused := h.subscriber(r, &state)
	if refused != nil {
		refused.write(w)
		return
	}
	s.Accepted = accepted
	opened, err := h.Feed.Open(r.Context(), s)
	if err != nil {
		newProblem(http.StatusServiceUnavailable, "not-confirmed", "The endings cannot be confirmed here at this moment. Try again, or another node.").
			with("Retry-After", "1").write(w)
		return
	}
	opened.Serve(w, r)
}

func (h *Handler) subscriber(r *http.Request, state *request) (s revocation.Subscriber, refused *problem) {
	if refused = h.authenticate(r, scopeFollow, state); refused != nil {
		return s, refused
	}
	c := state.caller
	s = revocation.Subscriber{Client: c.Client, Audience: c.Audience, Expires: c.Expires, LastID: r.Header.Get("Last-Event-ID"), Staleness: defaultStaleness}
	wrong := func(detail string) *problem { return newProblem(http.StatusBadRequest, "", detail) }
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return s, wrong("The query is not well-formed.")
	}
	for name := range query {
		if name != "instance" && name != "max_staleness" {
			return s, wrong("The query takes instance and max_staleness only.")
		}
	}
	if query.Has("instance") {
		if s.Instance = query.Get("instance"); !isInstance(s.Instance) {
			return s, wrong("instance has to be 1 to 100 characters, none of which controls or turns around what is written.")
		}
	}
	if query.Has("max_staleness") {
		if s.Staleness, err = staleness(query.Get("max_staleness")); err != nil || s.Staleness <= 0 || s.Staleness > maxStaleness {
			return s, wrong("max_staleness has to be a duration from 1ms to 10m, such as 10s.")
		}
	}
	return s, nil
}

// isInstance reports whether a name can be told from others by whoever reads it.
func isInstance(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxInstance && !strings.ContainsFunc(s, unicode.IsControl) &&
		credentials.AsWritten(s) == s
}

// staleness reads a duration; a number without a unit is seconds.
func staleness(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	return time.ParseDuration(s)
}

type ackInput struct {
	Body struct {
		Instance string `json:"instance" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters" doc:"As the stream's query names it"`
		ID       string `json:"id" maxLength:"100" pattern:"^[A-Za-z0-9_-]+-[0-9]+$" patternDescription:"the id of an event" doc:"The cursor up to which everything is applied"`
		AgeMS    int64  `json:"age_ms,omitempty" minimum:"0" maximum:"600000" doc:"How long ago, by the instance's own monotonic clock, the newest of them was applied"`
	}
}

func (h *Handler) acknowledge(ctx context.Context, in *ackInput) (*struct{}, error) {
	c := callerOf(ctx)
	if c.Audience == "" {
		return nil, newProblem(http.StatusForbidden, "not-audience", "This client acts for no relying app: it has no audience.")
	}
	if !isInstance(in.Body.Instance) {
		return nil, invalid("body.instance", "expected text without control characters")
	}
	at, ok := credentials.ParseCursor(in.Body.ID)
	if !ok {
		return nil, invalid("body.id", "expected the id of an event")
	}
	s := revocation.Subscriber{Client: c.Client, Audience: c.Audience, Instance: in.Body.Instance}
	err := h.Feed.Ack(ctx, s, at, time.Duration(in.Body.AgeMS)*time.Millisecond)
	if errors.Is(err, revocation.ErrCursor) {
		return nil, newProblem(http.StatusConflict, "cursor", "The cursor is of another epoch, or from the future. Open the stream again without one.")
	}
	return nil, h.outcome(ctx, err)
}
