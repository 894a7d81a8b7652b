package demo

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// browser is somebody's: it keeps cookies as browsers do, for all ports of a
// host together, follows redirects and shows one page.
type browser struct {
	t      *testing.T
	client *http.Client
	stop   string // redirects to what begins like this are not followed
	last   *url.URL
	at     *url.URL
	status int
	header http.Header
	page   *html.Node
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, stop: "nowhere:"}
	b.client = &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		b.last = next.URL
		if strings.HasPrefix(next.URL.String(), b.stop) || len(via) > 20 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

// open follows a link.
func (b *browser) open(to string) *browser {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, to, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

// post sends a form, as a page of the given origin would.
func (b *browser) post(to, origin string, values url.Values) *browser {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, to, strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	r.Header.Set("Sec-Fetch-Site", "same-site") // another port is that, too
	if strings.HasPrefix(to, origin+"/") {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return b.do(r)
}

func (b *browser) do(r *http.Request) *browser {
	b.t.Helper()
	b.last = nil
	r.Header.Set("Accept", "text/html")
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.at, b.status, b.header = answer.Request.URL, answer.StatusCode, answer.Header
	if b.page, err = html.Parse(bytes.NewReader(body)); err != nil {
		b.t.Fatal(err)
	}
	return b
}

// press presses the button or follows the link with this text, with the form's
// fields filled in.
func (b *browser) press(text string, fill ...string) *browser {
	b.t.Helper()
	for node := range b.page.Descendants() {
		if node.Type != html.ElementNode || !strings.HasPrefix(said(node), text) {
			continue
		}
		if node.Data == "a" {
			return b.open(b.link(attr(node, "href")))
		}
		if node.Data == "button" {
			return b.submit(node, fill)
		}
	}
	b.t.Fatalf("nothing to press says %q at %s (%d): %s", text, b.at, b.status, b.text())
	return nil
}

// fill sends the form that has all the named fields, by its first button: for
// pages of the broker, whose names are a promise and whose words are not.
func (b *browser) fill(fields ...string) *browser {
	b.t.Helper()
	button := b.form(fields...)
	if button == nil {
		b.t.Fatalf("no form has %v at %s (%d): %s", fields, b.at, b.status, b.text())
	}
	return b.submit(button, fields)
}

// form is the first button of the form that has all the named fields, or nil.
func (b *browser) form(fields ...string) *html.Node {
	for form := range b.page.Descendants() {
		if form.Type != html.ElementNode || form.Data != "form" {
			continue
		}
		names, button := map[string]bool{}, (*html.Node)(nil)
		for node := range form.Descendants() {
			names[attr(node, "name")] = true
			if node.Data == "button" && button == nil {
				button = node
			}
		}
		missing := false
		for i := 0; i < len(fields); i += 2 {
			missing = missing || !names[fields[i]]
		}
		if button != nil && !missing {
			return button
		}
	}
	return nil
}

func (b *browser) submit(button *html.Node, fill []string) *browser {
	b.t.Helper()
	form := button.Parent
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		b.t.Fatalf("%q is in no form", said(button))
	}
	values := url.Values{}
	for node := range form.Descendants() {
		switch name := attr(node, "name"); {
		case name == "" || node.Data == "button":
		case node.Data == "textarea":
			values.Set(name, said(node))
		case attr(node, "type") == "checkbox" && !has(node, "checked"):
		default:
			values.Set(name, attr(node, "value"))
		}
	}
	if name := attr(button, "name"); name != "" {
		values.Set(name, attr(button, "value"))
	}
	for i := 0; i+1 < len(fill); i += 2 {
		if !values.Has(fill[i]) {
			b.t.Fatalf("the form has no field %q: %v", fill[i], values)
		}
		values.Set(fill[i], fill[i+1])
	}
	return b.post(b.link(attr(form, "action")), b.at.Scheme+"://"+b.at.Host, values)
}

func (b *browser) link(to string) string {
	b.t.Helper()
	u, err := b.at.Parse(to)
	if err != nil {
		b.t.Fatal(err)
	}
	return u.String()
}

// text is what the page says.
func (b *browser) text() string { return said(b.page) }

// wants checks the page's status and something it says.
func (b *browser) wants(status int, text string) *browser {
	b.t.Helper()
	if b.status != status || !strings.Contains(b.text(), text) {
		b.t.Fatalf("%s answers %d, want %d and %q: %s", b.at, b.status, status, text, b.text())
	}
	return b
}

// lacks checks that the page does not say something.
func (b *browser) lacks(text string) *browser {
	b.t.Helper()
	if strings.Contains(b.text(), text) {
		b.t.Fatalf("%s says %q: %s", b.at, text, b.text())
	}
	return b
}

// cookie is what the browser would send to this address under a name that begins
// so; empty for none.
func (b *browser) cookie(to *url.URL, begins string) http.Cookie {
	for _, c := range b.client.Jar.Cookies(to) {
		if strings.HasPrefix(c.Name, begins) {
			return *c
		}
	}
	return http.Cookie{}
}

var spaces = regexp.MustCompile(`\s+`)

func said(n *html.Node) string {
	var s strings.Builder
	for node := range n.Descendants() {
		if node.Type == html.TextNode {
			s.WriteString(node.Data)
		}
	}
	return strings.TrimSpace(spaces.ReplaceAllString(s.String(), " "))
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}
