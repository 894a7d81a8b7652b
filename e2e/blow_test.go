package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// target is a route with the requests that it takes.
type target struct {
	route  string // method and path
	method string
	path   string // with {names}
	forms  []url.Values
	bodies []map[string]any // of JSON
	query  bool             // the parameters stand in the address
}

// goods are what good requests are made of: everything that somebody who is in a
// session has.
type goods struct {
	tokens  []string // of all kinds
	access  string
	api     []string // tokens of the management API
	clients []string // credentials for Basic
	cookies string
	sealed  string // an authorization request of this browser
}

// blow is a request, wrong or not.
type blow struct {
	method string
	text   []byte
	broken bool // it is no HTTP: it may be answered by nothing
}

// anvil finds every route: the table's, those of the API's own description, and
// what the discovery documents name.
func (b *broker) anvil(t *testing.T) *anvil {
	t.Helper()
	a := &anvil{b: b, address: strings.TrimPrefix(b.at, "http://"), seen: map[string]map[int]int{}}
	for i := range 6 {
		a.goods = append(a.goods, b.goods(i))
	}
	owner := b.browser()
	owner.open(b.issuer + supportAccess)
	owner.submit(owner.form("username", "password"), map[string]string{"username": "olivia", "password": staffPassword}, "")
	forms := map[string]url.Values{} // as the page has them
	for _, f := range owner.page.forms {
		forms[f.action.Path] = f.values("")
	}
	for i := range a.goods {
		a.goods[i].cookies += owner.cookies()
	}
	for _, route := range routes(t) {
		methods, path, _ := strings.Cut(route, " ")
		if methods == "*" {
			methods = "GET,POST"
		}
		for method := range strings.SplitSeq(methods, ",") {
			a.add(method, path)
		}
	}
	var described struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	b.get("/api/openapi.json", "").decode(t, &described)
	for path, methods := range described.Paths {
		for method := range methods {
			a.add(strings.ToUpper(method), path)
		}
	}
	for _, document := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/ssf-configuration"} {
		var says map[string]any
		b.get(document, "").decode(t, &says)
		for _, value := range says {
			if at, ok := value.(string); ok && strings.HasPrefix(at, b.issuer+"/") {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					a.add(method, strings.TrimPrefix(at, b.issuer))
				}
			}
		}
	}
	for _, route := range []string{"GET /readyz", "GET /metrics", "GET /api/openapi.json", "GET /status/{n}", "PATCH /ssf/streams", "PUT /ssf/streams", "DELETE /ssf/streams", "POST /ssf/poll/{stream}", "GET /nowhere"} {
		method, path, _ := strings.Cut(route, " ")
		a.add(method, path)
	}
	for i, at := range a.targets {
		if form := forms[at.path]; form != nil && at.method == http.MethodPost {
			a.targets[i].forms = append(at.forms, form)
		}
	}
	slices.SortFunc(a.targets, func(x, y target) int { return strings.Compare(x.route, y.route) })
	return a
}

func (a *anvil) add(method, path string) {
	at := target{route: method + " " + path, method: method, path: path, query: method == http.MethodGet}
	if slices.ContainsFunc(a.targets, func(x target) bool { return x.route == at.route }) {
		return
	}
	at.forms, at.bodies = a.b.recipes(path)
	a.targets = append(a.targets, at)
}

// goods signs somebody in, and lends them to the hammer.
func (b *broker) goods(i int) goods {
	b.t.Helper()
	w := b.browser()
	v, code := w.signIn(b.docs(), agent(i), b.mint(mint{account: acme, policy: "temporary-login"}))
	got := v.exchange(code)
	w.open(b.authorize(b.docs(), "prompt", "login").url()) // stays open: its form has the sealed request
	out := goods{access: got.Access, tokens: []string{got.Access, got.ID, got.Refresh, code, b.bankAssertion(), b.proof(http.MethodPost, b.metadata().Token)},
		api: []string{b.apiToken(b.settings()), b.apiToken(b.docsAPI()), b.apiToken(b.console())}}
	out.tokens = append(out.tokens, out.api...)
	for _, client := range []app{b.docs(), b.docs(), b.settings(), b.console(), b.docsAPI()} {
		out.clients = append(out.clients, base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(client.id)+":"+url.QueryEscape(client.secret))))
	}
	for _, f := range w.page.forms {
		if sealed := f.fields.Get("request"); sealed != "" {
			out.sealed = sealed
		}
	}
	out.cookies = w.cookies()
	return out
}

// cookies are those of a browser, as it sends them.
func (w *browser) cookies() (out string) {
	at, _ := url.Parse(w.b.issuer)
	for _, cookie := range w.client.Jar.Cookies(at) {
		out += cookie.Name + "=" + cookie.Value + "; "
	}
	return out
}

// recipes are good requests to a path; %t stands for any token, %r for the sealed
// request.
func (b *broker) recipes(path string) ([]url.Values, []map[string]any) {
	form := func(pairs ...string) url.Values {
		out := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			out.Set(pairs[i], pairs[i+1])
		}
		return out
	}
	docs := b.docs()
	asks := b.authorize(docs, "max_age", "100", "prompt", "none", "claims", `{"userinfo":{"email":null}}`, "id_token_hint", "%t", "login_hint", acme.handle, "acr_values", "x", "ui_locales", "de", "resource", docsAudience).params
	last := path[strings.LastIndexByte(path, '/'):]
	switch {
	case path == "/token":
		return []url.Values{
			form("grant_type", "authorization_code", "code", "%t", "redirect_uri", docs.callback, "code_verifier", strings.Repeat("v", 43)),
			form("grant_type", "refresh_token", "refresh_token", "%t", "scope", "openid"),
			form("grant_type", "client_credentials", "scope", "credentials.mint"),
			form("grant_type", exchangeGrant, "subject_token", acme.handle+":123456", "subject_token_type", typePIN, "actor_token", "%t", "actor_token_type", tokenTypes+"id_token"),
			form("grant_type", exchangeGrant, "subject_token", "%t", "subject_token_type", tokenTypes+"access_token", "audience", docsAudience),
			form("grant_type", "client_credentials", "client_assertion", "%t", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		}, nil
	case path == "/introspect", path == "/revoke":
		return []url.Values{form("token", "%t", "token_type_hint", "access_token"), form("token", "%t", "client_id", docs.id, "client_secret", docs.secret)}, nil
	case path == "/authorize", path == "/par":
		return []url.Values{asks, form("client_id", docs.id, "request_uri", "urn:ietf:params:oauth:request_uri:x"), form("request", "%t", "client_id", docs.id, "redirect_uri", docs.callback)}, nil
	case path == "/logout":
		return []url.Values{form("id_token_hint", "%t", "post_logout_redirect_uri", docsBye, "state", "s", "client_id", docs.id, "logout_hint", "x", "ui_locales", "en")}, nil
	case path == "/userinfo":
		return []url.Values{form("access_token", "%t"), {}}, nil
	case last == "/local", last == "/code", last == "/redeem", last == "/verify", last == "/enter", last == "/cancel", last == "/sign-out", last == "/confirm", last == "/stay", last == "/sign-in", last == "/summary", last == "/verified":
		return []url.Values{form("request", "%r", "r", "%r", "a", "%r", "connector", "local", "username", "sam", "code", "123456", "account", "no-such", "pin", "123456", "reason", "x", "email", "a@support.northwind.example", "enter", "1")}, nil
	case strings.HasPrefix(path, "/support-access"):
		return []url.Values{form("policy", "support-pin", "once", "%r", "credential", "x", "sid", "x", "scope", "documents.read", "before", "10", "cursor", "%r")}, nil
	case strings.HasSuffix(path, "/credentials"):
		return []url.Values{form("limit", "10", "cursor", "%r")}, []map[string]any{{"policy": "two-day-pin", "account_name": "Hammer", "handle": "9999", "scopes": []any{"documents.read"}, "ticket": "T", "redeem_within": "1h", "confirm": false,
			"owner": map[string]any{"sub": "u", "name": "N", "email": "n@x.example", "claims": map[string]any{"role": "nobody"}}, "owner_token": "%t"}}
	case last == "/actions":
		one := map[string]any{"id": "a", "sid": "s", "action": "View", "target": "t", "scope": "documents.read", "outcome": "started"}
		return nil, []map[string]any{one, {"actions": []any{one, one}}}
	case last == "/ack":
		return nil, []map[string]any{{"instance": "i", "id": "e-1", "age_ms": 1}}
	case last == "/verifications":
		return nil, []map[string]any{{"account_handle": acme.handle, "pin": "123456", "actor_token": "%t", "reason": "x"}}
	case strings.HasPrefix(path, "/ssf/"):
		return []url.Values{form("stream_id", "x")}, []map[string]any{
			{"stream_id": "x", "events_requested": []any{"https://schemas.openid.net/secevent/caep/event-type/session-revoked"}, "delivery": map[string]any{"method": "urn:ietf:rfc:8936"}, "description": "d"},
			{"stream_id": "x", "status": "paused", "reason": "r"}, {"stream_id": "x", "state": "s"}, {"ack": []any{"j"}, "maxEvents": 1, "returnImmediately": true, "setErrs": map[string]any{"j": map[string]any{"err": "e"}}},
		}
	}
	return []url.Values{form("instance", "i", "max_staleness", "10s", "format", "jsonl", "limit", "5", "cursor", "x", "state", "s", "code", "c", "time", "1")}, nil
}

// nasty are values that something somewhere has stumbled over.
var nasty = []string{
	"", " ", "\x00", "a\x00b", "\r\nX: 1", "%", "%zz", "%00", "%2e%2e%2f", "../../etc/passwd", "\xff\xfe", "\xed\xa0\x80", "\u202e", "e\u0301", "ſ", "０１２３", "-1", "0", "1e400", "9223372036854775808",
	"18446744073709551616", "-9223372036854775809", "NaN", "true", "null", "[]", "{}", "[[[[", `{"a":`, "'", `"`, "`", `\`, ";", "' OR 1=1 --", "$1", "{{.}}", "<script>", "javascript:alert(1)", "http://169.254.169.254/", "file:///",
	"a.b.c", "..", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJhdWQiOlsxXX0.eA", "2026-13-45T99:99:99Z", "openid openid", "openid  x\ty", "2562047h", "1ns", "-5s", "urn:ietf:params:oauth:request_uri:",
	strings.Repeat("a", 300), strings.Repeat("é", 2000), strings.Repeat(".", 9000), strings.Repeat("A", 20_000), strings.Repeat("openid ", 900), strings.Repeat("[", 5000),
}

// nastyJSON are values where another type is wanted.
var nastyJSON = []string{
	"null", "true", "0", "-1", "1.5", "1e400", "1e-400", "99999999999999999999", "[]", "{}", `""`, `"\u0000"`, `"\ud800"`, `[[]]`, `{"a":{"a":{}}}`, `["a",1,null]`, `"` + strings.Repeat("a", 3000) + `"`,
	strings.Repeat("[", 300) + strings.Repeat("]", 300), strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300),
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// blow makes a request from a recipe and damages it, mostly in one place.
func (at target) blow(r *rand.Rand, g goods) blow {
	method := at.method
	if r.IntN(40) == 0 {
		method = pick(r, []string{"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X"})
	}
	path := at.path
	for strings.Contains(path, "{") {
		from, to := strings.IndexByte(path, '{'), strings.IndexByte(path, '}')
		path = path[:from] + url.PathEscape(pick(r, append([]string{"acct-hammer", "x", "local", "customers", "1", "/", "%"}, nasty[:50]...))) + path[to+1:]
	}
	if r.IntN(40) == 0 {
		path = pick(r, []string{path + "/", "/" + path, path + "/..", path + "%2f", path + "%00", strings.ToUpper(path), path + ";a=b", path + "%zz", "/." + path, path + "/" + strings.Repeat("a/", 500)})
	}
	values, body, kind := at.made(r, g)
	target, payload := path, body
	if values != nil {
		text := damaged(r, values.Encode())
		if at.query {
			target += "?" + text
		} else {
			payload, kind = text, "application/x-www-form-urlencoded"
		}
	}
	if r.IntN(30) == 0 {
		target += pick(r, []string{"?", "&", "?a=1&a=2", "?client_secret=x", "?access_token=x", "?a=%zz", "?;", "?" + strings.Repeat("a=1&", 400)})
	}
	if r.IntN(50) == 0 {
		kind = pick(r, []string{"", "text/plain", "multipart/form-data; boundary=x", "multipart/form-data", "application/json; charset=utf-16", "application/xml", "/", "application/x-www-form-urlencoded; charset"})
	}
	return at.framed(r, method, target, kind, payload, at.headers(r, g))
}

// made is a recipe with some values replaced, taken out, repeated or put in.
func (at target) made(r *rand.Rand, g goods) (url.Values, string, string) {
	if len(at.bodies) > 0 && (len(at.forms) == 0 || !at.query) {
		text, _ := json.Marshal(pick(r, at.bodies))
		out := strings.ReplaceAll(string(text), "%t", pick(r, g.tokens))
		for range r.IntN(3) {
			// Some value becomes another: what stands between a colon and a comma.
			if from := strings.IndexByte(out[r.IntN(len(out)):], ':'); from >= 0 {
				rest := out[len(out)-len(out[from:]):]
				if to := strings.IndexAny(rest, ",}]"); to > 0 {
					out = strings.Replace(out, rest[:to+1], ":"+pick(r, nastyJSON)+rest[to:to+1], 1)
				}
			}
		}
		return nil, damaged(r, out), "application/json"
	}
	if len(at.forms) == 0 {
		return nil, "", ""
	}
	values := url.Values{}
	for name, list := range pick(r, at.forms) {
		value := strings.ReplaceAll(strings.ReplaceAll(list[0], "%t", pick(r, g.tokens)), "%r", g.sealed)
		values.Set(name, value)
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range values {
			if !yield(name) {
				return
			}
		}
	})
	for range r.IntN(3) {
		if len(names) == 0 {
			break
		}
		name := pick(r, names)
		switch r.IntN(5) {
		case 0:
			values.Del(name)
		case 1:
			values.Add(name, pick(r, nasty))
		case 2:
			values.Set(pick(r, names), values.Get(name))
		case 3:
			values.Set(pick(r, nasty), "x")
		default:
			values.Set(name, pick(r, nasty))
		}
	}
	return values, "", ""
}

// damaged cuts or spoils an encoded text, now and then.
func damaged(r *rand.Rand, text string) string {
	if len(text) == 0 || r.IntN(6) > 0 {
		return text
	}
	at := r.IntN(len(text))
	return pick(r, []string{text[:at], text[at:], text[:at] + string(rune(r.IntN(0x300))) + text[at:], text[:at] + "%" + text[at:], text + text, text[:at] + "&&=;" + text[at:], text + strings.Repeat("x", 70<<10)})
}

// headers are those that a request is let in with, or nearly.
func (at target) headers(r *rand.Rand, g goods) []string {
	basic := func(id, secret string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	var out []string
	switch {
	case r.IntN(12) == 0:
		out = append(out, pick(r, []string{"Authorization: ", "Authorization: Basic", "Authorization: Basic !!!", basic("", ""), basic("docs", "wrong"), basic("%zz", "%"), "Authorization: Bearer", "Authorization: Bearer  ", "Authorization: Digest x",
			"Authorization: Bearer " + pick(r, nasty[20:40]), "Authorization: DPoP " + g.access, "Authorization: Bearer " + pick(r, g.tokens), "Authorization: bearer " + strings.Repeat(".", 9000), "Authorization: Basic x\r\nAuthorization: Bearer y"}))
	case strings.HasPrefix(at.path, "/api/"), strings.HasPrefix(at.path, "/ssf/"):
		out = append(out, "Authorization: Bearer "+pick(r, g.api))
	case at.path == "/userinfo" && at.method == http.MethodGet:
		out = append(out, "Authorization: Bearer "+pick(r, g.tokens))
	case slices.Contains([]string{"/token", "/introspect", "/revoke", "/par"}, at.path) && r.IntN(6) > 0:
		out = append(out, "Authorization: Basic "+pick(r, g.clients))
	}
	if r.IntN(4) > 0 {
		out = append(out, "Cookie: "+g.cookies)
	} else if r.IntN(3) == 0 {
		out = append(out, "Cookie: "+damaged(r, g.cookies))
	}
	for range r.IntN(2) {
		out = append(out, pick(r, []string{"DPoP: " + pick(r, g.tokens), "DPoP: x", "DPoP: a\r\nDPoP: b", "Idempotency-Key: k", "Idempotency-Key: " + strings.Repeat("k", 500), "Last-Event-ID: x-99999999999999999999", "Last-Event-ID: -",
			"Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "X-Forwarded-For: 1.2.3.4, x, ::1", "Accept: application/xml", "Accept: " + strings.Repeat("a/b;q=0.1,", 300), "Content-Encoding: gzip", "Range: bytes=0-",
			"If-None-Match: *", "Accept-Language: " + strings.Repeat("x-", 500), "Access-Control-Request-Method: POST", "Expect: 100-continue", "Upgrade: websocket\r\nConnection: Upgrade", "Connection: close", "X-HTTP-Method-Override: DELETE"}))
	}
	return out
}

// framed writes the request down, as HTTP or, now and then, not quite.
func (at target) framed(r *rand.Rand, method, target, kind, payload string, headers []string) blow {
	target = strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f {
			return -1 // else it is another request
		}
		return c
	}, target)
	clean := headers[:0]
	for _, h := range headers {
		clean = append(clean, strings.Map(func(c rune) rune {
			if c == 0 || c == 0xfffd {
				return 'x'
			}
			return c
		}, h))
	}
	var out bytes.Buffer
	x := blow{method: method}
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, pick(r, []string{"127.0.0.1", "evil.example", "127.0.0.1"}))
	for _, h := range clean {
		out.WriteString(h + "\r\n")
	}
	if kind != "" {
		out.WriteString("Content-Type: " + kind + "\r\n")
	}
	switch {
	case r.IntN(60) == 0:
		x.broken = true
		out.WriteString(pick(r, []string{
			"Content-Length: 999\r\n\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n",
			"Bad Header\r\n\r\n", ": x\r\n\r\n", "A: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "\x00\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
		}) + payload)
	case payload == "" && method == http.MethodGet:
		out.WriteString("\r\n")
	case r.IntN(10) == 0:
		fmt.Fprintf(&out, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(payload), payload)
		x.broken = payload == "" // two ends
	default:
		fmt.Fprintf(&out, "Content-Length: %d\r\n\r\n%s", len(payload), payload)
	}
	x.text = out.Bytes()
	return x
}
