package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// openAPI is what the test reads of the document.
type openAPI struct {
	Paths map[string]map[string]struct {
		OperationID string                `json:"operationId"`
		Security    []map[string][]string `json:"security"`
		RequestBody struct {
			Content map[string]struct {
				Schema struct {
					OneOf []json.RawMessage `json:"oneOf"`
				} `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Content map[string]json.RawMessage `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

func TestDocument(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	r := w.want(w.call("", "GET", "/api/openapi.json", nil), 200)
	if !strings.HasPrefix(r.text("openapi"), "3.1") {
		t.Errorf("openapi is %q", r.text("openapi"))
	}
	var doc openAPI
	must(t, json.Unmarshal(r.Body.Bytes(), &doc))
	want := map[string][]string{
		"/api/v1/accounts/{account}/credentials":      {"delete", "get", "post"},
		"/api/v1/accounts/{account}/credentials/{id}": {"delete", "get"},
		"/api/v1/accounts/{account}/sessions":         {"get"},
		"/api/v1/accounts/{account}/sessions/{sid}":   {"delete"},
		"/api/v1/accounts/{account}/record":           {"get"},
		"/api/v1/actions":                             {"post"},
		"/api/v1/verifications":                       {"post"},
		"/api/v1/endings":                             {"get"},
		"/api/v1/endings/ack":                         {"post"},
	}
	if len(doc.Paths) != len(want) {
		t.Errorf("%d paths, want %d", len(doc.Paths), len(want))
	}
	ids := map[string]bool{}
	for path, methods := range want {
		for _, method := range methods {
			op, ok := doc.Paths[path][method]
			if !ok || len(op.Security) != 1 || len(op.Security[0]["client"]) != 1 || ids[op.OperationID] {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			ids[op.OperationID] = true
			if _, ok := op.Responses["401"].Content["application/problem+json"]; !ok {
				t.Errorf("%s %s has no problem for 401", method, path)
			}
		}
		if len(doc.Paths[path]) != len(methods) {
			t.Errorf("%s has %d methods, want %v", path, len(doc.Paths[path]), methods)
		}
	}
	if shapes := doc.Paths["/api/v1/actions"]["post"].RequestBody.Content["application/json"].Schema.OneOf; len(shapes) != 3 {
		t.Errorf("an action can be posted in %d shapes, want 3", len(shapes))
	}
	for _, status := range []string{"200", "201", "409", "413", "415", "422", "503"} {
		if _, ok := doc.Paths["/api/v1/accounts/{account}/credentials"]["post"].Responses[status]; !ok {
			t.Errorf("minting has no %s", status)
		}
	}
	text := r.Body.String()
	for _, wrong := range []string{"$schema", "\"Value\"", "localhost"} {
		if strings.Contains(text, wrong) {
			t.Errorf("the document has %s", wrong)
		}
	}
	for _, ref := range references(r.body) {
		if name, ok := strings.CutPrefix(ref, "#/components/schemas/"); !ok || doc.Components.Schemas[name] == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	}
}

// references collects every $ref of a document.
func references(v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if ref, is := member.(string); is && name == "$ref" && !slices.Contains(all, ref) {
				all = append(all, ref)
			}
			all = append(all, references(member)...)
		}
	case []any:
		for _, member := range v {
			all = append(all, references(member)...)
		}
	}
	return all
}
