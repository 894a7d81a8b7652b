package api_test

import (
	"strings"
	"testing"
)

const actionsPath = "/api/v1/actions"

func act(sid, id string, changes ...any) map[string]any {
	a := map[string]any{"id": id, "sid": sid, "action": "document.read", "target": "doc 7", "scope": "documents.read", "outcome": "started"}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(a, changes[i].(string))
			continue
		}
		a[changes[i].(string)] = changes[i+1]
	}
	return a
}

func (w *world) session() string {
	w.Helper()
	return w.opened(w.want(w.call("settings", "POST", creds, mintBody()), 201).text("pin"), "acme-1").ID
}

func TestActions(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		sid := w.session()
		first := w.want(w.call("docs", "POST", actionsPath, act(sid, "a1")), 201)
		again := w.want(w.call("docs", "POST", actionsPath, act(sid, "a1")), 200)
		if first.body["seq"] == nil || first.body["seq"] != again.body["seq"] {
			w.Errorf("seq is %v, then %v", first.body["seq"], again.body["seq"])
		}
		entry := w.want(w.call("settings", "GET", "/api/v1/accounts/acme/record", nil), 200).items()[0]
		personal, _ := entry["personal"].(map[string]any)
		if entry["seq"] != first.body["seq"] || entry["kind"] != "action.started" || personal["target"] != "doc 7" {
			w.Errorf("the entry is %v", entry)
		}
		w.want(w.call("docs", "POST", actionsPath, act(sid, "a2", "target", nil)), 201)
		lent := w.want(w.call("docs", "POST", actionsPath, act(sid, "a3", "scope", "documents.write")), 403)
		if !strings.HasSuffix(lent.text("type"), "scope-not-lent") || lent.body["seq"] == nil {
			w.Errorf("not lent: %s", lent.Body)
		}
		for _, c := range [][2]string{{"other", sid}, {"docs", "unknown"}} {
			r := w.want(w.call(c[0], "POST", actionsPath, act(c[1], "a4")), 403)
			if !strings.HasSuffix(r.text("type"), "not-audience") {
				w.Errorf("%v: %s", c, r.Body)
			}
		}
		w.want(w.call("deaf", "POST", actionsPath, act(sid, "a5")), 403)

		w.want(w.call("settings", "DELETE", creds, nil), 204)
		ended := w.want(w.call("docs", "POST", actionsPath, act(sid, "a6")), 409)
		if ended.text("cause") != "revoked" || ended.text("ended_at") == "" || ended.body["seq"] == nil {
			w.Errorf("ended: %s", ended.Body)
		}
		w.want(w.call("docs", "POST", actionsPath, act(sid, "a7", "outcome", "refused")), 201)
	})
}

func TestActionBatches(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		sid := w.session()
		list := []any{act(sid, "b1"), act(sid, "b1"), act(sid, "b2", "scope", "documents.write"), act("unknown", "b3")}
		want := []float64{201, 200, 403, 403}
		for _, body := range []any{list, map[string]any{"actions": list}} {
			items := w.want(w.call("docs", "POST", actionsPath, body), 200).items()
			for i, item := range items {
				if item["status"] != want[i] {
					w.Errorf("item %d is %v, want %v", i, item, want[i])
				}
			}
			if len(items) != 4 || items[0]["seq"] != items[1]["seq"] || !strings.HasSuffix(items[2]["type"].(string), "scope-not-lent") {
				w.Errorf("items %v", items)
			}
			want[0] = 200 // the second time the first is a repeat as well
		}
		w.want(w.call("settings", "DELETE", creds, nil), 204)
		item := w.want(w.call("docs", "POST", actionsPath, []any{act(sid, "b9")}), 200).items()[0]
		if item["status"] != 409.0 || item["cause"] != "revoked" || item["ended_at"] == nil {
			w.Errorf("after the end: %v", item)
		}
	})
}

func TestAnActionsIDIsOfOneAccount(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.want(w.call("docs", "POST", actionsPath, act(w.session(), "a1")), 201)
	two := w.want(w.call("settings", "POST", "/api/v1/accounts/two/credentials", mintBody("handle", "two")), 201)
	r := w.want(w.call("docs", "POST", actionsPath, act(w.opened(two.text("pin"), "two").ID, "a1")), 422)
	if !strings.Contains(r.Body.String(), `"body.id"`) {
		t.Errorf("the id is not named: %s", r.Body)
	}
}

func TestActionsRefused(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	sid := w.session()
	before := len(w.want(w.call("settings", "GET", "/api/v1/accounts/acme/record", nil), 200).items())
	many := make([]any, 101)
	for i := range many {
		many[i] = act(sid, "x")
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, c := range map[string]struct {
		body     any
		status   int
		location string
	}{
		"id missing":         {act(sid, "x", "id", nil), 422, "body"},
		"id empty":           {act(sid, ""), 422, "body.id"},
		"id too long":        {act(sid, long(201)), 422, "body.id"},
		"action too long":    {act(sid, "x", "action", long(201)), 422, "body.action"},
		"target too long":    {act(sid, "x", "target", long(501)), 422, "body.target"},
		"control character":  {act(sid, "x", "target", "a\u0000"), 422, "body.target"},
		"two scopes":         {act(sid, "x", "scope", "a b"), 422, "body.scope"},
		"scope missing":      {act(sid, "x", "scope", nil), 422, "body"},
		"unknown outcome":    {act(sid, "x", "outcome", "done"), 422, "body.outcome"},
		"outcome missing":    {act(sid, "x", "outcome", nil), 422, "body"},
		"unknown member":     {act(sid, "x", "pin", "1"), 422, "body.pin"},
		"one bad in a list":  {[]any{act(sid, "x"), act(sid, "y", "scope", "")}, 422, "body[1].scope"},
		"one bad in a batch": {map[string]any{"actions": []any{act(sid, "x"), act(sid, "y", "sid", 7)}}, 422, "body.actions[1].sid"},
		"batch, and more":    {map[string]any{"actions": []any{act(sid, "x")}, "id": "x"}, 422, "body.id"},
		"empty list":         {[]any{}, 422, "body"},
		"empty batch":        {map[string]any{"actions": []any{}}, 422, "body.actions"},
		"batch of nothing":   {map[string]any{"actions": nil}, 422, "body.actions"},
		"101 actions":        {many, 422, "body"},
		"nothing":            {``, 400, ""},
		"null":               {`null`, 422, "body"},
		"a list of null":     {`[null]`, 422, "body[0]"},
		"not JSON":           {`{"id":`, 400, ""},
		"two objects":        {`{} {}`, 400, ""},
		"too large":          {act(sid, "x", "target", long(70_000)), 413, ""},
	} {
		r := w.call("docs", "POST", actionsPath, c.body)
		if r.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, r.Code, c.status, r.Body)
		}
		if c.location != "" && !strings.Contains(r.Body.String(), `"location":"`+c.location+`"`) {
			t.Errorf("%s: %s is not named: %s", name, c.location, r.Body)
		}
	}
	after := len(w.want(w.call("settings", "GET", "/api/v1/accounts/acme/record", nil), 200).items())
	if after != before {
		t.Errorf("of refused requests %d entries were written", after-before)
	}
}
