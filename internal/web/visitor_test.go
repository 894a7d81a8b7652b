package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, from string
		forwarded  []string
		trusted    []netip.Prefix
		want       string
	}{
		{"nobody between", "192.0.2.1:1234", nil, proxies, "192.0.2.1"},
		{"a header of a visitor", "192.0.2.1:1234", []string{"198.51.100.9"}, proxies, "192.0.2.1"},
		{"no proxies at all", "10.0.0.1:1234", []string{"198.51.100.9"}, nil, "10.0.0.1"},
		{"one proxy", "10.0.0.1:1234", []string{"192.0.2.1"}, proxies, "192.0.2.1"},
		{"a lie before a proxy", "10.0.0.1:1234", []string{"198.51.100.9, 192.0.2.1"}, proxies, "192.0.2.1"},
		{"a lie that names a proxy", "10.0.0.1:1234", []string{"10.9.9.9, 192.0.2.1"}, proxies, "192.0.2.1"},
		{"two proxies", "10.0.0.1:1234", []string{"192.0.2.1, 10.0.0.2"}, proxies, "192.0.2.1"},
		{"two headers", "10.0.0.1:1234", []string{"198.51.100.9", "192.0.2.1,10.0.0.2"}, proxies, "192.0.2.1"},
		{"proxies only", "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, proxies, "10.0.0.3"},
		{"rubbish before a proxy", "10.0.0.1:1234", []string{"192.0.2.1, unknown, 10.0.0.2"}, proxies, "10.0.0.2"},
		{"an empty header", "10.0.0.1:1234", []string{""}, proxies, "10.0.0.1"},
		{"IPv6", "[2001:db8::1]:1234", []string{"198.51.100.9"}, proxies, "2001:db8::1"},
		{"an IPv6 proxy", "[fd00::1]:1234", []string{"2001:db8::2"}, proxies, "2001:db8::2"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1234", []string{"::ffff:192.0.2.1"}, proxies, "192.0.2.1"},
		{"a socket without addresses", "@", []string{"192.0.2.1"}, proxies, "@"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, _ := newPages(t)
			var got string
			h := p.Visitor(c.trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = Address(r.Context()) }))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.from
			for _, value := range c.forwarded {
				r.Header.Add("X-Forwarded-For", value)
			}
			// No other header of the kind is read.
			r.Header.Set("X-Real-Ip", "198.51.100.66")
			r.Header.Set("Forwarded", "for=198.51.100.66")
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	p, _ := newPages(t)
	seen := map[string]bool{}
	h := p.Visitor(nil, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id := requestID(r.Context())
		if again := requestID(r.Context()); again != id {
			t.Errorf("a request has two ids: %q and %q", id, again)
		}
		seen[id] = true
	}))
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Request-Id", "of the visitor")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if len(seen) != 3 || seen[""] || seen["of the visitor"] {
		t.Errorf("three requests have the ids %v", seen)
	}
	if requestID(t.Context()) != "" || Address(t.Context()) != "" {
		t.Error("a context without a visitor has one")
	}
}

// TestEveryReferenceIsInTheLog: whoever is told a reference finds what it is of.
func TestEveryReferenceIsInTheLog(t *testing.T) {
	t.Parallel()
	reference := regexp.MustCompile(`reference: <code>([A-Z2-7]+)<`)
	p, log := newPages(t)
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusServiceUnavailable} {
		log.Reset()
		page := get(p.Visitor(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.Fail(w, r, status, "It cannot be.") })), "/x?q="+secret)
		found := reference.FindStringSubmatch(page.Body.String())
		if len(found) != 2 || !strings.Contains(log.String(), "request="+found[1]) || !strings.Contains(log.String(), "It cannot be.") {
			t.Errorf("%d: the page has %q, the log %q", status, found, log)
		}
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has the query: %s", log)
		}
	}
	log.Reset()
	page := get(p.Visitor(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.Fail(w, r, http.StatusNotFound, "Nothing.") })), "/x")
	if log.Len() > 0 || reference.MatchString(page.Body.String()) {
		t.Errorf("of an address at which nothing is the log has %q, and the page a reference: %t", log, reference.MatchString(page.Body.String()))
	}
}

func TestTheLogSaysOfWhichClient(t *testing.T) {
	t.Parallel()
	p, log := newPages(t)
	get(p.Visitor(nil, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		OfClient(r.Context(), "docs")
		p.Log.WarnContext(r.Context(), "no")
	})), "/")
	if !strings.Contains(log.String(), "client=docs") {
		t.Errorf("the log: %s", log)
	}
	log.Reset()
	OfClient(t.Context(), "docs") // of no request: nobody is told
	p.Log.WarnContext(t.Context(), "no")
	if strings.Contains(log.String(), "client") {
		t.Errorf("the log: %s", log)
	}
}
