package signintest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Form returns the form of the page that has an input, a button or an action of
// this name: where it is sent, and what is in it. Of boxes and choices only what
// is ticked is in it.
func (b *Browser) Form(name string) (action string, fields url.Values) {
	b.T.Helper()
	root, err := html.Parse(strings.NewReader(b.Page.Body))
	if err != nil {
		b.T.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		fields = url.Values{}
		names := []string{attr(n, "action")}
		for c := range n.Descendants() {
			if c.Type == html.ElementNode {
				names = append(names, attr(c, "name"), attr(c, "formaction"))
				fill(fields, c)
			}
		}
		if slices.Contains(names, name) {
			return b.resolve(attr(n, "action")), fields
		}
	}
	return "", nil
}

// fill takes what an element of a form contributes. Buttons do so too, as if
// each were pressed: the broker looks at no more than one.
func fill(fields url.Values, n *html.Node) {
	name := attr(n, "name")
	kind := attr(n, "type")
	switch {
	case name == "", (kind == "checkbox" || kind == "radio") && !has(n, "checked"):
	case n.Data == "select":
		for o := range n.Descendants() {
			if o.Data == "option" && (has(o, "selected") || !fields.Has(name)) {
				fields.Set(name, attr(o, "value"))
			}
		}
	default:
		fields.Add(name, attr(n, "value"))
	}
}

// resolve is where a form's action leads.
func (b *Browser) resolve(action string) string {
	base, err := url.Parse(b.Page.URL)
	if err != nil {
		b.T.Fatal(err)
	}
	to, err := base.Parse(action)
	if err != nil {
		b.T.Fatal(err)
	}
	return to.String()
}

// Shows reports whether the page has a form with this input, button or action.
func (b *Browser) Shows(name string) bool {
	b.T.Helper()
	action, _ := b.Form(name)
	return action != ""
}

// Submit fills in a form of the page, found by a name in it, and sends it. pairs
// are names and values.
func (b *Browser) Submit(name string, pairs ...string) {
	b.T.Helper()
	action, fields := b.Form(name)
	if action == "" {
		b.T.Fatalf("the page has no form with %s: %d %s", name, b.Page.Status, b.Page.Text())
	}
	if strings.HasPrefix(name, "/") {
		action = b.resolve(name) // the form's own, or that of one of its buttons
	}
	for i := 0; i < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	b.follow(http.MethodPost, action, fields, nil, b.allowed())
}

// allowed are the origins that the page's policy lets its forms lead to. Where
// there is no policy, that of an issuer's page, it is every site there is.
func (b *Browser) allowed() []string {
	for _, directive := range strings.Split(b.Page.Header.Get("Content-Security-Policy"), ";") {
		words := strings.Fields(directive)
		if len(words) == 0 || words[0] != "form-action" {
			continue
		}
		page, err := url.Parse(b.Page.URL)
		if err != nil {
			b.T.Fatal(err)
		}
		out := []string{}
		for _, source := range words[1:] {
			if source == "'self'" {
				source = page.Scheme + "://" + page.Host
			}
			out = append(out, source)
		}
		return out
	}
	return nil
}

// Links are where the page's links lead, by their text.
func (b *Browser) Links() map[string]string {
	b.T.Helper()
	root, err := html.Parse(strings.NewReader(b.Page.Body))
	if err != nil {
		b.T.Fatal(err)
	}
	out := map[string]string{}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "a" && n.FirstChild != nil {
			out[strings.TrimSpace(n.FirstChild.Data)] = b.resolve(attr(n, "href"))
		}
	}
	return out
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// text is a page without its markup.
func text(page string) string {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return page
	}
	var out strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "title" {
			out.WriteString(strings.TrimSpace(n.Data) + " ")
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}
