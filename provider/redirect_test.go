package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// variants are texts that a careless comparison takes for a registered URI.
func variants(registered string) []string {
	u, _ := url.Parse(registered)
	host, path := u.Host, u.Path
	out := []string{
		"", " ", "/", "//", "null", "https:", "https://", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "about:blank",
		strings.ToUpper(registered), strings.Replace(registered, "https", "HTTPS", 1), strings.Replace(registered, "https", "http", 1),
		strings.Replace(registered, "https://", "https:/", 1), strings.Replace(registered, "https://", "https:///", 1),
		strings.Replace(registered, "https://", "//", 1), strings.Replace(registered, "https://", `https:\\`, 1),
		strings.TrimPrefix(registered, "https://"), "https://" + strings.ToUpper(host) + path,
		path, path[1:], "https://" + host, "https://" + host + "/", url.QueryEscape(registered), url.PathEscape(registered),
	}
	for _, after := range []string{
		"/", "//", "/.", "/..", "/../callback", "/./", "?", "?x=1", "?tenant=1&x=2", "?tenant=2", "?TENANT=1", "?tenant=1#", "#", "#x", "##", "&x=1", ";x=1", ";", "%", "%00", "%20", "%2F", "%2f..",
		"%0d%0aSet-Cookie:x", "\r\nSet-Cookie: x=1", "\n", "\t", "\x00", " ", ".", "*", "x", "@evil.example", ":443", "%23", "%3F", "%3Ftenant=1",
		"\u200b", "\u00a0", "é", "\u202e", "/%2e%2e/%2e%2e/evil", "/..;/evil", `\evil`, "|", "%E3%80%82", "=", "+", ",https://evil.example", " https://evil.example",
	} {
		out = append(out, registered+after)
	}
	for _, before := range []string{" ", "\t", "\n", "\x00", "\ufeff", "view-source:", "blob:", "url=", "https://evil.example/", "https://evil.example?", "https://evil.example#"} {
		out = append(out, before+registered)
	}
	for _, h := range []string{
		host + ":443", host + ":80", host + ":8443", host + ":", host + ".", "." + host, "evil." + host, host + ".evil.example", "evil-" + host, host + "-evil",
		"user@" + host, "user:pass@" + host, "@" + host, host + "@evil.example", host + ":443@evil.example", host + "%40evil.example", host + `\@evil.example`, host + "#@evil.example", host + "?@evil.example",
		"localhost", "127.0.0.1", "[::1]", "*", "*." + host, host + "%00.evil.example", host + "%2eevil.example", "www." + host, "xn--" + host,
		strings.Replace(host, ".", "%2e", 1), strings.Replace(host, ".", "。", 1), strings.Replace(host, "o", "о", 1), strings.Replace(host, "d", "%64", 1), strings.Replace(host, "s", "ſ", 1), host + " ", " " + host,
	} {
		out = append(out, "https://"+h+path)
	}
	for _, p := range []string{
		strings.ToUpper(path), "/Callback", "//callback", "/./callback", "/x/../callback", "/%63allback", "/call%62ack", "/callbac", "/callback2", "/callback.html", "/callback/x", `\callback`, "/;/callback", "/%2fcallback", "/cаllback",
	} {
		out = append(out, "https://"+host+p)
	}
	return out
}

// loopbacks are what a careless comparison takes for an address of the person's
// own machine. RFC 8252 section 7.3 would have the port left out of it; here it
// counts like everything else, see docs/deviations.md.
func loopbacks() []string {
	var out []string
	for _, host := range []string{
		"127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:80", "127.0.0.1:4712", "127.0.0.1:04711", "127.0.0.1:47110", "127.0.0.1:4711x", "127.0.0.1:65536", "127.0.0.1:-1",
		"localhost:4711", "LOCALHOST:4711", "localhost.:4711", "localhost.evil.example:4711", "127.0.0.1.evil.example:4711", "127.0.0.1.nip.io:4711",
		"[::1]:4711", "[::ffff:127.0.0.1]:4711", "[0:0:0:0:0:0:0:1]:4711", "[::]:4711", "0.0.0.0:4711", "0:4711", "127.1:4711", "127.0.1:4711", "127.0.0.2:4711", "127.255.255.254:4711",
		"2130706433:4711", "0x7f000001:4711", "0x7f.0.0.1:4711", "0177.0.0.1:4711", "127.000.000.001:4711", "127.0.0.1.:4711", "127%2e0.0.1:4711", "127。0。0。1:4711", "①27.0.0.1:4711",
		"user@127.0.0.1:4711", "127.0.0.1:4711@evil.example", "evil.example#127.0.0.1:4711", "evil.example?127.0.0.1:4711", `127.0.0.1:4711\@evil.example`, "127.0.0.1:4711%40evil.example", "127.0.0.1:4711:4711",
	} {
		out = append(out, "http://"+host+"/callback")
	}
	for _, scheme := range []string{"https", "HTTP", "ws", "ftp", "http+unix", "com.northwind.docs"} {
		out = append(out, scheme+"://127.0.0.1:4711/callback")
	}
	for _, path := range []string{"", "/", "/Callback", "/callback/", "/callback?", "/callback?port=1", "/callback#", "//callback", "/./callback", "/%63allback", "/x/../callback"} {
		out = append(out, "http://127.0.0.1:4711"+path)
	}
	return out
}

// natives are what is near to an app's own scheme (RFC 8252 section 7.1).
func natives() []string {
	return []string{
		"com.northwind.docs:", "com.northwind.docs:/", "com.northwind.docs://support", "com.northwind.docs:///support", "com.northwind.docs:support", "com.northwind.docs:/support/",
		"com.northwind.docs:/Support", "com.northwind.docs:/support?x", "com.northwind.docs:/support#x", "COM.northwind.docs:/support", "com.northwind.docs.evil:/support", "com.northwind:/support",
		"northwind.docs:/support", "com.northwind.docs%3a/support", "com.northwind.docs :/support", "intent:/support#Intent;scheme=com.northwind.docs;end", "com.northwind.docs:/support\r\nx:1",
	}
}

// TestNoUnregisteredURIIsEverRedirectedTo: comparison is exact and of the raw
// value; the person sees a page, whatever else is wrong with the request. A
// request that is pushed is refused, and a code is not exchanged.
func TestNoUnregisteredURIIsEverRedirectedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	w.session = &s
	w.p.Clients["spa"].RedirectURIs = []string{"http://127.0.0.1:4711/callback", "com.northwind.docs:/support"}
	hostile := map[string][]string{"docs": variants(callback), "spa": append(loopbacks(), natives()...)}
	if n := len(hostile["docs"]) + len(hostile["spa"]); n < 200 {
		t.Fatalf("only %d variants", n)
	}
	for client, list := range hostile {
		seen := map[string]bool{}
		for _, uri := range list {
			if seen[uri] {
				t.Errorf("%q is listed twice", uri)
			}
			seen[uri] = true
			w.noWayTo(client, uri)
		}
	}
	if len(w.asked) != 0 {
		t.Errorf("%d of them reached the pages", len(w.asked))
	}
	for client := range hostile {
		for _, uri := range w.p.Clients[client].RedirectURIs {
			if r := w.get("/authorize", w.request(client, "redirect_uri", uri)); !strings.HasPrefix(r.Header().Get("Location"), uri) {
				t.Errorf("the registered %q: %d %q", uri, r.Code, r.Header().Get("Location"))
			}
		}
	}
	if code := w.code("docs", s); code != "" {
		for _, uri := range []string{callback + "?tenant=1", callback + "/", "https://docs.example/%63allback", ""} {
			q := w.exchange("docs", code)
			q.Set("redirect_uri", uri)
			if r := w.post("/token", "docs", q); r.Code != http.StatusBadRequest || r.text("access_token") != "" {
				t.Errorf("a code is exchanged for %q: %d %s", uri, r.Code, r.Body)
			}
		}
	}
}

// noWayTo wants every request to go back to a URI refused on a page.
func (w *world) noWayTo(client, uri string) {
	for _, q := range []url.Values{w.request(client, "redirect_uri", uri), w.request(client, "redirect_uri", uri, "response_type", "token"), w.request(client, "redirect_uri", uri, "prompt", "none"),
		w.request(client, "redirect_uri", uri, "response_mode", "form_post")} {
		for how, r := range map[string]reply{"GET": w.get("/authorize", q), "POST": w.serve(plainPost("/authorize", q))} {
			if r.Code == http.StatusSeeOther && strings.HasPrefix(r.Header().Get("Location"), "/authorize?") { // a POST is answered by a GET of the same
				continue
			}
			if r.Code != http.StatusBadRequest || r.Header().Get("Location") != "" || strings.Contains(r.Body.String(), "evil") {
				w.Errorf("%s %q: %d to %q: %s", how, uri, r.Code, r.Header().Get("Location"), r.Body)
			}
		}
	}
	if client == "docs" {
		if r := w.post("/par", client, w.request(client, "redirect_uri", uri)); r.Code != http.StatusBadRequest || r.text("request_uri") != "" {
			w.Errorf("%q is pushed: %d %s", uri, r.Code, r.Body)
		}
	}
}

// TestWithoutAKnownClientNothingIsRedirected.
func TestWithoutAKnownClientNothingIsRedirected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	twice := func(name string) url.Values {
		q := w.request("docs")
		q[name] = append(q[name], q.Get(name))
		return q
	}
	for name, q := range map[string]url.Values{
		"an unknown client":         w.request("docs", "client_id", "nobody"),
		"another app's URI":         w.request("docs", "client_id", "notes"),
		"a client in other case":    w.request("docs", "client_id", "DOCS"),
		"an empty client":           w.request("docs", "client_id", ""),
		"no client":                 w.request("docs", "client_id", "\x00"),
		"no redirect_uri":           w.request("docs", "redirect_uri", "\x00"),
		"client_id twice":           twice("client_id"),
		"redirect_uri twice":        twice("redirect_uri"),
		"Client_ID in another case": form("Client_ID", "docs", "Redirect_URI", callback, "response_type", "code"),
		"more than is read":         w.request("docs", "x", strings.Repeat("x", 13<<10)),
	} {
		if r := w.get("/authorize", q); r.Code != http.StatusBadRequest || r.Header().Get("Location") != "" {
			t.Errorf("%s: %d to %q", name, r.Code, r.Header().Get("Location"))
		}
	}
	for _, raw := range []string{"client_id=docs;redirect_uri=" + callback, "client_id=%zz", "%"} {
		r := httptestGet("/authorize")
		r.URL.RawQuery = raw
		if got := w.serve(r); got.Code != http.StatusBadRequest || got.Header().Get("Location") != "" {
			t.Errorf("%s: %d", raw, got.Code)
		}
	}
}

// TestTheIssuerIsNeverTakenFromARequest.
func TestTheIssuerIsNeverTakenFromARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	w.session = &s
	for _, path := range []string{"/authorize?" + w.request("docs").Encode(), "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		r := httptestGet(path)
		r.Host = "evil.example"
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "X-Original-URL", "X-Rewrite-URL"} {
			r.Header.Set(name, "host=evil.example")
		}
		got := w.serve(r)
		if text := got.Body.String() + got.Header().Get("Location"); strings.Contains(text, "evil.example") || !strings.Contains(text, "access.example") {
			t.Errorf("%s: %s", path, text)
		}
	}
}
