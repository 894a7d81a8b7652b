package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/api"
	"github.com/valetkey/valetkey/internal/keys"
)

// operations are all of them, with the scope that each wants.
var operations = []struct{ method, path, scope string }{
	{"POST", creds, "credentials.mint"},
	{"GET", creds, "credentials.read"},
	{"GET", creds + "/x", "credentials.read"},
	{"GET", "/api/v1/accounts/acme/sessions", "credentials.read"},
	{"DELETE", creds, "credentials.revoke"},
	{"DELETE", creds + "/x", "credentials.revoke"},
	{"DELETE", "/api/v1/accounts/acme/sessions/x", "credentials.revoke"},
	{"GET", "/api/v1/accounts/acme/record", "record.read"},
	{"GET", "/api/v1/accounts/acme/record?format=jsonl", "record.read"},
	{"POST", actionsPath, "actions.write"},
	{"POST", verifications, "credentials.verify"},
}

func TestNobodyGetsInWithoutAToken(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	long := strings.Repeat("a", keys.MaxToken+1)
	w.callers[long] = w.callers["settings"] // it would be good, if anybody looked at it
	for _, op := range operations {
		for name, c := range map[string]struct {
			authorization string
			challenge     string
		}{
			"none":          {"", "Bearer"},
			"basic":         {"Basic c2V0dGluZ3M6eA==", "Bearer"},
			"unknown":       {"Bearer SECRETMARK", `Bearer error="invalid_token"`},
			"empty":         {"Bearer ", `Bearer error="invalid_token"`},
			"two words":     {"Bearer settings settings", `Bearer error="invalid_token"`},
			"glued":         {"Bearersettings", `Bearer error="invalid_token"`},
			"much too long": {"Bearer " + long, `Bearer error="invalid_token"`},
		} {
			r := w.want(w.call("", op.method, op.path, `{}`, "Authorization", c.authorization), 401)
			if c.authorization == "" {
				r = w.want(w.call("", op.method, op.path, `{}`), 401)
			}
			if got := r.Header().Get("WWW-Authenticate"); got != c.challenge {
				t.Errorf("%s %s, %s: the challenge is %q", op.method, op.path, name, got)
			}
			if strings.Contains(r.Body.String(), "SECRETMARK") || strings.Contains(r.Body.String(), "MARKER") {
				t.Errorf("%s: the reply is %s", name, r.Body)
			}
		}
	}
}

func TestEachOperationWantsItsScope(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, op := range operations {
		r := w.want(w.call("nothing", op.method, op.path, `{}`), 403)
		if got, want := r.Header().Get("WWW-Authenticate"), `Bearer error="insufficient_scope", scope="`+op.scope+`"`; got != want {
			t.Errorf("%s %s: the challenge is %q", op.method, op.path, got)
		}
		with := w.callers["nothing"]
		with.Scopes = []string{op.scope}
		w.callers["just"] = with
		if r := w.call("just", op.method, op.path, `{}`); r.Code == 401 || r.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s %s with its scope: %d", op.method, op.path, r.Code)
		}
		for other := range map[string]bool{"credentials.mint": true, "credentials.read": true, "credentials.revoke": true, "record.read": true, "actions.write": true} {
			with.Scopes = []string{other, "endings.read"}
			w.callers["just"] = with
			if r := w.call("just", op.method, op.path, `{}`); other != op.scope && r.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s is open to %s", op.method, op.path, other)
			}
		}
	}
}

// TestEndingsWantTheirScope: nobody else hears of endings, or says to have applied
// them; and nobody says so who acts for no app.
func TestEndingsWantTheirScope(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	ack := `{"instance":"one","id":"epoch-1"}`
	for _, r := range []reply{w.call("docs", "GET", "/api/v1/endings", nil), w.call("docs", "POST", "/api/v1/endings/ack", ack)} {
		if got := w.want(r, 403).Header().Get("WWW-Authenticate"); got != `Bearer error="insufficient_scope", scope="endings.read"` {
			t.Errorf("the challenge is %q", got)
		}
	}
	w.callers["just"] = api.Caller{Client: "just", Scopes: []string{"endings.read"}}
	if r := w.want(w.call("just", "POST", "/api/v1/endings/ack", ack), 403); r.text("type") != "urn:valetkey:problem:not-audience" {
		t.Errorf("without an audience: %s", r.Body)
	}
}

// TestAnInstanceIsToBeReadable, in the query as in an acknowledgement: by whoever looks
// for a copy of their app that lags behind.
func TestAnInstanceIsToBeReadable(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.callers["docs"] = api.Caller{Client: "docs", Audience: "https://docs.example/api", Scopes: []string{"endings.read"}}
	for _, name := range []string{"", `a\nb`, `a\u007fb`, `a\u0085b`, `a\u009bb`, `a\u202eb`, `a\u2066b`, strings.Repeat("x", 101)} {
		text := fmt.Sprintf(`{"instance":"%s","id":"epoch-1"}`, name)
		if r := w.want(w.call("docs", "POST", "/api/v1/endings/ack", text), 422); !strings.Contains(r.Body.String(), "body.instance") {
			t.Errorf("%q: %s", name, r.Body)
		}
		var plain string
		_ = json.Unmarshal([]byte(`"`+name+`"`), &plain)
		if r := w.want(w.call("docs", "GET", "/api/v1/endings?instance="+url.QueryEscape(plain), nil), 400); !strings.Contains(r.Body.String(), "instance has to be") {
			t.Errorf("%q: %s", name, r.Body)
		}
	}
}

func TestTheSchemeHasNoCase(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.want(w.call("", "GET", creds, nil, "Authorization", "bearer settings"), 404)
}

func TestTwoAuthorizationsAreRefused(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	r := httptest.NewRequest(http.MethodGet, creds, nil)
	r.Header["Authorization"] = []string{"Bearer settings", "Bearer settings"}
	w.want(w.serve(r), 400)
}

func TestSecretsInTheQueryAreRefused(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, name := range []string{"access_token", "token", "pin", "password", "client_secret", "owner_token", "actor_token", "ACCESS_TOKEN"} {
		for _, op := range operations {
			join := "?"
			if strings.Contains(op.path, "?") {
				join = "&"
			}
			r := w.want(w.call("", op.method, op.path+join+name+"=settings", nil), 400)
			if strings.Contains(r.Body.String(), "settings") {
				t.Errorf("%s: %s", name, r.Body)
			}
		}
	}
	w.want(w.call("settings", "GET", creds+"?limit=1&limit=2", nil), 400)
	w.want(w.call("settings", "GET", creds+"?limit=1;limit=2", nil), 400)
	w.want(w.call("settings", "GET", creds+"?limit=%zz", nil), 400)
}

func TestBodiesAreJSON(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/problem+json", "", "application/json/x"} {
		w.want(w.call("settings", "POST", creds, mintBody(), "Content-Type", kind), 415)
		w.want(w.call("docs", "POST", actionsPath, act("x", "y"), "Content-Type", kind), 415)
	}
	w.want(w.call("settings", "POST", creds, mintBody(), "Content-Type", "Application/JSON; charset=utf-8"), 201)
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for _, path := range []string{"/api/v1/nope", "/api/", "/api/v1/accounts//credentials", "/api/v1/accounts/acme", creds + "/", "/api/openapi.yaml", "/api/docs", "/api/schemas/Problem.json"} {
		// What the outer router redirects to its clean form is not ours to see.
		if r := w.rawCall("settings", "GET", path); r.Code != 404 && r.Code != 301 {
			t.Errorf("%s: %d", path, r.Code)
		}
	}
	for path, allow := range map[string]string{creds: "GET, POST, DELETE", creds + "/x": "GET, DELETE", actionsPath: "POST", verifications: "POST", "/api/openapi.json": "GET"} {
		for _, method := range []string{"PUT", "PATCH", "HEAD"} {
			r := w.want(w.call("settings", method, path, nil), 405)
			if got := r.Header().Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow is %q", method, path, got)
			}
		}
	}
}

func TestErrorsOfParsersAreNotPassedOn(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for message, r := range map[string]reply{
		"expected a valid value": w.call("settings", "GET", creds+"?limit=many", nil),
		"expected valid JSON":    w.call("settings", "POST", creds, `{"policy":"x"} 7`),
	} {
		if !strings.Contains(r.Body.String(), `"message":"`+message+`"`) {
			t.Errorf("want %q: %s", message, r.Body)
		}
	}
}

func (w *world) rawCall(client, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", "Bearer "+client)
	rec := httptest.NewRecorder()
	w.served.ServeHTTP(rec, r)
	return rec
}
