package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
)

// broken is a world with an account, a session and a store that can fail.
func broken(t *testing.T) (w *world, f *failing, sid, id string) {
	t.Helper()
	w = onSQLite(t)
	made := w.want(w.call("settings", "POST", creds, mintBody()), 201)
	sid, id = w.opened(made.text("pin"), "acme-1").ID, made.text("id")
	f = &failing{Store: w.store, how: map[string]error{}}
	w.api.Store, w.api.Reader, w.api.Minter.Store, w.api.Sessions.Store = f, f, f, f
	return w, f, sid, id
}

func TestInternalErrorsStayInside(t *testing.T) {
	t.Parallel()
	w, f, sid, id := broken(t)
	record := "/api/v1/accounts/acme/record"
	for _, c := range []struct {
		verb, client, method, path string
		body                       any
		status                     int
	}{
		{"Salt", "settings", "POST", creds, mintBody(), 503},
		{"Mint", "settings", "POST", creds, mintBody(), 503},
		{"Mint", "settings", "POST", creds, mintBody("policy", "temporary-login"), 503},
		{"Account", "settings", "GET", creds, nil, 503},
		{"Account", "settings", "GET", creds + "/" + id, nil, 503},
		{"Account", "settings", "DELETE", creds + "/" + id, nil, 503},
		{"Account", "settings", "DELETE", creds, nil, 503},
		{"Account", "settings", "GET", record, nil, 503},
		{"Credential", "settings", "GET", creds + "/" + id, nil, 503},
		{"Credentials", "settings", "GET", creds, nil, 503},
		{"Revoke", "settings", "DELETE", creds + "/" + id, nil, 503},
		{"Revoke", "settings", "DELETE", creds, nil, 503},
		{"Sessions", "settings", "GET", "/api/v1/accounts/acme/sessions", nil, 503},
		{"Session", "settings", "DELETE", "/api/v1/accounts/acme/sessions/" + sid, nil, 503},
		{"End", "settings", "DELETE", "/api/v1/accounts/acme/sessions/" + sid, nil, 503},
		{"Record", "settings", "GET", record, nil, 503},
		{"Record", "settings", "GET", record + "?format=jsonl", nil, 503},
		{"Act", "docs", "POST", actionsPath, act(sid, "x"), 503},
	} {
		f.how = map[string]error{c.verb: errors.New("MARKER")}
		before := strings.Count(w.log.String(), "MARKER")
		r := w.call(c.client, c.method, c.path, c.body)
		if r.Code != c.status {
			t.Errorf("%s failing, %s %s: status %d, want %d", c.verb, c.method, c.path, r.Code, c.status)
		}
		if strings.Contains(r.Body.String()+fmt.Sprint(r.Header()), "MARKER") {
			t.Errorf("%s failing, %s %s tells why: %s", c.verb, c.method, c.path, r.Body)
		}
		if n := strings.Count(w.log.String(), "MARKER") - before; n != 1 {
			t.Errorf("%s failing, %s %s was logged %d times", c.verb, c.method, c.path, n)
		}
		name := strings.TrimPrefix(r.text("instance"), "urn:valetkey:request:")
		if name == "" || !strings.Contains(w.log.String(), name) {
			t.Errorf("the log has no request %q", name)
		}
		if c.method == "DELETE" && (!strings.HasSuffix(r.text("type"), "not-yet-revoked") || !strings.Contains(r.text("detail"), "not yet revoked")) {
			t.Errorf("%s failing, %s %s: %s", c.verb, c.method, c.path, r.Body)
		}
	}
	f.how = map[string]error{"Act": errors.New("MARKER")}
	r := w.want(w.call("docs", "POST", actionsPath, []any{act(sid, "y")}), 200)
	if r.items()[0]["status"] != 503.0 || strings.Contains(r.Body.String(), "MARKER") {
		t.Errorf("in a batch: %s", r.Body)
	}
}

func TestKnownErrorsOfTheStore(t *testing.T) {
	t.Parallel()
	w, f, sid, id := broken(t)
	for _, c := range []struct {
		verb   string
		err    error
		client string
		method string
		path   string
		body   any
		status int
		kind   string
	}{
		{"Mint", credentials.ErrBusy, "settings", "POST", creds, mintBody(), 503, "busy"},
		{"Mint", credentials.ErrSamePIN, "settings", "POST", creds, mintBody(), 503, "busy"},
		{"Mint", credentials.ErrClock, "settings", "POST", creds, mintBody(), 503, "not-ready"},
		{"Mint", credentials.ErrUnknownResult, "settings", "POST", creds, mintBody(), 503, "unknown-result"},
		{"Revoke", credentials.ErrUnknownResult, "settings", "DELETE", creds + "/" + id, nil, 503, "not-yet-revoked"},
		{"Revoke", credentials.ErrBusy, "settings", "DELETE", creds, nil, 503, "not-yet-revoked"},
		{"End", credentials.ErrUnknownResult, "settings", "DELETE", "/api/v1/accounts/acme/sessions/" + sid, nil, 503, "not-yet-revoked"},
		{"Act", credentials.ErrUnknownResult, "docs", "POST", actionsPath, act(sid, "x"), 503, "unknown-result"},
		{"Act", credentials.ErrNotFound, "docs", "POST", actionsPath, act(sid, "x"), 403, "not-audience"},
	} {
		f.how = map[string]error{c.verb: fmt.Errorf("MARKER: %w", c.err)}
		r := w.call(c.client, c.method, c.path, c.body)
		if r.Code != c.status || !strings.HasSuffix(r.text("type"), ":"+c.kind) || strings.Contains(r.Body.String(), "MARKER") {
			t.Errorf("%s: %v is answered %d %s", c.verb, c.err, r.Code, r.Body)
		}
		if c.status == 503 && r.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %v has no Retry-After", c.verb, c.err)
		}
	}
}

// TestNothingPostedComesBack puts a marker wherever something can be posted
// and reads every refusal.
func TestNothingPostedComesBack(t *testing.T) {
	t.Parallel()
	const mark = "493817"
	w := onSQLite(t)
	sid := w.session()
	bodies := []any{
		mintBody("policy", mark), mintBody("policy", mark, "scopes", []string{mark}), mintBody("scopes", []string{mark}),
		mintBody("scopes", mark), mintBody("redeem_within", mark), mintBody("confirm", mark), mintBody("pin", mark), mintBody(mark, "x"),
		mintBody("owner.claims", map[string]any{mark: map[string]any{}}), mintBody("owner.claims", map[string]any{"role": []any{nil, mark}}),
		mintBody("owner.claims", map[string]any{"role": mark, "plan": mark}), mintBody("owner", mark), mintBody("owner."+mark, mark),
		mintBody("ticket", strings.Repeat(mark, 20)), mintBody("account_name", strings.Repeat(mark, 40)), mintBody("handle", mark+"\u0000"),
		mark, `"` + mark + `"`, `{"pin":` + mark, `[` + mark + `]`, `{"policy":"` + mark + `"} ` + mark,
	}
	for _, body := range bodies {
		for _, client := range []string{"settings", "proving"} {
			if r := w.call(client, "POST", creds, body); r.Code < 400 || strings.Contains(r.Body.String(), mark) {
				t.Errorf("%v is answered %d %s", body, r.Code, r.Body)
			}
		}
	}
	for _, member := range []string{"id", "sid", "action", "target", "scope", "outcome", "pin", mark} {
		for _, value := range []any{strings.Repeat(mark, 100), mark + "\u0001", []any{mark}, map[string]any{mark: mark}} {
			for _, body := range []any{act(sid, "x", member, value), []any{act(sid, "x", member, value)}} {
				if r := w.call("docs", "POST", actionsPath, body); r.Code < 400 || strings.Contains(r.Body.String(), mark) {
					t.Errorf("%v is answered %d %s", body, r.Code, r.Body)
				}
			}
		}
	}
	for _, path := range []string{"/api/v1/accounts/" + mark + "/credentials", "/api/v1/accounts/" + mark + "%00/record", creds + "/" + mark, creds + "?" + mark + "=" + mark, creds + "?limit=" + mark, creds + "?cursor=" + mark, "/api/v1/" + mark} {
		if r := w.call("settings", "GET", path, nil); r.Code < 400 || strings.Contains(r.Body.String(), mark) {
			t.Errorf("%s is answered %d %s", path, r.Code, r.Body)
		}
	}
	if strings.Contains(w.log.String(), mark) {
		t.Error("the marker is in the log")
	}
}

// history is a record that was partly erased, or that cannot be read to its end.
type history struct {
	*failing
	pages func(credentials.RecordPage) ([]audit.Entry, error)
}

func (h history) Record(_ context.Context, _ string, p credentials.RecordPage) ([]audit.Entry, error) {
	return h.pages(p)
}

func chain(n int) (all []audit.Entry) {
	var head audit.Head
	for range n {
		e := head.Append("acme", head.At.AddDate(2000, 0, 0), audit.Draft{
			Kind: "x", About: []audit.Person{{ID: "p", Fields: map[string]string{"owner": "Olivia"}}, {ID: "q", Fields: map[string]string{"agent": "Sam"}}},
		})
		head, all = e.Head(), append(all, e)
		head.At = head.At.AddDate(-2000, 0, 0)
	}
	return all
}

func TestErasedFieldsAreNamed(t *testing.T) {
	t.Parallel()
	w, f, _, _ := broken(t)
	w.api.Reader = history{f, func(credentials.RecordPage) ([]audit.Entry, error) {
		e := chain(1)[0]
		e.About = e.About[:1]
		return []audit.Entry{e}, nil
	}}
	r := w.want(w.call("settings", "GET", "/api/v1/accounts/acme/record", nil), 200)
	personal, _ := r.items()[0]["personal"].(map[string]any)
	if personal["owner"] != "Olivia" || personal["agent"] != "[erased]" || fmt.Sprint(r.items()[0]["erased"]) != "[agent]" {
		t.Errorf("the entry is %v", r.items()[0])
	}
}

func TestAnExportThatBreaksOffDoesNotLookWhole(t *testing.T) {
	t.Parallel()
	w, f, _, _ := broken(t)
	var fails error
	all := chain(1203)
	w.api.Reader = history{f, func(p credentials.RecordPage) ([]audit.Entry, error) {
		if p.After > 600 && fails != nil {
			return nil, fails
		}
		return all[p.After:min(len(all), int(p.After)+p.Limit)], nil
	}}
	server := httptest.NewServer(w.served)
	t.Cleanup(server.Close)
	read := func() (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/accounts/acme/record?format=jsonl", nil)
		must(t, err)
		r.Header.Set("Authorization", "Bearer settings")
		answer, err := server.Client().Do(r)
		must(t, err)
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		return string(text), err
	}
	text, err := read()
	if err != nil || strings.Count(text, "\n") != len(all) {
		t.Errorf("a whole export has %d lines: %v", strings.Count(text, "\n"), err)
	}
	fails = errors.New("MARKER")
	if text, err = read(); err == nil || strings.Contains(text, "MARKER") {
		t.Errorf("the export ended well after %d lines", strings.Count(text, "\n"))
	}
	if !strings.Contains(w.log.String(), "MARKER") {
		t.Error("nothing was logged")
	}
}

// TestABodyThatBreaksOff is the sender's fault, for every operation that has one.
func TestABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for client, paths := range map[string][]string{"settings": {creds}, "docs": {actionsPath}} {
		for _, path := range paths {
			r := httptest.NewRequest(http.MethodPost, path, io.MultiReader(strings.NewReader(`{"policy":`), iotest.ErrReader(errors.New("MARKER"))))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+client)
			if got := w.serve(r); got.Code != http.StatusBadRequest || strings.Contains(got.Body.String(), "MARKER") {
				t.Errorf("%s: %d %s", path, got.Code, got.Body)
			}
		}
	}
}
