package revocation_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/revocation"
)

// TestStreamConfiguration: what a receiver supplies is taken over, read back,
// changed in part and as a whole (section 8.1.1 of the framework).
func TestStreamConfiguration(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		p.pushed = []string{"http://127.0.0.1:1/events"}
		n := p.start(true)
		r := n.receiver("docs-api")
		if answer := r.call(http.MethodGet, r.endpoint("configuration_endpoint"), nil); answer.status != 200 || strings.TrimSpace(answer.raw) != "[]" {
			t.Errorf("before there is one: %d %s", answer.status, answer.raw)
		}
		push := object{"method": "urn:ietf:rfc:8935", "endpoint_url": p.pushed[0]}
		made := r.want(201, "creating", r.streams(http.MethodPost, object{
			"delivery":         object{"method": push["method"], "endpoint_url": push["endpoint_url"], "authorization_header": "Bearer of-the-receiver"},
			"events_requested": []string{sessionRevoked, "urn:example:unknown"}, "description": "Stream one",
		})).body
		id := made["stream_id"].(string)
		want := object{"stream_id": id, "iss": p.issuer, "aud": "docs-api", "events_supported": []any{sessionRevoked}, "events_delivered": []any{sessionRevoked},
			"events_requested": []any{sessionRevoked, "urn:example:unknown"}, "delivery": push, "min_verification_interval": 5.0, "description": "Stream one"}
		check := func(what string, answer said) {
			t.Helper()
			read := r.call(http.MethodGet, r.endpoint("configuration_endpoint")+"?stream_id="+id, nil)
			if answer.status != 200 || !reflect.DeepEqual(answer.body, want) || answer.raw != read.raw || answer.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %s, read as %s, want %v", what, answer.status, answer.raw, read.raw, want)
			}
		}
		check("created", said{status: 200, body: made, raw: r.call(http.MethodGet, r.endpoint("configuration_endpoint")+"?stream_id="+id, nil).raw, header: http.Header{"Cache-Control": {"no-store"}}})

		want["description"] = "Stream two"
		check("one member changed", r.streams(http.MethodPatch, object{"stream_id": id, "description": "Stream two"}))
		check("the configuration sent back", r.streams(http.MethodPatch, want))
		delete(want, "events_requested")
		delete(want, "description")
		want["delivery"] = object{"method": "urn:ietf:rfc:8936", "endpoint_url": p.issuer + "/ssf/poll/" + id}
		check("replaced by nothing", r.streams(http.MethodPut, object{"stream_id": id}))
		want["events_requested"], want["events_delivered"] = []any{"urn:example:unknown"}, []any{}
		check("only unknown events", r.streams(http.MethodPatch, object{"stream_id": id, "events_requested": []string{"urn:example:unknown"}}))
		check("sent back as a whole", r.streams(http.MethodPut, want))

		check("nothing said of each", r.streams(http.MethodPatch, object{"stream_id": id, "delivery": nil, "events_requested": nil, "description": nil, "iss": nil}))
		check("aud as a list of one", r.streams(http.MethodPatch, object{"stream_id": id, "aud": []string{"docs-api"}}))

		for what, change := range map[string]object{
			"aud as a list of two":         {"aud": []string{"docs-api", "docs-api"}},
			"another iss":                  {"iss": "https://evil.example"},
			"another aud":                  {"aud": "https://evil.example"},
			"more supported events":        {"events_supported": []string{sessionRevoked, "x"}},
			"other delivered events":       {"events_delivered": []string{sessionRevoked}},
			"another interval":             {"min_verification_interval": 0},
			"another poll endpoint":        {"delivery": object{"method": "urn:ietf:rfc:8936", "endpoint_url": "https://evil.example"}},
			"no requested event":           {"events_requested": []string{}},
			"requested events as a text":   {"events_requested": sessionRevoked},
			"numbers for events":           {"events_requested": []int{1}},
			"a description that is a list": {"description": []string{}},
			"a description too long":       {"description": strings.Repeat("x", 1001)},
			"a description with a zero":    {"description": "x\x00"},
			"a delivery that is a text":    {"delivery": "push"},
			"another method":               {"delivery": object{"method": "urn:example:fax"}},
			"no method":                    {"delivery": object{}},
		} {
			for _, method := range []string{http.MethodPatch, http.MethodPut} {
				change["stream_id"] = id
				if answer := r.streams(method, change); answer.status != 400 || answer.header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s by %s: %d %s", what, method, answer.status, answer.raw)
				}
			}
		}
		check("after all that was refused", r.streams(http.MethodPatch, object{"stream_id": id}))
	})
}

func TestHowManyStreamsAClientMayHave(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	r := p.start(true).receiver("docs-api")
	ids := map[any]bool{}
	for range 10 {
		ids[r.want(201, "creating", r.streams(http.MethodPost, "")).body["stream_id"]] = true
	}
	r.want(409, "an eleventh", r.streams(http.MethodPost, object{}))
	if answer := r.call(http.MethodGet, r.endpoint("configuration_endpoint"), nil); len(ids) != 10 || strings.Count(answer.raw, "stream_id") != 10 {
		t.Errorf("%d ids, and %s", len(ids), answer.raw)
	}
}

// TestBodiesOfReceiversAreBounded: 64 KB, whatever is in them.
func TestBodiesOfReceiversAreBounded(t *testing.T) {
	t.Parallel()
	r := newPlace(t, "sqlite:"+t.TempDir()+"/db").start(true).receiver("docs-api")
	id, _ := r.polled()
	for size, want := range map[int]int{1 << 10: 2, 64 << 10: 4} {
		body := object{"stream_id": id, "status": "enabled", "more": strings.Repeat("a", size)}
		if answer := r.call(http.MethodPost, r.endpoint("status_endpoint"), body); answer.status/100 != want {
			t.Errorf("a body of %d bytes and some: %d", size, answer.status)
		}
	}
}

// TestAuthorization: RFC 6750, at every endpoint.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	r := p.start(true).receiver("docs-api")
	id, endpoint := r.polled()
	type call struct {
		method, url string
		body        any
		reading     bool
	}
	calls := []call{
		{http.MethodGet, r.endpoint("configuration_endpoint"), nil, true},
		{http.MethodGet, r.endpoint("status_endpoint") + "?stream_id=" + id, nil, true},
		{http.MethodPost, r.endpoint("configuration_endpoint"), object{}, false},
		{http.MethodPatch, r.endpoint("configuration_endpoint"), object{"stream_id": id}, false},
		{http.MethodPut, r.endpoint("configuration_endpoint"), object{"stream_id": id}, false},
		{http.MethodPost, r.endpoint("status_endpoint"), object{"stream_id": id, "status": "enabled"}, false},
		{http.MethodPost, r.endpoint("verification_endpoint"), object{"stream_id": id}, false},
		{http.MethodPost, r.endpoint("add_subject_endpoint"), object{"stream_id": id, "subject": object{"format": "email", "email": "a@b.example"}}, false},
		{http.MethodPost, r.endpoint("remove_subject_endpoint"), object{"stream_id": id, "subject": object{"format": "email", "email": "a@b.example"}}, false},
		{http.MethodPost, endpoint, object{"returnImmediately": true}, false},
		{http.MethodDelete, r.endpoint("configuration_endpoint") + "?stream_id=" + id, nil, false},
	}
	for token, want := range map[string]string{
		"":                         `401 Bearer realm="valetkey"`,
		"nonsense":                 `401 Bearer realm="valetkey", error="invalid_token"`,
		"a b":                      `401 Bearer realm="valetkey", error="invalid_token"`,
		strings.Repeat("a", 9000):  `401 Bearer realm="valetkey", error="invalid_token"`,
		"docs-api~actions.write":   `403 Bearer realm="valetkey", error="insufficient_scope", scope="endings.read"`,
		"docs-api~ssf.read":        `403 Bearer realm="valetkey", error="insufficient_scope", scope="endings.read"`,
		"settings~endings.read":    `403 `,
		"nobody~endings.read":      `403 `,
		"docs-api~x~endings.read":  `2xx`,
		"docs-api~ssf.manage":      `2xx`,
		"docs-api~ssf.read~unused": `403 Bearer realm="valetkey", error="insufficient_scope", scope="endings.read"`,
	} {
		r.token = token
		for _, c := range calls {
			if want == "2xx" && c.method == http.MethodDelete { // the others still need it
				continue
			}
			expected := want
			if c.reading && strings.Contains(token, "ssf.read") {
				expected = "2xx"
			}
			answer := r.call(c.method, c.url, c.body)
			got := fmt.Sprint(answer.status, " ", answer.header.Get("WWW-Authenticate"))
			if expected == "2xx" && answer.status/100 != 2 && answer.status != 429 || expected != "2xx" && got != expected {
				t.Errorf("%.30q at %s %s: %s, want %s", token, c.method, c.url, got, expected)
			}
		}
	}
	r.token = ""
	for _, name := range []string{"access_token", "token"} {
		if answer := r.call(http.MethodGet, r.endpoint("configuration_endpoint")+"?"+name+"=docs-api~endings.read", nil); answer.status != 401 {
			t.Errorf("a token in the query as %s: %d", name, answer.status)
		}
	}
	r.token = "docs-api~endings.read"
	r.want(400, "a token in the query beside one in the header", r.call(http.MethodGet, r.endpoint("configuration_endpoint")+"?access_token=docs-api~endings.read", nil))
	r.want(200, "something else in the query", r.call(http.MethodGet, r.endpoint("configuration_endpoint")+"?verbose=1", nil))
}

// TestNothingIsSaidByNull: many libraries write what they have no value for as
// null. That is as good as leaving it out.
func TestNothingIsSaidByNull(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite:"+t.TempDir()+"/db")
	r := p.start(true).receiver("docs-api")
	poll := object{"method": "urn:ietf:rfc:8936", "endpoint_url": nil, "authorization_header": nil}
	made := r.want(201, "creating", r.streams(http.MethodPost, object{"delivery": poll, "events_requested": nil, "description": nil, "stream_id": nil, "iss": nil, "aud": nil})).body
	if made["events_requested"] != nil || !reflect.DeepEqual(made["events_delivered"], []any{sessionRevoked}) {
		t.Errorf("created: %v", made)
	}
	id := made["stream_id"].(string)
	r.want(200, "replacing", r.streams(http.MethodPut, object{"stream_id": id, "delivery": poll, "events_requested": nil, "description": nil}))
	r.want(200, "pausing", r.call(http.MethodPost, r.endpoint("status_endpoint"), object{"stream_id": id, "status": "enabled", "reason": nil}))
	r.want(204, "verifying", r.call(http.MethodPost, r.endpoint("verification_endpoint"), object{"stream_id": id, "state": nil}))
}

// TestSubjects: a receiver may add whom it likes, and leave out nobody whose end it
// has to hear of (section 8.1.3).
func TestSubjects(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(false)
		r := n.receiver("docs-api")
		id, endpoint := r.polled()
		for what, c := range map[string]struct {
			subject     any
			add, remove int
		}{
			"an address":            {object{"format": "email", "email": "a@b.example"}, 200, 204},
			"somebody else's":       {object{"format": "iss_sub", "iss": "https://other.example", "sub": "x"}, 200, 204},
			"a user of ours":        {object{"format": "iss_sub", "iss": p.issuer, "sub": "guest:x"}, 200, 403},
			"a session":             {object{"format": "complex", "session": object{"format": "opaque", "id": "x"}}, 200, 403},
			"a tenant":              {object{"format": "complex", "tenant": object{"format": "opaque", "id": "x"}}, 200, 403},
			"the stream":            {object{"format": "opaque", "id": id}, 200, 403},
			"several names of one":  {object{"format": "aliases", "identifiers": []any{}}, 200, 403},
			"an issuer of no form":  {object{"format": "iss_sub", "iss": []string{p.issuer}}, 200, 403},
			"none":                  {nil, 400, 400},
			"a text":                {"a@b.example", 400, 400},
			"one without a format":  {object{"email": "a@b.example"}, 400, 400},
			"one of another format": {object{"format": 1}, 400, 400},
		} {
			for name, want := range map[string]int{"add_subject_endpoint": c.add, "remove_subject_endpoint": c.remove} {
				if answer := r.call(http.MethodPost, r.endpoint(name), object{"stream_id": id, "subject": c.subject}); answer.status != want || want/100 == 2 && answer.raw != "" {
					t.Errorf("%s at %s: %d %q, want %d", what, name, answer.status, answer.raw, want)
				}
			}
		}
		for _, name := range []string{"add_subject_endpoint", "remove_subject_endpoint"} {
			r.want(404, "an unknown stream", r.call(http.MethodPost, r.endpoint(name), object{"stream_id": "x", "subject": object{"format": "email"}}))
		}
		sid := n.ended(docs)
		for _, got := range r.take(endpoint, 1) {
			if got.Subject.Session.ID != sid {
				t.Errorf("after all that, an ending comes as %v", got)
			}
		}
	})
}

// TestWhoDoesNotShowTheKeyIsToldHow: and a failure inside says nothing of itself.
func TestWhoDoesNotShowTheKeyIsToldHow(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		r := p.start(true).receiver("docs-api")
		r.token = "unproven"
		got := r.call(http.MethodGet, r.endpoint("configuration_endpoint"), nil)
		if got.status != 401 || got.header.Get("WWW-Authenticate") != `DPoP error="use_dpop_nonce"` || got.header.Get("DPoP-Nonce") != "n-1" || !strings.Contains(fmt.Sprint(got.body), "bound to a key") {
			t.Errorf("without the key: %d %v %s", got.status, got.header, got.body)
		}
		r.token = "undecided"
		got = r.call(http.MethodGet, r.endpoint("configuration_endpoint"), nil)
		if got.status != 503 || strings.Contains(fmt.Sprint(got.body), "MARKER") || got.header.Get("Retry-After") == "" {
			t.Errorf("when nothing can be decided: %d %v %s", got.status, got.header, got.body)
		}
	})
}

// TestHostileRequests: whatever is sent, the answer is one of the few.
func TestHostileRequests(t *testing.T) {
	inEach(t, func(t *testing.T, p *place) {
		n := p.start(true)
		r := n.receiver("docs-api")
		id, endpoint := r.polled()
		targets := map[string]string{"POST": r.endpoint("status_endpoint"), "PATCH": r.endpoint("configuration_endpoint"), "PUT": r.endpoint("configuration_endpoint")}
		for what, body := range map[string]string{
			"nothing": "", "no JSON": `{"stream_id": `, "null": "null", "a list": "[]", "a text": `"x"`, "a number": "1", "two": "{}{}", "no id": "{}",
			"an id that is null": `{"stream_id":null}`, "an id that is a list": `{"stream_id":[]}`, "other case": `{"Stream_ID":"` + id + `","status":"paused"}`,
			"too long": `{"stream_id":"` + strings.Repeat("x", 70<<10) + `"}`, "deep": strings.Repeat(`{"a":`, 20000),
			"no status": `{"stream_id":"` + id + `","status":"sleeping","events_requested":0}`, "a reason with a zero": `{"stream_id":"` + id + `","status":"paused","reason":"\u0000","description":"\u0000"}`,
		} {
			for method, url := range targets {
				if answer := r.call(method, url, body); answer.status != 400 {
					t.Errorf("%s to %s: %d %s", what, method, answer.status, answer.raw)
				}
			}
			if answer := r.call(http.MethodPost, r.endpoint("verification_endpoint"), body); answer.status != 400 && what != "no status" && what != "a reason with a zero" {
				t.Errorf("%s to verify: %d %s", what, answer.status, answer.raw)
			}
		}
		for _, unknown := range []string{"x", "../streams", strings.Repeat("x", 100), "' OR 1=1 --", id + "\n"} {
			for method, url := range targets {
				if answer := r.call(method, url, object{"stream_id": unknown, "status": "paused"}); answer.status != 404 {
					t.Errorf("the stream %.20q to %s: %d %s", unknown, method, answer.status, answer.raw)
				}
			}
		}
		for query, want := range map[string]int{"": 400, "?stream_id=": 400, "?stream_id=%00": 404, "?stream_id=x": 404, "?stream_id=x&stream_id=" + id: 400, "?other=1": 400} {
			if answer := r.call(http.MethodDelete, r.endpoint("configuration_endpoint")+query, nil); answer.status != want {
				t.Errorf("deleting %q: %d %s, want %d", query, answer.status, answer.raw, want)
			}
		}
		for what, body := range map[string]string{
			"nothing": "", "no JSON": "{", "a list": "[]", "a negative maxEvents": `{"maxEvents":-1}`, "a fraction": `{"maxEvents":1.5}`, "a huge one": `{"maxEvents":1e99}`,
			"ack as a text": `{"ack":"x"}`, "ack of numbers": `{"ack":[1]}`, "errors as a list": `{"setErrs":[]}`, "an error as a text": `{"setErrs":{"x":"y"}}`,
			"too many": `{"ack":["` + strings.Repeat(`a","`, 2001) + `a"]}`, "strange ids": `{"ack":["\u0000","'","","` + strings.Repeat("x", 500) + `"],"returnImmediately":true}`,
			"maxEvents of the greatest": `{"maxEvents":9223372036854775807,"returnImmediately":true}`,
		} {
			want := 400
			if what == "nothing" {
				continue // it waits
			}
			if what == "strange ids" || what == "maxEvents of the greatest" {
				want = 200
			}
			if answer := r.call(http.MethodPost, endpoint, body); answer.status != want {
				t.Errorf("polling with %s: %d %s", what, answer.status, answer.raw)
			}
		}
		if n.logs.String() != "" {
			t.Errorf("the log: %s", n.logs)
		}
	})
}

// TestNoRefusalIsKept: not those of the router either, which ask nobody.
func TestNoRefusalIsKept(t *testing.T) {
	t.Parallel()
	h := (&revocation.SSF{Issuer: issuer}).Handler()
	for request, want := range map[string]int{
		"GET /ssf/nothing": 404, "GET /ssf/": 404, "GET /ssf/verify": 405, "POST " + revocation.SSFMetadata: 405, "TRACE /ssf/streams": 405, "GET /ssf//streams": 301,
	} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code/100 != want/100 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", request, w.Code, w.Header())
		}
	}
}
