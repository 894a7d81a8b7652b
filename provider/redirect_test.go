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

// TestNoUnregisteredURIIsEverRedirectedTo: comparison is exact and of the raw
// value; the person sees a page, whatever else is wrong with the request.
func TestNoUnregisteredURIIsEverRedirectedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	w.session = &s
	list := variants(callback)
	if len(list) < 100 {
		t.Fatalf("only %d variants", len(list))
	}
	seen := map[string]bool{}
	for _, uri := range list {
		if seen[uri] {
			t.Errorf("%q is listed twice", uri)
		}
		seen[uri] = true
		for _, q := range []url.Values{w.request("docs", "redirect_uri", uri), w.request("docs", "redirect_uri", uri, "response_type", "token"), w.request("docs", "redirect_uri", uri, "prompt", "none")} {
			r := w.get("/authorize", q)
			if r.Code != http.StatusBadRequest || r.Header().Get("Location") != "" || strings.Contains(r.Body.String(), "evil") {
				t.Errorf("%q: %d to %q: %s", uri, r.Code, r.Header().Get("Location"), r.Body)
			}
		}
	}
	if len(w.asked) != 0 {
		t.Errorf("%d of them reached the pages", len(w.asked))
	}
	for _, uri := range w.p.Clients["docs"].RedirectURIs {
		if r := w.get("/authorize", w.request("docs", "redirect_uri", uri)); !strings.HasPrefix(r.Header().Get("Location"), uri) {
			t.Errorf("the registered %q: %d %q", uri, r.Code, r.Header().Get("Location"))
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
