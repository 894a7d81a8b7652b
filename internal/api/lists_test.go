package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
)

func page(n int) credentials.Page { return credentials.Page{Limit: n} }

// walk reads a list to its end and returns one member of every item.
func (w *world) walk(path, member string) (all []string) {
	w.Helper()
	for at := path; ; {
		r := w.want(w.call("settings", "GET", at, nil), 200)
		for _, item := range r.items() {
			all = append(all, fmt.Sprint(item[member]))
		}
		next := r.text("next")
		if next == "" || len(all) > 1000 {
			return all
		}
		at = path + "&cursor=" + url.QueryEscape(next)
	}
}

func TestListsArePagedNewestFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		var made []string
		for range 5 {
			made = append(made, w.want(w.call("settings", "POST", creds, mintBody("policy", "temporary-login")), 201).text("id"))
		}
		for _, limit := range []string{"1", "2", "5", "200"} {
			got := w.walk(creds+"?limit="+limit, "id")
			sorted := slices.Clone(got)
			slices.Sort(sorted)
			want := slices.Clone(made)
			slices.Sort(want)
			if !slices.Equal(sorted, want) || got[0] != made[4] {
				w.Errorf("limit %s: %v, made %v", limit, got, made)
			}
		}
		if got := w.walk("/api/v1/accounts/acme/record?limit=2", "seq"); !slices.Equal(got, []string{"5", "4", "3", "2", "1"}) {
			w.Errorf("the record is %v", got)
		}
		if got := w.walk("/api/v1/accounts/acme/sessions?limit=1", "sid"); len(got) != 0 {
			w.Errorf("sessions: %v", got)
		}
	})
}

func TestCursorsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for range 2 {
		w.want(w.call("settings", "POST", creds, mintBody("policy", "temporary-login")), 201)
		w.want(w.call("settings", "POST", "/api/v1/accounts/two/credentials", mintBody("policy", "temporary-login", "handle", "two")), 201)
	}
	cursor := w.want(w.call("settings", "GET", creds+"?limit=1", nil), 200).text("next")
	if cursor == "" {
		t.Fatal("there is no next page")
	}
	w.want(w.call("settings", "GET", creds+"?cursor="+cursor, nil), 200)
	last := cursor[:len(cursor)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(cursor, "A")]
	for name, path := range map[string]string{
		"another account":   "/api/v1/accounts/two/credentials?cursor=" + cursor,
		"another list":      "/api/v1/accounts/acme/sessions?cursor=" + cursor,
		"the record":        "/api/v1/accounts/acme/record?cursor=" + cursor,
		"changed":           creds + "?cursor=" + last,
		"cut":               creds + "?cursor=" + cursor[:20],
		"made up":           creds + "?cursor=eyJ0IjowfQ",
		"a number":          creds + "?cursor=-1",
		"too long":          creds + "?cursor=" + strings.Repeat("A", 1001),
		"SQL":               creds + "?cursor=" + url.QueryEscape("' OR 1=1 --"),
		"limit 0":           creds + "?limit=0",
		"limit 201":         creds + "?limit=201",
		"limit no number":   creds + "?limit=SECRETMARK",
		"format unknown":    "/api/v1/accounts/acme/record?format=SECRETMARK",
		"export, cursor":    "/api/v1/accounts/acme/record?format=jsonl&cursor=" + cursor,
		"parameter of none": creds + "?state=live",
	} {
		r := w.call("settings", "GET", path, nil)
		if r.Code != 422 || strings.Contains(r.Body.String(), "SECRETMARK") {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		first := w.want(w.call("settings", "POST", creds, mintBody("policy", "temporary-login")), 201)
		second := w.want(w.call("settings", "POST", creds, mintBody()), 201)
		live := w.opened(second.text("pin"), "ACME-1")
		for range 2 { // the second time nothing is left to do
			w.want(w.call("settings", "DELETE", creds+"/"+second.text("id"), nil), 204)
		}
		w.want(w.call("settings", "DELETE", creds+"/nope", nil), 404)
		r := w.want(w.call("settings", "GET", "/api/v1/accounts/acme/sessions", nil), 200).items()[0]
		if r["sid"] != live.ID || r["state"] != "ended" || r["cause"] != "revoked" || r["ended_at"] == nil {
			w.Errorf("the session is %v", r)
		}
		for range 2 {
			w.want(w.call("settings", "DELETE", creds, nil), 204)
		}
		for _, c := range w.want(w.call("settings", "GET", creds, nil), 200).items() {
			if c["state"] != "revoked" {
				w.Errorf("after revoking all: %v", c)
			}
		}
		if got := w.call("settings", "GET", creds+"/"+first.text("id"), nil).text("state"); got != "revoked" {
			w.Errorf("the state is %q", got)
		}
		w.want(w.call("settings", "GET", creds+"/nope", nil), 404)
	})
}

func TestSessions(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		made := w.want(w.call("settings", "POST", creds, mintBody("ticket", "4711")), 201)
		live := w.opened(made.text("pin"), "acme-1")
		r := w.want(w.call("settings", "GET", "/api/v1/accounts/acme/sessions", nil), 200).items()[0]
		agent, _ := r["agent"].(map[string]any)
		if r["sid"] != live.ID || r["state"] != "live" || agent["name"] != "Sam Rivera" || agent["iss"] != "https://sso.example" ||
			r["ticket"] != "4711" || r["reason"] != "looking into ticket 4711" || r["ended_at"] != nil {
			w.Errorf("the session is %v", r)
		}
		w.want(w.call("settings", "POST", "/api/v1/accounts/two/credentials", mintBody("handle", "two")), 201)
		w.want(w.call("settings", "DELETE", "/api/v1/accounts/two/sessions/"+live.ID, nil), 404)
		w.want(w.call("settings", "DELETE", "/api/v1/accounts/acme/sessions/nope", nil), 404)
		if _, err := w.api.Sessions.Live(w.Context(), live.ID); err != nil {
			w.Errorf("the session of another account was ended: %v", err)
		}
		for range 2 {
			w.want(w.call("settings", "DELETE", "/api/v1/accounts/acme/sessions/"+live.ID, nil), 204)
		}
		if _, err := w.api.Sessions.Live(w.Context(), live.ID); err == nil {
			w.Error("the session lives")
		}
	})
}

func TestWhatIsDueIsShownEnded(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.opened(w.want(w.call("settings", "POST", creds, mintBody()), 201).text("pin"), "acme-1")
	w.want(w.call("settings", "POST", creds, mintBody()), 201)
	w.api.Now = func() time.Time { return time.Now().Add(time.Hour) }
	r := w.want(w.call("settings", "GET", "/api/v1/accounts/acme/sessions", nil), 200).items()[0]
	if r["state"] != "ended" || r["cause"] != "idle" || r["ended_at"] == nil {
		t.Errorf("the session is %v", r)
	}
	if c := w.want(w.call("settings", "GET", creds, nil), 200).items()[0]; c["state"] != "expired" {
		t.Errorf("the credential is %v", c)
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		made := w.want(w.call("settings", "POST", creds, mintBody()), 201)
		w.opened(made.text("pin"), "acme-1")
		w.want(w.call("settings", "DELETE", creds, nil), 204)
		r := w.want(w.call("settings", "GET", "/api/v1/accounts/acme/record", nil), 200)
		oldest := r.items()[len(r.items())-1]
		personal, _ := oldest["personal"].(map[string]any)
		facts, _ := oldest["facts"].(map[string]any)
		if oldest["kind"] != "credential.minted" || oldest["seq"] != 1.0 || personal["owner"] != "Olivia Owner" || facts["client"] != "settings" || oldest["hash"] == "" {
			w.Errorf("the first entry is %v", oldest)
		}
		if strings.Contains(r.Body.String(), made.text("pin")) {
			w.Error("the PIN is in the record")
		}
		out := w.want(w.call("settings", "GET", "/api/v1/accounts/acme/record?format=jsonl", nil), 200)
		if kind := out.Header().Get("Content-Type"); kind != "application/jsonl" {
			w.Errorf("the export is %q", kind)
		}
		report, err := audit.Verify(strings.NewReader(out.Body.String()))
		if err != nil || report.Entries != len(r.items()) || report.Chain != "acme" {
			w.Errorf("the export does not verify: %+v, %v", report, err)
		}
	})
}

func TestAccountsOfOthersAreUnknown(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	made := w.want(w.call("partners", "POST", creds, mintBody()), 201)
	w.want(w.call("partners", "GET", creds, nil), 200)
	unknown := w.want(w.call("settings", "GET", "/api/v1/accounts/unknown/credentials", nil), 404)
	for _, c := range [][2]string{
		{"GET", creds}, {"GET", creds + "/" + made.text("id")}, {"DELETE", creds + "/" + made.text("id")}, {"DELETE", creds},
		{"GET", "/api/v1/accounts/acme/sessions"}, {"DELETE", "/api/v1/accounts/acme/sessions/x"}, {"GET", "/api/v1/accounts/acme/record"},
		{"GET", "/api/v1/accounts/acme/record?format=jsonl"},
	} {
		r := w.want(w.call("settings", c[0], c[1], nil), 404)
		if c[0] == "GET" && r.Body.String() != unknown.Body.String() {
			t.Errorf("%v tells of an account of others: %s", c, r.Body)
		}
	}
	if got := w.call("partners", "GET", creds, nil).items()[0]["state"]; got != "live" {
		t.Errorf("it was revoked by others: %v", got)
	}
}

func TestAccountsMayHaveAnyText(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, c := range [][2]string{{"a%2Fb", "a/b"}, {"a%20b%3F", "a b?"}, {"%C3%A4", "ä"}, {"a%252Fb", "a%2Fb"}} {
		path := "/api/v1/accounts/" + c[0] + "/credentials"
		w.want(w.call("partners", "POST", path, mintBody("handle", "h"+c[0])), 201)
		if _, err := w.store.Account(t.Context(), c[1]); err != nil {
			t.Errorf("%s is not the account %q: %v", c[0], c[1], err)
		}
		w.want(w.call("partners", "GET", path, nil), 200)
	}
	w.want(w.call("partners", "GET", "/api/v1/accounts/%ff/credentials", nil), 404)
	w.want(w.call("partners", "GET", "/api/v1/accounts/a%00b/credentials", nil), 422)
}
