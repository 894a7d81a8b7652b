package demo

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestOpen: ports that are asked for are taken, and others where they are not
// free; all on loopback.
func TestOpen(t *testing.T) {
	t.Parallel()
	first, err := Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	taken := first.docs.Listener.Addr().(*net.TCPAddr).Port
	second, err := Open(taken) // the broker's is not free, whatever the next ones are
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	seen := map[string]bool{}
	for _, at := range []string{first.docs.URL(), first.staff.URL(), second.BrokerURL, second.docs.URL(), second.staff.URL()} {
		if !strings.HasPrefix(at, "http://127.0.0.1:") || seen[at] {
			t.Errorf("%s is not on loopback, or is taken twice: %v", at, seen)
		}
		seen[at] = true
	}
	// The broker's port is for the broker to take.
	l, err := net.Listen("tcp4", strings.TrimPrefix(second.BrokerURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

// TestGuide: what is printed fits a small terminal.
func TestGuide(t *testing.T) {
	t.Parallel()
	w, err := Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	lines := strings.Split(strings.TrimSuffix(w.Guide(), "\n"), "\n")
	if len(lines) > 15 {
		t.Errorf("it has %d lines", len(lines))
	}
	for _, line := range lines {
		if len(line) > 100 {
			t.Errorf("too wide: %s", line)
		}
	}
	for _, at := range []string{w.docs.URL(), w.BrokerURL, w.staff.URL()} {
		if !strings.Contains(w.Guide(), at) {
			t.Errorf("it does not name %s", at)
		}
	}
}

// TestNamesOfOthers: a page elsewhere whose name leads to this machine is not
// served.
func TestNamesOfOthers(t *testing.T) {
	t.Parallel()
	w, err := Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	sites, err := w.Build(time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sites {
		for _, host := range []string{"evil.example", "127.0.0.1", "localhost" + s.Listener.Addr().String()[len("127.0.0.1"):], s.Listener.Addr().String()} {
			for _, path := range []string{"/", "/style.css", "/.well-known/openid-configuration"} {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Host = host
				answer := httptest.NewRecorder()
				s.Handler.ServeHTTP(answer, r)
				if own := host == s.Listener.Addr().String(); (answer.Code == http.StatusMisdirectedRequest) == own {
					t.Errorf("%s%s as %s: %d", s.URL(), path, host, answer.Code)
				}
			}
		}
	}
}

// TestPagesAreSafe: no page runs or styles anything of its own, and none is
// kept or framed.
func TestPagesAreSafe(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := newBrowser(t)
	check := func() {
		t.Helper()
		policy := b.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", b.at, policy, want)
			}
		}
		if b.header.Get("Cache-Control") != "no-store" || b.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", b.at, b.header)
		}
		headings := 0
		for node := range b.page.Descendants() {
			if node.Data == "h1" {
				headings++
			}
			if node.Data == "script" || node.Data == "style" || attr(node, "style") != "" {
				t.Errorf("%s has a %s of its own", b.at, node.Data)
			}
		}
		if headings != 1 {
			t.Errorf("%s has %d headings", b.at, headings)
		}
	}
	for _, path := range []string{"/", "/help", "/nowhere", "/support/documents", "/support/callback", "/id/authorize"} {
		b.open(h.url(path))
		check()
	}
	b.open(h.url("/")).press("Olivia Owner")
	h.enter(b, h.pin(everything...))
	for _, area := range []string{"/app", "/support"} {
		for _, each := range deeds {
			if each.method == http.MethodGet {
				b.open(h.url(area + strings.Replace(each.path, "{id}", "travel", 1)))
				check()
			}
		}
	}
}
