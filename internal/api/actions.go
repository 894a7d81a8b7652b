package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/valetkey/valetkey/credentials"
)

// action is what an agent did, or was refused, in a relying app.
type action struct {
	ID      string `json:"id" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters" doc:"Of the app's own; sent again it is recorded once"`
	SID     string `json:"sid" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters" doc:"The session, as the access token names it"`
	Action  string `json:"action" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters" example:"document.read"`
	Target  string `json:"target,omitempty" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f]*$" patternDescription:"text without control characters" doc:"What it was done to; may be personal and can be erased"`
	Scope   string `json:"scope" maxLength:"200" pattern:"^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$" patternDescription:"a scope-token of RFC 6749" doc:"The scope that allows it"`
	Outcome string `json:"outcome" enum:"started,refused" doc:"refused: by the app, and recorded even when the session has ended"`
}

// actionBatch is the other way to write a batch, besides a plain list.
type actionBatch struct {
	Actions []action `json:"actions" minItems:"1" maxItems:"100" nullable:"false"`
}

type actionsInput struct {
	RawBody []byte `contentType:"application/json"`
}

type actionsOutput struct {
	Status int
	Body   any
}

// acted is the reply to a single action.
type acted struct {
	Seq int64 `json:"seq" doc:"Its place in the account's record"`
}

// actedList is the reply to a batch, in its order.
type actedList struct {
	Items []actedItem `json:"items" nullable:"false"`
}

// actedItem is what the action would have been answered by itself.
type actedItem struct {
	Status  int        `json:"status" doc:"201 recorded, 200 recorded before, or the status of a problem"`
	Seq     int64      `json:"seq,omitempty" doc:"Its place in the account's record"`
	Type    string     `json:"type,omitempty" doc:"What kind of problem it is"`
	Detail  string     `json:"detail,omitempty"`
	EndedAt *time.Time `json:"ended_at,omitempty" doc:"When the session ended"`
	Cause   string     `json:"cause,omitempty" doc:"Why the session ended"`
}

// maxActions is how many actions a batch may have.
const maxActions = 100

// actionSchemas are the three shapes of a posted body.
type actionSchemas struct {
	registry          huma.Registry
	one, list, object *huma.Schema
}

func newActionSchemas(r huma.Registry) actionSchemas {
	s := actionSchemas{
		registry: r, one: r.Schema(reflect.TypeFor[action](), true, ""), object: r.Schema(reflect.TypeFor[actionBatch](), true, ""),
		list: &huma.Schema{Type: huma.TypeArray, MinItems: new(1), MaxItems: new(maxActions), Items: r.Schema(reflect.TypeFor[action](), true, "")},
	}
	s.list.PrecomputeMessages()
	return s
}

func (h *Handler) registerActions(api huma.API) {
	r := api.OpenAPI().Components.Schemas
	shapes := newActionSchemas(r)
	one, list := r.Schema(reflect.TypeFor[acted](), true, ""), r.Schema(reflect.TypeFor[actedList](), true, "")
	recorded := answer("Recorded", one)
	before := answer("Recorded before; or a batch, with a status for each", &huma.Schema{OneOf: []*huma.Schema{one, list}})
	add(h, api, scopeAct, huma.Operation{
		OperationID: "reportActions", Method: http.MethodPost, Path: actionsPath, DefaultStatus: http.StatusCreated,
		Summary:          "Report an action, or a batch of up to 100",
		Description:      "No record, no action: do what was asked for only after 201 or 200. An action is recorded once by its id, so that no Idempotency-Key is needed.",
		Errors:           []int{http.StatusConflict, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge},
		Responses:        map[string]*huma.Response{"201": recorded, "200": before},
		SkipValidateBody: true, // read does it by the shape that was sent, so that errors name the place
	}, func(ctx context.Context, in *actionsInput) (*actionsOutput, error) {
		return h.report(ctx, shapes, in.RawBody)
	})
	posted := api.OpenAPI().Paths[actionsPath].Post.RequestBody.Content["application/json"]
	posted.Schema = &huma.Schema{OneOf: []*huma.Schema{shapes.one, shapes.list, shapes.object}}
}

func (h *Handler) report(ctx context.Context, shapes actionSchemas, body []byte) (*actionsOutput, error) {
	if callerOf(ctx).Audience == "" {
		return nil, newProblem(http.StatusForbidden, "not-audience", "This client acts for no relying app: it has no audience.")
	}
	actions, batch, err := shapes.read(body)
	if err != nil {
		return nil, err
	}
	if batch {
		list := actedList{Items: make([]actedItem, 0, len(actions))}
		for _, a := range actions {
			list.Items = append(list.Items, h.actItem(ctx, a))
		}
		return &actionsOutput{Status: http.StatusOK, Body: list}, nil
	}
	status, seq, err := h.act(ctx, actions[0])
	if err != nil {
		return nil, err
	}
	return &actionsOutput{Status: status, Body: acted{Seq: seq}}, nil
}

// read takes the body apart. A batch with anything wrong in it is refused as a
// whole, before any of it is recorded.
func (s actionSchemas) read(body []byte) (actions []action, batch bool, err error) {
	var value any
	if json.Unmarshal(body, &value) != nil {
		return nil, false, fromHuma(http.StatusBadRequest, "", nil)
	}
	shape := s.one
	object, _ := value.(map[string]any)
	if _, batch = value.([]any); batch {
		shape = s.list
	} else if _, has := object["actions"]; has {
		shape, batch = s.object, true
	}
	var found huma.ValidateResult
	path := huma.NewPathBuffer(nil, 0)
	path.Push("body")
	huma.Validate(s.registry, shape, path, huma.ModeWriteToServer, value, &found)
	if len(found.Errors) > 0 {
		return nil, batch, fromHuma(http.StatusUnprocessableEntity, "", found.Errors)
	}
	switch shape {
	case s.list:
		err = json.Unmarshal(body, &actions)
	case s.object:
		var wrapped actionBatch
		err = json.Unmarshal(body, &wrapped)
		actions = wrapped.Actions
	default:
		actions = make([]action, 1)
		err = json.Unmarshal(body, &actions[0])
	}
	if err != nil || len(actions) == 0 {
		return nil, batch, invalid("body", "expected an action or a list of actions")
	}
	return actions, batch, nil
}

// act records one action: 201, or 200 where its id was recorded before. Every
// error is a *problem.
func (h *Handler) act(ctx context.Context, a action) (status int, seq int64, err error) {
	caller := callerOf(ctx)
	done, err := h.Store.Act(ctx, credentials.Action{
		ID: a.ID, SID: a.SID, Client: caller.Client, Audience: caller.Audience,
		Name: a.Action, Target: a.Target, Scope: a.Scope, Refused: a.Outcome == "refused",
	})
	switch {
	case errors.Is(err, credentials.ErrNotFound): // an unknown session tells no more than a foreign one
		err = credentials.ErrNotAudience
	case errors.Is(err, credentials.ErrKeyReused):
		p := newProblem(http.StatusUnprocessableEntity, "key-reused", "The id belongs to another action.")
		p.Errors = []wanted{{"body.id", "expected an id of its own for each action"}}
		return 0, 0, p
	case err == nil && done.Err != nil:
		err = done.Err
	case err == nil && done.Repeat:
		return http.StatusOK, done.Seq, nil
	case err == nil:
		return http.StatusCreated, done.Seq, nil
	}
	err = h.outcome(ctx, err)
	var told *problem
	if errors.As(err, &told) {
		told.Seq = done.Seq
	}
	return 0, 0, err
}

func (h *Handler) actItem(ctx context.Context, a action) actedItem {
	status, seq, err := h.act(ctx, a)
	var told *problem
	if errors.As(err, &told) {
		return actedItem{Status: told.Status, Seq: told.Seq, Type: told.Type, Detail: told.Detail, EndedAt: told.EndedAt, Cause: told.Cause}
	}
	return actedItem{Status: status, Seq: seq}
}
