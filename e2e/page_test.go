package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// page is an HTML page as a browser sees it without scripts.
type page struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
	forms  []form
}

// form is one with the values that it came with.
type form struct {
	action  *url.URL
	method  string
	fields  url.Values        // what is sent if nobody touches it
	buttons map[string]string // named submit buttons
	first   string            // the one that the Enter key presses
}

func readPage(t testing.TB, response *http.Response) page {
	t.Helper()
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	p := page{url: response.Request.URL, status: response.StatusCode, header: response.Header, body: body}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", p.url, err)
	}
	for node := range root.Descendants() {
		if node.Type == html.ElementNode && node.Data == "form" {
			p.forms = append(p.forms, readForm(t, node))
		}
	}
	return p
}

func readForm(t testing.TB, node *html.Node) form {
	t.Helper()
	action, err := url.Parse(attr(node, "action"))
	if err != nil {
		t.Fatalf("a form's action: %v", err)
	}
	f := form{action: action, method: strings.ToUpper(attr(node, "method")), fields: url.Values{}, buttons: map[string]string{}}
	if f.method == "" {
		f.method = http.MethodGet
	}
	for n := range node.Descendants() {
		if n.Type == html.ElementNode && attr(n, "name") != "" {
			f.add(n)
		}
	}
	return f
}

// add takes up one named control.
func (f *form) add(n *html.Node) {
	name, value, kind := attr(n, "name"), attr(n, "value"), strings.ToLower(attr(n, "type"))
	switch {
	case n.Data == "button" && kind != "button", n.Data == "input" && kind == "submit":
		f.buttons[name] = value
		if f.first == "" {
			f.first = name
		}
	case n.Data == "input" && (kind == "checkbox" || kind == "radio"):
		if has(n, "checked") {
			f.fields.Add(name, value)
		}
	case n.Data == "select":
		f.fields.Add(name, selected(n))
	case n.Data == "input", n.Data == "textarea":
		f.fields.Add(name, value)
	}
}

// selected is the value of the chosen option, which is the first one where none
// says that it is.
func selected(n *html.Node) string {
	var options []*html.Node
	for option := range n.Descendants() {
		if option.Type == html.ElementNode && option.Data == "option" {
			options = append(options, option)
		}
	}
	for _, option := range options {
		if has(option, "selected") {
			return attr(option, "value")
		}
	}
	if len(options) > 0 {
		return attr(options[0], "value")
	}
	return ""
}

func (f form) has(name string) bool {
	_, field := f.fields[name]
	_, button := f.buttons[name]
	return field || button
}

func (f form) names() []string {
	var names []string
	for name := range f.fields {
		names = append(names, name)
	}
	for name := range f.buttons {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// values is what a browser sends when button is pressed.
func (f form) values(button string) url.Values {
	values := url.Values{}
	for name, v := range f.fields {
		values[name] = slices.Clone(v)
	}
	if button == "" {
		button = f.first
	}
	if value, ok := f.buttons[button]; ok {
		values.Set(button, value)
	}
	return values
}

// find returns the first form that has all the names.
func (p page) find(names ...string) (form, bool) {
	for _, f := range p.forms {
		if !slices.ContainsFunc(names, func(name string) bool { return !f.has(name) }) {
			return f, true
		}
	}
	return form{}, false
}

var spaces = regexp.MustCompile(`\s+`)

// text is what the page says, without its style and scripts.
func (p page) text() string {
	root, err := html.Parse(bytes.NewReader(p.body))
	if err != nil {
		return string(p.body)
	}
	var s strings.Builder
	for node := range root.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "style" && node.Parent.Data != "script" {
			s.WriteString(node.Data + " ")
		}
	}
	return strings.TrimSpace(spaces.ReplaceAllString(s.String(), " "))
}

// element is what stands in the element with this id.
func (p page) element(id string) string {
	root, err := html.Parse(bytes.NewReader(p.body))
	if err != nil {
		return ""
	}
	var s strings.Builder
	for node := range root.Descendants() {
		for up := node.Parent; up != nil && node.Type == html.TextNode; up = up.Parent {
			if attr(up, "id") == id {
				s.WriteString(node.Data)
				break
			}
		}
	}
	return strings.TrimSpace(s.String())
}

// link is where the link with these words leads to, or nothing.
func (p page) link(words string) string {
	root, err := html.Parse(bytes.NewReader(p.body))
	if err != nil {
		return ""
	}
	for node := range root.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data == "a" && strings.TrimSpace(node.Data) == words {
			return attr(node.Parent, "href")
		}
	}
	return ""
}

// neutral is the page's HTML without what is each visitor's own: the values of
// fields, nonces, and the given words.
func (p page) neutral(t testing.TB, words ...string) string {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	for node := range root.Descendants() {
		for i, a := range node.Attr {
			if a.Key == "value" || a.Key == "nonce" || a.Key == "action" {
				node.Attr[i].Val = ""
			}
		}
	}
	var s bytes.Buffer
	if err := html.Render(&s, root); err != nil {
		t.Fatal(err)
	}
	text := s.String()
	for _, word := range words {
		text = strings.ReplaceAll(text, word, "…")
	}
	return text
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
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}
