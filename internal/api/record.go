package api

import (
	"context"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/web"
)

const (
	formatJSONL = "jsonl"
	jsonLines   = "application/jsonl"
)

type recordInput struct {
	Account string `path:"account" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor  string `query:"cursor" maxLength:"1000" doc:"next of the page before; not for the export"`
	Format  string `query:"format" enum:"json,jsonl" default:"json" doc:"jsonl: the whole record, oldest first, as it can be verified offline"`
}

// recordOutput writes itself: a list, or the export as it is read.
type recordOutput struct{ Body func(huma.Context) }

type entryList struct {
	Items []entryItem `json:"items" nullable:"false"`
	Next  string      `json:"next,omitempty" doc:"The cursor of the next page; absent on the last"`
}

type entryItem struct {
	Seq      int64             `json:"seq" doc:"From 1, without gaps"`
	At       time.Time         `json:"at"`
	Kind     string            `json:"kind" example:"credential.minted"`
	Facts    map[string]string `json:"facts"`
	Personal map[string]string `json:"personal,omitempty" doc:"Names, emails, reasons and targets; [erased] where they were"`
	Erased   []string          `json:"erased,omitempty" nullable:"false" doc:"Which fields of personal were erased"`
	Hash     []byte            `json:"hash"`
}

// erased stands where personal data was.
const erased = "[erased]"

func (h *Handler) registerRecord(api huma.API) {
	list := huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[entryList]())
	add(h, api, scopeRecord, huma.Operation{
		OperationID: "readRecord", Method: http.MethodGet, Path: recordPath,
		Summary: "Read an account's record, newest first, or export it",
		Responses: map[string]*huma.Response{"200": {Description: "The record", Content: map[string]*huma.MediaType{
			"application/json": {Schema: list},
			jsonLines:          {Schema: &huma.Schema{Type: huma.TypeString, Description: "One entry a line, oldest first"}},
		}}},
	}, h.readRecord)
}

func (h *Handler) readRecord(ctx context.Context, in *recordInput) (*recordOutput, error) {
	account, err := h.account(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	if in.Format == formatJSONL {
		return h.export(ctx, account.ID, in)
	}
	p, err := h.open(ctx, "record", account.ID, in.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := h.Reader.Record(ctx, account.ID, credentials.RecordPage{Before: p.Seq, Limit: in.Limit + 1})
	if err != nil {
		return nil, h.outcome(ctx, err)
	}
	found, next := cut(found, in.Limit, func(e audit.Entry) string {
		return h.seal(ctx, "record", account.ID, position{Seq: e.Seq})
	})
	list := entryList{Items: make([]entryItem, 0, len(found)), Next: next}
	for _, e := range found {
		list.Items = append(list.Items, entry(e))
	}
	return &recordOutput{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", "application/json")
		_ = huma.DefaultJSONFormat.Marshal(out.BodyWriter(), list) // the client is gone if this fails
	}}, nil
}

// export streams the record from its first entry. What is read first decides
// about the status.
func (h *Handler) export(ctx context.Context, account string, in *recordInput) (*recordOutput, error) {
	if in.Cursor != "" {
		return nil, invalid("query.cursor", "expected none: the export is whole")
	}
	read := func(after audit.Entry) ([]audit.Entry, error) {
		return h.Reader.Record(ctx, account, credentials.RecordPage{After: after.Seq, Forward: true, Limit: web.ExportBatch})
	}
	first, err := read(audit.Entry{})
	if err != nil {
		return nil, h.outcome(ctx, err)
	}
	return &recordOutput{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", jsonLines)
		_, w := humamux.Unwrap(out)
		web.Export(w, first, func(last audit.Entry) ([]audit.Entry, error) {
			batch, err := read(last)
			if err != nil {
				_ = h.internal(ctx, err)
			}
			return batch, err
		})
	}}, nil
}

func entry(e audit.Entry) entryItem {
	out := entryItem{Seq: e.Seq, At: e.At.UTC(), Kind: e.Kind, Facts: e.Facts, Hash: e.Hash, Personal: map[string]string{}}
	for _, person := range e.About {
		maps.Copy(out.Personal, person.Fields)
	}
	for _, field := range slices.Sorted(maps.Keys(e.Digests)) {
		if _, there := out.Personal[field]; !there {
			out.Personal[field] = erased
			out.Erased = append(out.Erased, field)
		}
	}
	return out
}
