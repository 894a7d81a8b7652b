package guard

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var bannerSession = &Session{
	ID: "sid-1", Account: Account{ID: "acme", Name: "Acme Inc"}, Agent: Agent{Issuer: "https://sso.example", Subject: "dana", Name: "Dana Reed"},
	Contact: "Olivia Owner", Scopes: []string{"openid", "email", "documents.read", "settings.write"}, EndsAt: time.Unix(3000, 0),
}

func TestWhatTheBannerSays(t *testing.T) {
	t.Parallel()
	b := Banner{Labels: map[string]string{"documents.read": "View documents"}, EndPath: "/support/end", StylePath: "/banner.css"}
	html := string(b.of(bannerSession, time.Unix(3000, 0).Add(-24*time.Minute)))
	for _, want := range []string{`aria-label="Support mode"`, "Acme Inc", "Dana Reed", "Olivia Owner", "View documents", "settings.write", "24 minutes left",
		`<form method="post" action="/support/end">`, `<link rel="stylesheet" href="/banner.css" integrity="sha256-`, "<details open>"} {
		if !strings.Contains(html, want) {
			t.Errorf("it does not say %s:\n%s", want, html)
		}
	}
	for _, unwanted := range []string{"openid", "email", "<style", "<script", " style=", " on"} {
		if strings.Contains(strings.ReplaceAll(html, "done here", ""), unwanted) {
			t.Errorf("it has %q:\n%s", unwanted, html)
		}
	}
	wellFormed(t, html)
}

// wellFormed checks that a fragment closes what it opens, so that it cannot
// swallow the app's page.
func wellFormed(t *testing.T, html string) {
	t.Helper()
	html = regexp.MustCompile(`(<link[^>]*)>`).ReplaceAllString(html, "$1/>")
	html = strings.ReplaceAll(html, "<details open>", `<details open="">`)
	for d := xml.NewDecoder(strings.NewReader("<body>" + html + "</body>")); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, html)
		}
	}
}

// TestHostileNames: an agent chooses their name, a customer theirs.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</bdi></section></details>`, `' onmouseover='x`, `{{.End}}`, `<!--`, `]]>`,
		"Dana\u202eReed", "Dana\u0000Reed", "Dana\u200bReed", "Dana\nReed\u2028\u2029", "\u2066\u2069", strings.Repeat("W", 100000), strings.Repeat("\u0301", 500), "\xff\xfe",
	} {
		s := *bannerSession
		s.Agent.Name, s.Account.Name, s.Contact, s.Scopes = name, name, name, []string{name, "x." + name}
		html := string(Banner{EndPath: "/end", Nonce: name, StylePath: name}.of(&s, time.Unix(0, 0)))
		if n := strings.Count(html, "<"); n > 60 || len(html) > 120000 && !strings.Contains(name, "W") {
			t.Errorf("%.40q makes elements of its own:\n%.3000s", name, html)
		}
		plain := Banner{EndPath: "/end"}.of(&s, time.Unix(0, 0))
		wellFormed(t, string(plain))
		if strings.ContainsAny(string(plain), "\u202e\u200b\u2066\u2069\u2028\x00") || len(plain) > 4000 {
			t.Errorf("%.40q is shown as it is: %d bytes", name, len(plain))
		}
	}
}

func TestBannerOfSomebodyWithoutAName(t *testing.T) {
	t.Parallel()
	s := *bannerSession
	s.Agent.Name, s.Account.Name, s.Scopes, s.Contact = " \u200b ", "", []string{"openid"}, ""
	html := string(Banner{Small: true}.of(&s, time.Unix(0, 0)))
	for _, want := range []string{"<bdi>dana</bdi>", ">acme<", "Sign in, and nothing more", "<details>"} {
		if !strings.Contains(html, want) {
			t.Errorf("it does not say %s:\n%s", want, html)
		}
	}
	if strings.Contains(html, "<form") || strings.Contains(html, "Helping") {
		t.Errorf("it has more than it should:\n%s", html)
	}
	s.Agent = Agent{}
	if html := string(Banner{}.of(&s, time.Unix(0, 0))); !strings.Contains(html, "Whoever has the temporary login") {
		t.Errorf("nobody acts:\n%s", html)
	}
}

func TestTheBannersStyle(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	BannerStyle(w, httptest.NewRequest(http.MethodGet, "/banner.css", nil))
	sum := sha256.Sum256(w.Body.Bytes())
	integrity := base64.StdEncoding.EncodeToString(sum[:])
	html := string(Banner{StylePath: "/banner.css"}.of(bannerSession, time.Unix(0, 0)))
	if !strings.Contains(strings.ReplaceAll(html, "&#43;", "+"), `integrity="sha256-`+integrity+`"`) {
		t.Errorf("the style that is served has the hash %s:\n%s", integrity, html)
	}
	if kind := w.Header().Get("Content-Type"); kind != "text/css; charset=utf-8" {
		t.Errorf("it is %s", kind)
	}
	with := string(Banner{StylePath: "/banner.css", Nonce: "n0nce"}.of(bannerSession, time.Unix(0, 0)))
	if !strings.Contains(with, `<style nonce="n0nce">`) || !strings.Contains(with, w.Body.String()) || strings.Contains(with, "<link") {
		t.Errorf("with a nonce:\n%s", with)
	}
}

func TestNoBannerForTheAppsOwnPeople(t *testing.T) {
	t.Parallel()
	if html := (Banner{}).HTML(httptest.NewRequest(http.MethodGet, "/", nil)); html != "" {
		t.Errorf("%s", html)
	}
}

func TestTimeLeft(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a minute left", 59 * time.Second: "less than a minute left", 119 * time.Second: "1 minute left",
		119 * time.Minute: "119 minutes left", 179 * time.Minute: "2 hours left",
	} {
		if got := left(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// TestContrast: text of the banner and of the pages can be read, in light and in
// dark (WCAG 2.2, success criterion 1.4.3).
func TestContrast(t *testing.T) {
	t.Parallel()
	color := func(css, name string) string {
		found := regexp.MustCompile(name + `:[^;}]*?(#[0-9a-f]{3,6})\b`).FindStringSubmatch(css)
		if found == nil {
			t.Fatalf("no %s", name)
		}
		return found[1]
	}
	for name, css := range map[string]string{"banner": bannerStyle, "page": string(pageStyle)} {
		light, dark, _ := strings.Cut(css, "@media (prefers-color-scheme: dark)")
		pairs := [][2]string{{"--vk-ground", "--vk-ink"}, {"--vk-button", "--vk-end"}}
		if name == "page" {
			pairs = [][2]string{{"--card", "--ink"}, {"--accent", "--on"}}
		}
		for _, part := range []string{light, dark} {
			for _, p := range pairs {
				if c := contrast(color(part, p[0]), color(part, p[1])); c < 4.5 {
					t.Errorf("%s: %s on %s has a contrast of %.1f", name, p[1], p[0], c)
				}
			}
		}
	}
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) (sum float64) {
	hex = hex[1:]
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// TestThePagesStyle is allowed by the page's own policy.
func TestThePagesStyle(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	plainPage(w, nil, Notice{Status: http.StatusForbidden, Title: `<b>"`, Text: "<script>", Advice: "&", Actions: []NoticeAction{
		{Label: "<i>", URL: "javascript:alert(1)"}, {Label: "End", URL: "/end", Post: true}, {Label: "New", URL: "/new", NewTab: true}}})
	_, rest, _ := strings.Cut(w.Body.String(), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "'sha256-"+sha256Base64(style)+"'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("%s does not allow the style", csp)
	}
	for _, unwanted := range []string{"<script>", "<i>", "<b>", "javascript:"} {
		if strings.Contains(w.Body.String(), unwanted) {
			t.Errorf("the page has %s:\n%s", unwanted, w.Body)
		}
	}
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `<form method="post" action="/end">`) || !strings.Contains(w.Body.String(), `href="/new" target="_blank"`) {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}
